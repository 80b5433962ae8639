"""What a run takes home: its encoder as a plain PyG module, its embeddings in files that others read."""

import csv
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from workbench.encoders.base import Plain
from workbench.training.run import Run

_MODULE = '''"""{title}

`load()` returns it with its weights; `model(x, edge_index)` embeds the nodes of a graph that has the same attribute
columns, float [nodes, {dim}]. Needs torch and torch-geometric only.
"""

from pathlib import Path

import torch
from torch import nn
from torch_geometric.nn import Sequential
{imports}
{definitions}

def load() -> nn.Module:
    """Return the trained encoder in evaluation mode."""
    model = Sequential(
        "x, edge_index",
        [
            {layers},
        ],
    )
    model.load_state_dict(torch.load(Path(__file__).with_name("encoder.pt"), weights_only=True))
    return model.eval()
'''


def export(run: Run, folder: Path) -> list[Path]:
    """Write a run for those who do not have this package.

    The folder gets encoder.py and encoder.pt (a module of PyG's own layers and its weights), and for each item, e.g.
    nodes: embeddings.parquet and .csv with the items' names, embeddings.txt (word2vec's text format), and
    projector-vectors.tsv with projector-names.tsv (for TensorBoard's projector).

    Args:
        run: what was trained.
        folder: where to write; it is made.

    Returns:
        The files.

    Raises:
        UserError: the run has no weights or its encoder no plain form.
    """
    encoder = run.encoder
    plain = encoder.plain()
    folder.mkdir(parents=True, exist_ok=True)
    by_item = run.embeddings if isinstance(run.embeddings, dict) else {"": run.embeddings}
    (folder / "encoder.py").write_text(_source(run, plain, next(iter(by_item.values())).shape[1]), encoding="utf-8")
    state = {name: weight.detach().clone() for name, weight in plain.state.items()}
    torch.save(state, folder / "encoder.pt")
    written = [folder / "encoder.py", folder / "encoder.pt"]
    for item, matrix in by_item.items():
        written += embeddings(matrix, run.names, folder, f"{item}-" if item else "")
    return written


def _source(run: Run, plain: Plain, dim: int) -> str:
    return _MODULE.format(
        title=f"The encoder of {run.method}, trained on {run.graph}: {run.preset}, seed {run.seed}.",
        dim=dim,
        imports="\n".join(plain.imports),
        definitions=f"\n{plain.definitions}" if plain.definitions else "",
        layers=",\n            ".join(plain.layers),
    )


def embeddings(matrix: Tensor, names: list[str] | None, folder: Path, prefix: str = "") -> list[Path]:
    """Write embeddings in the forms that others read, and return the files.

    Args:
        matrix: [items, dim].
        names: of the items; None writes their numbers.
        folder: where to write.
        prefix: of the files' names.
    """
    called = names if names is not None else [str(number) for number in range(len(matrix))]
    table = pd.DataFrame(matrix.numpy(), columns=[f"dim_{column}" for column in range(matrix.shape[1])])
    table.insert(0, "name", called)
    parquet, plain, words, vectors, labels = (
        folder / f"{prefix}{name}"
        for name in (
            "embeddings.parquet",
            "embeddings.csv",
            "embeddings.txt",
            "projector-vectors.tsv",
            "projector-names.tsv",
        )
    )
    table.to_parquet(parquet, index=False)
    table.to_csv(plain, index=False)
    # A word of word2vec's format ends at white space.
    together = table.assign(name=table["name"].str.split().str.join("_"))
    with words.open("w", encoding="utf-8") as file:
        file.write(f"{matrix.shape[0]} {matrix.shape[1]}\n")
        together.to_csv(file, sep=" ", header=False, index=False, quoting=csv.QUOTE_NONE, escapechar="\\")
    table.drop(columns="name").to_csv(vectors, sep="\t", header=False, index=False)
    pd.Series(table["name"].str.split().str.join(" ")).to_csv(
        labels, sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE, escapechar="\\"
    )
    return [parquet, plain, words, vectors, labels]
