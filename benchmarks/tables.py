"""Commands that only read names, tables and stored rows, each in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import BENCHMARKS
from benchmarks.measure import row

COMMANDS = {  # and the seconds that each may take; what judges results by intervals needs pandas and SciPy besides
    "runs": 0.5,
    "graphs": 0.5,
    "rules list": 0.5,
    "study list": 0.5,
    "bench": 0.5,
    "claims list": None,
    "study report placebo": None,
}
BEFORE = "import workbench.studies.execute, workbench.rules.values\n"
COMMAND = "import sys; from workbench.cli import main; sys.exit(main(sys.argv[1:]))"


@BENCHMARKS.register("tables")
def tables() -> list[dict[str, Any]]:
    """Commands that read tables, against the same after the imports of what trains and scores."""
    return [
        row(
            f"workbench {command}",
            _process(BEFORE + COMMAND, command),
            _process(COMMAND, command),
            repeats=2,
            must="no torch" + (f", at most {limit} s" if limit else ""),
            limit_seconds=limit,
        )
        for command, limit in COMMANDS.items()
    ]


def _process(code: str, command: str) -> Callable[[], object]:
    words = [sys.executable, "-c", code, *command.split()]
    return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
