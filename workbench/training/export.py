"""Files for those who do not have this package: an encoder as a plain PyG module, embeddings in tables and lists."""

import operator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from workbench.atomic import whole
from workbench.datasets.attributes import Scaling
from workbench.datasets.files.formats import parquet
from workbench.encoders.base import Encoder, Layer
from workbench.errors import UserError
from workbench.text import cells

_MODULE = '''"""{title}

`load()` returns it with its weights; `model(x, edge_index{names})` embeds {embeds}.
Embeddings are float [nodes, {dim}]. Needs torch and torch-geometric only.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
{imports}
{definitions}

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        {layers}

    def forward(self, x: Tensor, edge_index: Tensor{more}) -> Tensor:
        {calls}


def load() -> nn.Module:
    """Return the trained encoder in evaluation mode."""
    model = Encoder()
    model.load_state_dict(torch.load(Path(__file__).with_name("encoder.pt"), weights_only=True))
    return model.eval()
'''


class Scaled(NamedTuple):
    """What a plain module does to x before its first layer: lines of its `__init__` and `forward`, and its state."""

    layers: list[str]
    calls: list[str]
    state: dict[str, Tensor]


def scaling(how: Scaling, moments: Tensor | None) -> Scaled:
    """Return what scales attributes as `rescale` does."""
    if how == "rows":
        return Scaled([], ["x = nn.functional.normalize(x, dim=1)"], {})
    if moments is None:
        return Scaled([], [], {})
    buffers = [f'self.register_buffer("{name}", torch.empty({moments.shape[1]}))' for name in ("mean", "deviation")]
    return Scaled(
        buffers, ["x = (x - self.mean) / self.deviation"], dict(zip(("mean", "deviation"), moments, strict=True))
    )


def encoder(module: Encoder, title: str, dim: int, folder: Path, scaled: Scaled) -> list[Path]:
    """Write an encoder into a folder: encoder.py, a module of PyG's own layers under a title, and its encoder.pt."""
    plain = module.plain()
    layers, calls = map(operator.add, scaled[:2], _statements(plain.layers))
    source = _MODULE.format(
        title=title,
        dim=dim,
        embeds=plain.embeds,
        more=plain.more,
        names=plain.more.replace(": Tensor", ""),
        imports="\n".join(plain.imports),
        definitions=f"\n{plain.definitions}" if plain.definitions else "",
        layers="\n        ".join(layers),
        calls="\n        ".join(calls),
    )
    state = {name: weight.detach().clone() for name, weight in (scaled.state | plain.state).items()}
    with whole(folder / "encoder.pt") as draft:
        torch.save(state, draft)
    _write(folder / "encoder.py", source)
    return [folder / "encoder.py", folder / "encoder.pt"]


def _statements(layers: list[Layer]) -> tuple[list[str], list[str]]:
    """Return the lines that make the layers of `Plain` and those that call them.

    PyG's own Sequential is not used: one that is made in a module which can't be imported by its name computes the
    `forward` of the last other one.
    """
    made, calls = [], []
    for number, layer in enumerate(layers):
        made.append(f"self.module_{number} = {layer.source}")
        calls.append(f"{layer.gives} = self.module_{number}({layer.takes})")
    return made, [*calls, f"return {layers[-1].gives}"]


Names = list[str] | None


def embeddings(matrix: Tensor, names: Names, folder: Path, prefix: str = "", ids: Names = None) -> list[Path]:
    """Write embeddings [items, dim], under the items' names or numbers, in the forms that others read.

    The tables have `ids`, too, where there are any. `prefix` stands before the files' names, which are returned.
    """
    endings = ["embeddings.parquet", "embeddings.csv", "embeddings.txt", "projector-vectors.tsv", "projector-names.tsv"]
    parquet, plain, words, vectors, labels = (folder / f"{prefix}{ending}" for ending in endings)
    table = _named(matrix, names)
    for file in (parquet, plain):
        table_of(matrix, names, file, ids=ids)
    rows = table.drop(columns="name").to_csv(None, sep="\t", header=False, index=False)
    assert isinstance(rows, str)
    _write(vectors, rows)
    # A word of word2vec's format ends at white space, a label of the projector at a tab or a line break.
    words_only = table["name"].str.split()
    _write(labels, "\n".join([*words_only.str.join(" "), ""]))
    lines = map(" ".join, zip(words_only.str.join("_"), rows.replace("\t", " ").splitlines(), strict=True))
    _write(words, "\n".join([f"{matrix.shape[0]} {matrix.shape[1]}", *lines, ""]))
    return [parquet, plain, words, vectors, labels]


def _named(matrix: Tensor, names: Names, ids: Names = None) -> pd.DataFrame:
    """Return embeddings [items, dim] as a table with a column "name", perhaps "id", and one for each dimension."""
    table = pd.DataFrame(matrix.numpy(), columns=[f"dim_{column}" for column in range(matrix.shape[1])])
    table.insert(0, "name", names if names is not None else [str(number) for number in range(len(matrix))])
    if ids is not None:
        table.insert(1, "id", ids)
    return table


def table_of(matrix: Tensor, names: Names, file: str | Path, item: str = "", ids: Names = None) -> Path:
    """Write embeddings [items, dim], under the items' names or numbers and their ids, as one table, .csv or .parquet.

    In a .csv an apostrophe stands before a name that a spreadsheet would compute, see `workbench.text.cell`; a .parquet
    has names as they are. Where there are several kinds of items, `item` is put before the file's name. The file is
    returned.
    """
    file = Path(file).with_name(f"{item}-{Path(file).name}") if item else Path(file)
    if file.suffix not in (".csv", ".parquet"):
        raise UserError(f"{file.name!r} ends in neither .csv nor .parquet, the forms of a table here")
    table = _named(matrix, names, ids)
    with whole(file) as draft:
        if file.suffix == ".csv":
            cells(table).to_csv(draft, index=False)
        else:
            parquet().write(str(draft), table, write_index=False)
    return file


def _write(file: Path, text: str) -> None:
    with whole(file) as draft:
        draft.write_text(text, encoding="utf-8")
