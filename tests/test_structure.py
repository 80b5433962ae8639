"""The house: imports point down and never in a circle, type-only ones included; sizes keep to their budgets."""

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

import workbench

PACKAGE = Path(workbench.__file__).parent
GROUND = ("text", "errors", "arguments", "lazy", "atomic", "endings", "registry", "randomness", "config", "types")
FLOORS = (
    "datasets", "rules", "views", "encoders", "contrast", "objectives", "adaptation", "methods", "training",
    "evaluation", "studies", "plots", "widgets", "pages", "cli",
)  # fmt: skip
MODULES = {
    ".".join(("workbench", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(PACKAGE.rglob("*.py"))
    if file not in (PACKAGE / "__init__.py", PACKAGE / "__main__.py")  # the one names everything, the other starts it
}
METHOD, PART, PLOT, MODULE = 150, 40, 60, 300  # lines at most


def imported(file: Path) -> Iterator[str]:
    """Yield the modules of this package that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "workbench":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                name = whole if whole in MODULES else str(node.module)
                if name in MODULES:
                    yield name


EDGES = [(module, other) for module, file in MODULES.items() for other in imported(file) if other != module]


def floor_of(module: str) -> int:
    """Return the floor that a module stands on, 0 for the ground."""
    folder = module.split(".")[1]
    return 0 if folder in GROUND else 1 + FLOORS.index(folder)


def test_each_module_stands_on_a_floor() -> None:
    assert {module.split(".")[1] for module in MODULES} <= {*GROUND, *FLOORS}


def test_no_import_points_up() -> None:
    up = [f"{module} imports {other}" for module, other in EDGES if floor_of(module) < floor_of(other)]
    assert not up, "\n".join(up)


def test_no_imports_go_in_a_circle() -> None:
    circles = [
        sorted(part) for part in networkx.strongly_connected_components(networkx.DiGraph(EDGES)) if len(part) > 1
    ]
    assert not circles, "\n".join(map(str, circles))


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_keeps_to_its_budget(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    assert lines(MODULES[module]) <= (METHOD if "\n@METHODS.register(" in source else MODULE)
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        decorators = " ".join(map(ast.unparse, node.decorator_list))
        registered = "SAMPLERS" in decorators or "OBJECTIVES" in decorators
        most = PART if registered else PLOT if module.startswith("workbench.plots.") else None
        if most is not None:
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= most, f"{node.name} has {length} lines"
