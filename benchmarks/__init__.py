"""Benchmarks of time and memory, run from a clone of the project by `make bench` or `workbench bench`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # oracles.py there has the plain re-statements
