"""A small sample of `make torture`: what is killed at random moments loses nothing and leaves nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = """import json, torture
kinds = {torture.training: 1, torture.writing: 1, torture.exporting: 1}
print(json.dumps(torture.torture(6, kinds=kinds)))"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="work is done in forks")
def test_a_kill_at_any_moment_loses_nothing() -> None:
    """In a process of its own, as one with threads can't fork."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    environment |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SAMPLE], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["kills"], figures["losses"], figures["leftovers"]) == (6, [], []), figures
