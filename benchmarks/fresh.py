"""A training in a process of its own, so that its peak of memory is nobody else's."""

import json
import subprocess
import sys
import tempfile
from typing import Any


def run(code: str, *arguments: Any) -> Any:
    """Run code in a fresh process and return the JSON of its last line.

    Args:
        code: reads its arguments, and the folder of an empty store behind them, as JSON from sys.argv[1].
        arguments: what JSON holds.
    """
    with tempfile.TemporaryDirectory() as store:
        words = [sys.executable, "-c", code, json.dumps([*arguments, store])]
        shown = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(shown.splitlines()[-1])
