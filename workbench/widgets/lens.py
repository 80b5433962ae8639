"""Chooses and audits the negatives of one anchor after another: what the microscope looks through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import check_options
from workbench.contrast.audit import Audit, audit
from workbench.contrast.measures import Compared, projections_by_node, views_of
from workbench.contrast.negatives.samplers import clustered
from workbench.contrast.negatives.selection import SAMPLERS, Selection, choose, compared, context_of
from workbench.contrast.pairs import Contrast
from workbench.datasets.attributes import in_memory
from workbench.errors import UserError
from workbench.evaluation import projection
from workbench.plots.negatives import Mapped, away, called, classes, shown_pairs
from workbench.training.run import Run

Options = Mapping[str, Mapping[str, Any]]
TRAINED = "as trained"
PANELS, TRIES = 4, 6
AT_ONCE = 5_000  # nodes; clusters of more take longer than a first picture may
WIDE = 2_000  # columns of attributes above which they are reduced before they are mapped


@dataclass(frozen=True, eq=False)
class Look:
    """What one sampler chose for one anchor.

    Attributes:
        chosen: the selection of that anchor alone. audit: of its negatives. names: a name for each node, or None.
    """

    chosen: Selection
    audit: Audit
    names: Sequence[object] | None

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a negative: the columns of the audit, the sampler's reasons ("reason_...") and the sentence."""
        return self._told(self.audit.pairs).drop(columns="because")

    @cached_property
    def shown(self) -> pd.DataFrame:
        """The rows of `table` that are shown one by one, of very many a sample, and "because", why each was chosen."""
        return self._told(shown_pairs(self.audit))

    def _told(self, pairs: pd.DataFrame) -> pd.DataFrame:
        reasons = self.chosen.reasons.drop(columns="anchor", errors="ignore").add_prefix("reason_")
        kept = reasons["reason_negative"].isin(pairs["negative"])
        reasons = reasons[kept].rename(columns={"reason_negative": "negative"})
        table = pairs.merge(reasons.assign(because=self.chosen.sentences(kept)), on="negative", how="left")
        sentences = [words(pair, self.names) for pair in table.to_dict("records")]
        return table.assign(sentence=["".join(piece for piece, _ in pieces) for pieces in sentences])


