"""Molecules from tables of SMILES, read by rdkit, which is an extra."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch_geometric.data import Data
from torch_geometric.utils import from_smiles, one_hot

from workbench.datasets.graph_sets import GraphSet
from workbench.errors import UserError

EXTRA = "molecules"  # what pip calls it
ATOMS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53)  # atomic numbers that have a column; one more is for all others


def molecules(path: Path, row: dict[str, Any]) -> GraphSet:
    """Read molecules: atoms with their element one-hot, charge, hydrogens, aromaticity and ring; bonds; their targets.

    A molecule that rdkit can't read is left out. `scaffold` numbers Bemis-Murcko scaffolds by their first molecule, and
    `smiles` is what was read.

    Args:
        path: a CSV file.
        row: of the registry: "smiles" and "target" name its columns, "numbers" says that the target is no class.
            Without a target all columns but those "besides" are tasks: y is 0, 1 or, where none knows, NaN [1, tasks].
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    table = pd.read_csv(path)
    known, besides = torch.tensor(ATOMS), (row["smiles"], *row.get("besides", ()))
    columns = [row["target"]] if "target" in row else [name for name in table if name not in besides]
    measured = row.get("numbers", False) or "target" not in row
    made, scaffolds = [], dict[str, int]()
    with rdBase.BlockLogs():  # it tells of each that it can't read
        for smiles, targets in zip(table[row["smiles"]], table[columns].to_numpy(), strict=True):
            molecule = Chem.MolFromSmiles(smiles)
            if molecule is None or not molecule.GetNumAtoms():
                continue
            read = from_smiles(smiles)
            element = (read.x[:, :1] == known).long()
            place = torch.where(element.any(1), element.argmax(1), len(ATOMS))
            rest = read.x[:, [3, 4, 7, 8]].float() - torch.tensor([5.0, 0, 0, 0])  # PyG counts charges from -5 on
            scaffold = MurckoScaffoldSmiles(mol=molecule, includeChirality=True)
            graph = Data(x=torch.cat([one_hot(place, len(ATOMS) + 1), rest], 1), edge_index=read.edge_index)
            graph.edge_attr, graph.smiles = read.edge_attr.float(), smiles
            graph.scaffold = torch.tensor([scaffolds.setdefault(scaffold, len(scaffolds))])
            graph.y = torch.tensor([[*map(float, targets)]]) if measured else torch.tensor([int(targets[0])])
            made.append(graph)
    return GraphSet(made, targets=tuple(columns) if measured else ())


def needs_rdkit(name: str) -> None:
    """Raise a UserError where rdkit is not installed."""
    try:
        import rdkit  # noqa: F401
    except ImportError:
        raise UserError(
            f"data {name!r} are molecules, which rdkit reads, and it is not installed: "
            f"pip install 'graph-contrast-workbench[{EXTRA}]'; sets of graphs that need nothing more are mutag, "
            "proteins, nci1 and imdb-binary"
        ) from None
