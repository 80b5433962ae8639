"""Print the lowest version of each package that pyproject.toml admits, as constraints for pip."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
shared = [line for name in ("cluster", "slurm", "tune", "app", "molecules") for line in extras[name]]
for requirement in [*project["dependencies"], *shared]:
    print(requirement.split(",")[0].replace(">=", "=="))
