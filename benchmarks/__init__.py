"""Benchmarks of time and memory, run from a clone of the project by `make bench` or `workbench bench`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.registry import Registry

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # oracles.py there has the plain re-statements
BENCHMARKS: Registry[Callable[[], list[dict[str, Any]]]] = Registry("benchmark", "benchmarks")