class Lens:
    """Chooses and audits the negatives of one anchor after another; arguments as for `microscope`."""

    def __init__(self, graph: Data, embedding: Run | Tensor | None, tau: float | None, options: Options):
        self.nodes = int(graph.num_nodes or 0)
        if not self.nodes:
            raise UserError("this graph has no nodes to look at")
        run: Any = embedding
        contrast: Contrast | None = getattr(run, "contrast", None)
        self._views = projections_by_node(run, self.nodes) if contrast else None
        self.contrast = contrast if contrast and (contrast.nodes is not None or self._views) else None  # of nodes
        self.usual_tau = self.contrast.tau if self.contrast else 0.5
        self.tau = Contrast(self.usual_tau if tau is None else tau).tau  # refuses what is no temperature
        self.graph, self.embedding = graph, embedding
        self.names: Sequence[object] | None = graph.get("node_names")
        self.ids: Sequence[object] | None = graph.get("node_ids")
        self.options = {name: check_options(SAMPLERS, name, given) for name, given in options.items()}
        self.context = context_of(graph, embedding)
        self.bare = embedding is None and graph.x is None
        self.labelled = classes(graph) is not None
        self._lists: dict[object, Selection] = {}
        self._looked: set[object] = set()
        self.maps: dict[str, Mapped | str] = {}
        self._first: Mapped | str | None = None
        self.look = lru_cache(8 * PANELS * TRIES)(self._look)
        self._asked_by = lru_cache(1)(lambda anchor: self.context.for_anchors(torch.tensor([anchor])))

    @property
    def choices(self) -> list[str]:
        """What a panel can show: "as trained", where a run is given whose training had negatives, and every sampler."""
        return [TRAINED] * (self.contrast is not None) + SAMPLERS.names()

    def checked(self, samplers: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names of one to four different samplers; those that are shown at first where none are given."""
        if samplers is None:
            samplers = [*self.choices[: self.contrast is not None], "uniform", "hop-far", "hardest", "e2neg"][:PANELS]
        named = (samplers,) if isinstance(samplers, str) else tuple(samplers)
        for name in named:
            if name == TRAINED and self.contrast is None:
                raise UserError(f"{TRAINED!r} takes embedding=, a run that contrasted nodes of this graph")
            if name != TRAINED:
                SAMPLERS.get(name)
        if not 1 <= len(named) <= PANELS or len(set(named)) < len(named):
            listed = ", ".join(named) or "none"
            raise UserError(f"the microscope compares 1 to {PANELS} different samplers, not {listed}")
        return named

    def label(self, sampler: str) -> str:
        """Return the name of a sampler with the options that were set."""
        options = ", ".join(f"{name}={value}" for name, value in self.options.get(sampler, {}).items())
        return f"{sampler} ({options})" if options else sampler

    def takes_long(self, sampler: str, k: int, seed: int) -> bool:
        """Return whether a sampler first has to cluster a large graph, which it did for nobody so far."""
        if sampler == TRAINED or self.nodes <= AT_ONCE or (sampler, k, seed) in self._looked:
            return False
        return SAMPLERS.get(sampler).__module__ == clustered.__name__

    def _look(self, sampler: str, anchor: int, k: int, seed: int) -> Look | str:
        """Return whom a sampler chooses for an anchor, or the sentence that says why it can't."""
        try:
            chosen = self._chosen(sampler, anchor, k, seed)
            return Look(chosen, self._audited(chosen), self.names)
        except UserError as error:
            return str(error)
        finally:
            self._looked.add((sampler, k, seed))

    def _chosen(self, sampler: str, anchor: int, k: int, seed: int) -> Selection:
        if sampler == TRAINED:
            assert self.contrast is not None
            return compared(self.contrast, anchor, self.nodes)
        key = sampler, k, seed
        if key not in self._lists:
            chosen = choose(self._asked_by(anchor), sampler, k, seed, **self.options.get(sampler, {}))
            if not chosen.shared:
                return chosen.of(anchor)
            self._lists[key] = chosen  # it is the same list whoever the anchor is
        return replace(self._lists[key], anchors=torch.tensor([anchor])).of(anchor)

    def _audited(self, chosen: Selection) -> Audit:
        if not self.bare:
            return audit(chosen, self.graph, self._compared, self.tau)
        # Hops and classes can be told without similarities; whatever is made of them can't.
        alike = audit(chosen, self.graph, torch.ones(self.nodes, 1), self.tau)
        blank = {"cosine": np.nan, "gradient_share": np.nan, "hard": False}
        why = "The graph has no attributes and no embedding was given, so nothing is said of cosines and gradients."
        anchors = alike.anchors.assign(q=np.nan)
        return replace(alike, pairs=alike.pairs.assign(**blank), anchors=anchors, notes={"similarities": why})

    @cached_property
    def _compared(self) -> Compared:
        return views_of(self.embedding, self.graph, self.tau)

    @cached_property
    def _rows(self) -> Any:
        """Rows whose inner products are the cosines that the audit tells [nodes, dim]."""
        if not self._views:
            return self.context.features
        return sum(normalize(view.detach().cpu().double().numpy()) for view in self._views) / 2

    def cosines(self, anchor: int) -> NDArray[np.float64]:
        """Return the cosines of an anchor with all nodes, nan where there is nothing to compare [nodes]."""
        if self.bare:
            return np.full(self.nodes, np.nan)
        cosines = self._rows @ self._rows[anchor].T
        return np.asarray(cosines.toarray() if hasattr(cosines, "toarray") else cosines, np.float64).ravel()

    def map(self, method: str) -> Mapped | str:
        """Return the map of the embedding, made once per method, or the sentence that says why there is none."""
        if method not in self.maps:
            made = self._mapped(method, lambda: self._narrow, partial(projection.project, method=method))
            self.maps[method] = made
        return self.maps[method]

    def first_picture(self, method: str) -> Mapped | str:
        """Return the map of the embedding if it was made, else what can be shown at once in its place."""
        if method in self.maps:
            return self.maps[method]
        if self._first is None:
            self._first = self._mapped("pca", lambda: self._whole, projection.first_picture)
        if isinstance(self._first, str) or method == "pca":
            return self._first
        return self._first[0], f"{self._first[1]}, stands in for {method.upper()}"

    def _mapped(
        self, method: str, rows: Callable[[], tuple[Tensor, str]], project: Callable[[Tensor], projection.Map]
    ) -> Mapped | str:
        try:
            mapped, what = rows()
            return project(mapped), f"{method.upper()} of {what}"
        except UserError as error:
            return str(error)

    @cached_property
    def _whole(self) -> tuple[Tensor, str]:
        """The rows that are mapped at once, and what they are; sparse ones of many columns are reduced."""
        if self.bare:
            raise UserError("there is no map: the graph has no attributes, and no embedding was given")
        run, of = self.embedding, "the attributes" if self.embedding is None else "the embedding"
        rows = in_memory(self.graph.x, "a map") if run is None else torch.as_tensor(getattr(run, "embeddings", run))
        what = f"{of} [{self.nodes:,}, {rows.shape[1]:,}] by cosine"
        if rows.layout == torch.strided:
            return rows, what
        return (rows.to_dense(), what) if rows.shape[1] <= WIDE else self._reduced(what)

    @cached_property
    def _narrow(self) -> tuple[Tensor, str]:
        """The rows that are mapped, reduced where they have many columns, and what they are."""
        rows, what = self._whole
        return (rows, what) if rows.shape[1] <= WIDE else self._reduced(what)

    def _reduced(self, what: str) -> tuple[Tensor, str]:
        reduced = TruncatedSVD(64, random_state=0).fit_transform(self.context.features)
        return torch.from_numpy(reduced), f"{what}, reduced to 64 columns"

    def drawn(self, generator: np.random.Generator, samplers: Sequence[str], k: int, seed: int) -> int:
        """Draw an anchor; one with a false or a coupled negative where a few draws find any."""
        rows = self.contrast.nodes if self.contrast and TRAINED in samplers else None
        samplers = [name for name in samplers if not self.takes_long(name, k, seed)]
        for _ in range(TRIES):
            node = int(generator.choice(self.nodes if rows is None else rows.cpu().numpy()))
            looks = (self.look(name, node, k, seed) for name in samplers)
            if any(isinstance(look, Look) and look.audit.pairs[["false", "coupled"]].any(axis=None) for look in looks):
                break
        return node


def words(pair: Mapping[Any, Any], names: Sequence[object] | None) -> list[tuple[str, str]]:
    """Tell of a negative, a row of `Look.shown`, who it is, why it was chosen and what it is like.

    Returns:
        Pieces of a sentence, each with what it is: "node", "false" where it tells of a false negative, or "".
    """
    facts = [away(pair["hops"])]
    if np.isfinite(pair["cosine"]):
        share = 100 * pair["gradient_share"]
        percent = "under 0.1 %" if share < 0.05 else f"{share:.{0 if share >= 9.95 else 1}f} %"
        facts += [f"cosine {pair['cosine']:.2f}", f"takes {percent} of the gradient"]
    kind = [("same class (false negative)", "false")] if pair["false"] else [("another class", "")]
    kind = kind if pd.notna(pair["same_class"]) else []
    why = f": chosen because: {pair['because']} — {', '.join(facts)}{', ' if kind else ''}"
    return [(called(pair["negative"], names), "node"), (why, ""), *kind]
