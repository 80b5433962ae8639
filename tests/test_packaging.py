"""Versions agree between the files, the set-up names no machine, and the documents name real commands."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from torch_geometric.data import Data

import workbench

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Needed without being imported by the package: widgets and servers of the notebooks.
NOT_IMPORTED = {"anywidget", "jupyterlab"}
EXTRAS = ("cluster", "slurm", "tune", "app", "dev", "molecules")
BROKEN_BY_MAJOR_VERSIONS = {"ipywidgets", "kaleido", "networkx", "numpy", "pandas", "plotly", "torch"}
SETUP_FILES = [
    "pyproject.toml", "requirements.txt", "environment.yml", "Makefile", ".ci/run", ".pre-commit-config.yaml",
    "README.md", "CONTRIBUTING.md",
]  # fmt: skip


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        line = line.split("#")[0].strip()
        if line:
            match = re.fullmatch(r"([\w.-]+)==([\w.]+)", line)
            assert match, f"not an exact public pin: {line!r}"
            assert plain(match[1]) not in found, f"{match[1]} is pinned twice"
            found[plain(match[1])] = match[2]
    return found


def specifiers(lines: list[str]) -> dict[str, SpecifierSet]:
    requirements = [Requirement(line) for line in lines]
    assert len({plain(requirement.name) for requirement in requirements}) == len(requirements), "one is named twice"
    return {plain(requirement.name): requirement.specifier for requirement in requirements}


CORE, CLUSTER, SLURM, TUNE, APP, DEV, MOLECULES = (
    specifiers(lines) for lines in (PROJECT["dependencies"], *map(PROJECT["optional-dependencies"].get, EXTRAS))
)
SHARED = (
    CORE | CLUSTER | SLURM | TUNE | APP | MOLECULES
)  # with an environment of the user's own; the tools of DEV are a contributor's
OWNERS = {module: {plain(owner) for owner in owners} for module, owners in metadata.packages_distributions().items()}
LOCK = pins((ROOT / "requirements.txt").read_text().splitlines())


def test_what_the_project_is_built_on() -> None:
    assert PROJECT["requires-python"] == ">=3.11" and LOCK["torch"] == "2.13.0"
    assert {"torch-geometric", "papermill", "plotly", "networkx", "umap-learn", "scikit-learn"} <= set(CORE)
    assert set(PROJECT["optional-dependencies"]) == set(EXTRAS)
    tried = CLUSTER | SLURM | TUNE | {"voila": APP["voila"]}
    assert not set(CORE) & set(DEV) and tried.items() <= DEV.items()


@pytest.mark.parametrize("name", SHARED)
def test_what_users_share_comes_in_ranges_with_a_lower_end(name: str) -> None:
    """And with an upper end, the next major version, where such a step has broken users before."""
    ends = {end.operator: Version(end.version) for end in SHARED[name]}
    assert ">=" in ends and set(ends) <= {">=", "<"}, SHARED[name]
    assert "<" in ends or name not in BROKEN_BY_MAJOR_VERSIONS
    if name in LOCK and "<" in ends:
        assert ends["<"] == Version(str(Version(LOCK[name]).major + 1))


def test_the_lock_lies_inside_the_ranges_of_the_project() -> None:
    for name, specifier in (CORE | DEV).items():
        assert LOCK.get(name) in specifier, (name, LOCK.get(name), specifier)


def test_the_oldest_environment_has_the_lower_end_of_each_range() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci" / "oldest.py"], capture_output=True, text=True, check=True)
    lower = {name: next(end.version for end in ends if end.operator == ">=") for name, ends in SHARED.items()}
    assert pins(done.stdout.splitlines()) == lower
    assert "--constraint $(OLDEST)/constraints.txt" in (ROOT / "Makefile").read_text()


def test_messages_and_pages_name_the_distribution_that_is_ours() -> None:
    """`workbench` on a package index is somebody else's; only the import and the command are called so."""
    assert PROJECT["name"] == workbench.DISTRIBUTION != "workbench" and set(PROJECT["scripts"]) == {"workbench"}
    texts = [*SETUP_FILES]
    for pattern in ("workbench/**/*.py", "docs/**/*.md", "notebooks/**/*.ipynb"):
        texts += ROOT.glob(pattern)
    for text in map(ROOT.joinpath, texts):
        assert not re.search(r"pip3? install [^\n]*(?<![\w./-])workbench\b", text.read_text()), text


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11), reason="the lock is of Linux, Python 3.11"
)
def test_the_lock_is_closed_under_requirements() -> None:
    """Each requirement of a locked package is locked too, so nothing floats, but for the CUDA build's own libraries."""
    for name in LOCK:
        for text in metadata.requires(name) or []:
            need = Requirement(text)
            cuda = name == "torch" and need.name.startswith(("nvidia", "cuda", "triton"))
            if not cuda and (need.marker is None or need.marker.evaluate({"extra": ""})):
                assert plain(need.name) in LOCK, f"{name} needs {need.name}"
                assert need.specifier.contains(LOCK[plain(need.name)], prereleases=True), f"{name} needs {need}"


def test_what_is_installed_is_what_is_locked() -> None:
    installed = {plain(dist.metadata["Name"]): dist.version.split("+")[0] for dist in metadata.distributions()}
    differing = {
        name: (version, installed.get(name)) for name, version in LOCK.items() if installed.get(name) != version
    }
    assert not differing, f"locked and installed versions differ: {differing}; run make install"


def test_the_conda_environment_takes_the_lock() -> None:
    lines = (ROOT / "environment.yml").read_text().splitlines()
    assert [line.strip() for line in lines if re.match(r"\s{6}- ", line)] == ["- -r requirements.txt", "- -e ."]
    assert "name: workbench" in lines and "  - python=3.11" in lines


