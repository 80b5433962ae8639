"""Parts are found by the lines of the sources that register them, whatever else lies beside the sources."""

from pathlib import Path

import pytest

from workbench.contrast.negatives.selection import SAMPLERS
from workbench.contrast.positives import POSITIVES
from workbench.datasets.kinds import KINDS
from workbench.encoders.base import ENCODERS
from workbench.encoders.heads import HEADS
from workbench.objectives import OBJECTIVES
from workbench.registry import Registry


def test_only_modules_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "kept_parts"
    for file in ("deep/first.py", ".ipynb_checkpoints/copy.py", "first-checkpoint.py", "deep/.first.py", "__init__.py"):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(f'TEXT = """\n@PARTS.register("{file}")\n"""\n')
    (package / "deep/.#first.py").symlink_to("somebody@somewhere.4711")  # Emacs' lock leads nowhere
    monkeypatch.syspath_prepend(tmp_path)
    assert Registry[type]("part", "kept_parts").names() == ["deep/first.py"]


@pytest.mark.parametrize(
    "table", [ENCODERS, HEADS, OBJECTIVES, POSITIVES, SAMPLERS, KINDS], ids=lambda table: table.kind
)
def test_a_table_names_what_is_entered_in_it_and_nothing_of_others_in_its_package(table: Registry[object]) -> None:
    assert table.names() and all(callable(table.get(name)) for name in table.names())
