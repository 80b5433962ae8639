"""Quality of an embedding without labels: the dimensions it fills, how near linked nodes lie, how evenly all spread."""

import html
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch_geometric.data import Data

from workbench.contrast import spectrum
from workbench.contrast.measures import link_alignment, uniformity
from workbench.errors import UserError
from workbench.evaluation import neighbourhoods
from workbench.evaluation.embeddings import Embeddings, Features, bare, matrix_of

MOST_DIMENSIONS = 8_192  # of the smaller side of a matrix whose eigenvalues are computed: minutes
SPREAD = 2_000  # rows whose pairs the uniformity is measured on, all of them


@dataclass(frozen=True)
class Quality:
    """What is told of an embedding without labels; none of it is a score, see `quality`. nan: not measured.

    Attributes:
        effective_rank: dimensions that the embedding fills, 1 to dim.
        dead_units: share of the columns that are the same for all items, 0 to 1.
        alignment: mean squared distance of linked nodes' rows of unit length, 0 to 4.
        uniformity: log mean exp(-2 d^2) of pairs of rows of unit length, -8 to 0; lower is more uniform.
        alpha_req: exponent of the power law that the eigenvalues of the covariance follow.
        agreement: share of the k nearest items by cosine that two embeddings share, 0 to 1; by_chance: k / (items - 1).
        items, dim: size of the matrix. k: of the agreement. collapse: what training said of a collapse, "" for nothing.
        supervision: what is to be said where training saw labels, "" where it saw none.
    """

    effective_rank: float
    dead_units: float
    alignment: float
    uniformity: float
    alpha_req: float
    agreement: float
    by_chance: float
    items: int
    dim: int
    k: int
    collapse: str = ""
    supervision: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """A row per number that was measured: its value, and what it is."""
        sampled = f"all pairs of {min(self.items, SPREAD):,}{' drawn' if self.items > SPREAD else ''} rows"
        rows = {
            "effective rank": (f"{self.effective_rank:.1f}", f"of {self.dim:,} dimensions"),
            "dead units": (f"{100 * self.dead_units:.1f} %", "columns that are the same for all items"),
            "alignment": (
                f"{self.alignment:.3f}",
                "mean squared distance of linked nodes, rows of unit length, 0 to 4",
            ),
            "uniformity": (f"{self.uniformity:.3f}", f"log mean exp(-2 d²), {sampled}; lower is more uniform"),
            "α-ReQ": (f"{self.alpha_req:.2f}", "exponent of the covariance's eigenvalues; said to be best near 1"),
            "agreement": (
                f"{self.agreement:.3f}",
                f"of the {self.k} nearest by cosine; by chance {self.by_chance:.3f}",
            ),
        }
        return pd.DataFrame.from_dict(
            {name: row for name, row in rows.items() if not row[0].startswith("nan")},
            "index",
            columns=["value", "what"],
        )

    def __str__(self) -> str:
        lines = [f"{row.Index} {row.value} ({row.what})" for row in self.table.itertuples()]
        return "\n".join([f"{self._head}:", *lines, *filter(None, [self.collapse])])

    def _repr_html_(self) -> str:
        """Show one line per number in a notebook."""
        warned = f"<p><b>{html.escape(self.collapse)}</b></p>" if self.collapse else ""
        return f"<b>{html.escape(self._head)}</b>{self.table.to_html(border=0)}{warned}"

    @property
    def _head(self) -> str:
        """What was measured, and how; labels that training saw are told here."""
        trained = f" of an embedding {self.supervision}" if self.supervision else ""
        return f"{self.items:,} × {self.dim:,}, without labels{trained}"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def quality(
    run_or_embeddings: Embeddings, graph: Data | None = None, other: Embeddings = None, k: int = 10, seed: int = 0
) -> Quality:
    """Measure an embedding without labels.

    None of these numbers says alone that an embedding is good: an untrained encoder often fills more dimensions than a
    trained one, and a collapsed one aligns perfectly. They show a collapse, and compare embeddings of one method.

    - Effective rank: exp of the entropy of the singular values as shares of their sum, of the matrix as it is (Roy and
      Vetterli, 2007; RankMe, Garrido and others, 2023). Dead units are constant up to the rounding of float32.
    - Alignment and uniformity after Wang and Isola (ICML 2020), who align two views of one item; here the positive
      pairs are linked nodes, since an embedding alone has no views. Uniformity is of all pairs of at most 2,000 rows.
    - α-ReQ: exponent of the power law that the covariance's eigenvalues follow (Agrawal and others, NeurIPS 2022), see
      `workbench.contrast.spectrum.decay`.
    - Agreement: the mean share of each item's k nearest others that two embeddings share, e.g. of two training seeds.

    Args:
        run_or_embeddings: a run, or a matrix [items, dim], dense or sparse.
        graph: what it embeds, of whose links the alignment is taken; None leaves that out.
        other: a second embedding of the same items, of any width; None leaves the agreement out.
        k: how many nearest. seed: of the rows that are drawn.

    Raises:
        UserError: embeddings that don't fit the graph or each other, of several items or too wide, or k out of range.
    """
    x = _matrix(run_or_embeddings, graph)
    items, dim = x.shape
    if items < 2 or min(items, dim) > MOST_DIMENSIONS:
        raise UserError(
            f"quality takes 2 rows or more and at most {MOST_DIMENSIONS:,} columns, not {items:,} × {dim:,}"
        )
    links = graph.get("edge_index") if isinstance(graph, Data) else None
    rows = x if sp.issparse(x) else torch.from_numpy(x)
    return Quality(
        effective_rank=spectrum.effective_rank(rows),
        dead_units=spectrum.constant(rows),
        alignment=float("nan") if links is None else link_alignment(rows, links.cpu()),
        uniformity=uniformity(rows, SPREAD, seed),
        alpha_req=spectrum.decay(rows),
        agreement=float("nan") if other is None else _agreement(x, _matrix(other, graph), k),
        by_chance=float("nan") if other is None else k / (items - 1),
        items=items,
        dim=dim,
        k=k,
        collapse=getattr(run_or_embeddings, "collapse", ""),
        supervision=getattr(run_or_embeddings, "supervision", ""),
    )


def _matrix(run_or_embeddings: Embeddings, graph: Any) -> Features:
    if graph is not None:
        return matrix_of(run_or_embeddings, graph)
    x = getattr(run_or_embeddings, "embeddings", run_or_embeddings)
    if isinstance(x, dict):
        several = f"embeddings of {', '.join(map(str, x)) or 'nothing'} are several matrices"
        raise UserError(f"{several}; give one of them, e.g. {next(iter(x), 'run.embeddings')!r}")
    return bare(x)


def _agreement(one: Features, other: Features, k: int) -> float:
    items = one.shape[0]
    if other.shape[0] != items:
        raise UserError(f"the other embedding has {other.shape[0]:,} rows where this one has {items:,}")
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k < items:
        raise UserError(f"k must lie between 1 and {items - 1}, not {k!r}")
    dense = [torch.from_numpy(x.toarray() if sp.issparse(x) else x) for x in (one, other)]
    near = [neighbourhoods.nearest(x, k).indices for x in dense]
    return float(np.mean(neighbourhoods.shared(*near)))