def test_every_import_is_a_declared_dependency() -> None:
    declared = (
        {module for name in SHARED for module in _modules(name)} | set(APP) | set(MOLECULES)
    )  # which are not installed here
    imported = set()
    for path in (ROOT / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"workbench"}
    assert foreign <= declared, f"imported but not declared: {foreign - declared}"
    unused = {name for name in CORE if not set(_modules(name)) & imported}
    assert unused <= NOT_IMPORTED, f"declared but never imported: {unused - NOT_IMPORTED}"


def _modules(name: str) -> list[str]:
    return [module for module, owners in OWNERS.items() if name in owners]


@pytest.mark.parametrize("name", SETUP_FILES)
def test_no_file_names_a_machine_or_an_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"(?<![\w.])/(home|root|work|opt|tmp|Users)/", text)
    assert "file:/" not in text and "+cpu" not in text and "--hash" not in text
    hosts = re.findall(r"https?://([\w.-]+)", text)
    assert set(hosts) <= {"pytorch.org"}, hosts
    assert "pypi" not in text.lower() and "download.pytorch" not in text


def test_packaged_data_reaches_an_installation() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["workbench"]
    packaged = {path for pattern in patterns for path in (ROOT / "workbench").glob(pattern)}
    others = {p for p in (ROOT / "workbench").rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert others <= packaged, f"not packaged: {others - packaged}"
    folders = {path.parent for path in (ROOT / "workbench").rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_readme_opens_with_the_two_commands_and_names_real_ones() -> None:
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"install", "run", "test", "lab", "check", "clean", "help"} <= targets
    first = re.search(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    assert first and [line.split("#")[0].strip() for line in first[1].splitlines()] == ["make run", "make test"]
    for document in (text, (ROOT / "CONTRIBUTING.md").read_text(), (ROOT / ".ci" / "run").read_text()):
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document, re.MULTILINE))
        assert named <= targets, named - targets
    from workbench.cli import parsers

    commands = set(parsers()[1])
    named = set(re.findall(r"(?:^|`)workbench ([a-z]+)", text, re.MULTILINE))
    assert named == commands, (named, commands)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures == [f"docs/pictures/{name}.png" for name in ("scores", "map", "explorer", "microscope", "rules")]
    assert all((ROOT / picture).stat().st_size < 200_000 for picture in pictures)


def test_the_page_on_rules_names_every_word_of_the_language() -> None:
    from workbench import rules
    from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

    page = (ROOT / "docs" / "rules.md").read_text()
    for term in TERMS.values():
        assert f"| `{term.example}` | {term.about}" in page, term
    for name, function in FUNCTIONS.items():
        assert f"| `{name}(" in page and f"| {function.about} |" in page, name
    for name, domain in DOMAINS.items():
        assert f"| `{name}{'(v)' if domain.around else ''}` | {domain.about} |" in page, name
    for name in rules.names():
        rule = rules.get(name)
        assert f"| `{name}` | {rule.says} | {rule.source} |" in page, name
    examples = re.search(r"```\n(.*?)```", page, re.DOTALL)
    assert examples and all(rules.parse(line) for line in examples[1].splitlines())


def test_the_page_on_negatives_names_every_sampler_objective_and_option() -> None:
    import workbench as wb
    from workbench.config import options_of
    from workbench.contrast.negatives.selection import SAMPLERS
    from workbench.contrast.positives import POSITIVES
    from workbench.objectives import OBJECTIVES

    steps = torch.arange(11)
    path = torch.cat([torch.stack([steps, steps + 1]), torch.stack([steps + 1, steps])], 1)
    graph = Data(x=torch.eye(12), edge_index=path, num_nodes=12)
    page = (ROOT / "docs" / "negatives.md").read_text()
    rows = {row[0].strip(" `"): row for row in (line.split("|")[1:] for line in page.splitlines() if "|" in line)}
    for registry, column in ((SAMPLERS, 2), (OBJECTIVES, 1), (POSITIVES, 1)):
        for name in registry.names():
            options = (
                f"`{option}={value!r}`".replace("'", '"') for option, value in options_of(registry, name).items()
            )
            assert rows[name][column].strip() == ", ".join(options), name
    for name in wb.negatives.names():
        chosen = wb.negatives.select(name, graph, k=3)
        assert rows[name][1].strip() == ("shared" if chosen.shared else "each"), name


def test_readme_code_runs_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python lines of the README work, on a tiny graph and few epochs instead of the ones they name."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code and len([line for line in code[1].splitlines() if line.strip()]) == 5
    short = re.sub(r'load_graph\("\w+"\)', 'load_graph("digits")', code[1])
    short = re.sub(r"preset=\"\w+\"", "epochs=1, progress=False", short)
    assert short != code[1]
    exec(compile(short, "README.md", "exec"), {})


def test_a_too_old_python_is_told_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python, told in ((str(old), "is older than Python 3.11"), ("no-such-python", "not found")):
        command = ["make", "-C", str(ROOT), "install", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode != 0 and told in done.stderr, done.stderr
        assert not (tmp_path / "venv").exists()


def test_ci_fails_when_anything_fails() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script and (ROOT / ".ci" / "run").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


@pytest.mark.parametrize("name", workbench._PUBLIC)
def test_a_public_name_whose_module_fails_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = workbench._PUBLIC[name].partition(":")[0]
    monkeypatch.delitem(vars(workbench), name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=module):
        getattr(workbench, name)


def test_the_licence_is_mit_and_everyones() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License") and "the workbench authors" in text and PROJECT["license"] == "MIT"
