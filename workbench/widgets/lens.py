"""What the microscope looks at: the negatives of one anchor after another, and all that is to be seen of them."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data

from workbench import plots
from workbench.config import check_options
from workbench.contrast.audit import Audit, audit, projections_by_node
from workbench.contrast.negatives.context import SamplingContext, Positions
from workbench.contrast.negatives.selection import SAMPLERS, Facts, Selection, choose, context_of
from workbench.contrast.pairs import Contrast
from workbench.errors import UserError, unknown
from workbench.evaluation import projection
from workbench.plots.negatives import Mapped, away, called, classes, shown_pairs, strategy_colour
from workbench.widgets.atlas import found_node

if TYPE_CHECKING:
    from workbench.training.run import Run

Options = Mapping[str, Mapping[str, Any]]
NONE = "(none)"
PANELS, MOST, TRIES = 4, 64, 6
SUGGESTED = 3_000  # names that are offered while one is typed
WIDE = 2_000  # columns of attributes above which they are reduced before they are mapped
LABELS = "class — uses labels to look, never to train"


@dataclass(frozen=True, eq=False)
class Look:
    """What one strategy chose for one anchor.

    Attributes:
        chosen: the selection of that anchor alone. audit: of its negatives. names: a name for each node, or None.
    """

    chosen: Selection
    audit: Audit
    names: Sequence[object] | None

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a negative: the columns of the audit, the strategy's reasons ("reason_...") and the sentence."""
        return self._table(self.chosen, self.audit.pairs)

    @cached_property
    def shown(self) -> pd.DataFrame:
        """The rows of `table` that are shown one by one; of very many a sample."""
        pairs, chosen = shown_pairs(self.audit), self.chosen
        if len(pairs) == len(self.audit.pairs):
            return self.table
        places = np.flatnonzero(np.isin(chosen.negatives[0].numpy(), pairs["negative"]))
        kept = torch.from_numpy(places)

        def facts(rows: Positions) -> Facts:
            return {
                name: np.broadcast_to(v, chosen.negatives.shape)[:, places] for name, v in chosen.facts(rows).items()
            }

        negatives, weights = chosen.negatives[:, kept], chosen.weights[:, kept]
        return self._table(replace(chosen, negatives=negatives, weights=weights, mixed=None, facts=facts), pairs)

    def _table(self, chosen: Selection, pairs: pd.DataFrame) -> pd.DataFrame:
        reasons = chosen.reasons.drop(columns="anchor", errors="ignore")
        reasons = reasons.rename(columns={name: f"reason_{name}" for name in reasons.columns if name != "negative"})
        found = pairs.merge(reasons.assign(because=chosen.sentences()), on="negative", how="left")
        told = [_sentence(pair, self.names) for pair in found.to_dict("records")]
        return found.drop(columns="because").assign(sentence=told)


class Lens:
    """Chooses and audits the negatives of one anchor after another; what does not depend on the anchor is kept.

    Arguments as for `microscope`.
    """

    def __init__(self, graph: Data, embedding: "Run | Tensor | None", tau: float, options: Options):
        self.nodes = int(graph.num_nodes or 0)
        if not self.nodes:
            raise UserError("this graph has no nodes to look at")
        Contrast(tau)  # refuses what is no temperature
        self.graph, self.embedding, self.tau = graph, embedding, tau
        self.names: Sequence[object] | None = graph.get("node_names")
        self.options = {name: check_options(SAMPLERS, name, given) for name, given in options.items()}
        self.context: SamplingContext = context_of(graph, embedding)
        self.bare = embedding is None and graph.x is None
        self.labelled = classes(graph) is not None
        self._lists: dict[object, Selection] = {}
        self._looks: dict[object, Look | str] = {}
        self._maps: dict[str, Mapped | str] = {}
        self._latest: tuple[int, SamplingContext] | None = None

    def checked(self, strategies: Sequence[str]) -> tuple[str, ...]:
        """Return the names of one to four different strategies."""
        named = (strategies,) if isinstance(strategies, str) else tuple(strategies)
        for name in named:
            SAMPLERS.get(name)
        if not 1 <= len(named) <= PANELS or len(set(named)) < len(named):
            raise UserError(
                f"the microscope compares 1 to {PANELS} different strategies, not {', '.join(named) or 'none'}"
            )
        return named

    def label(self, strategy: str) -> str:
        """Return the name of a strategy with the options that were set."""
        told = ", ".join(f"{name}={value}" for name, value in self.options.get(strategy, {}).items())
        return f"{strategy} ({told})" if told else strategy

    def look(self, strategy: str, anchor: int, k: int, seed: int) -> Look | str:
        """Return what a strategy chooses for an anchor, or the sentence that says why it can't."""
        key = strategy, anchor, k, seed
        if key not in self._looks:
            if len(self._looks) >= 8 * PANELS * TRIES:
                self._looks.clear()
            try:
                chosen = self._chosen(strategy, anchor, k, seed)
                self._looks[key] = Look(chosen, self._audited(chosen), self.names)
            except UserError as error:
                self._looks[key] = str(error)
        return self._looks[key]

    def _chosen(self, strategy: str, anchor: int, k: int, seed: int) -> Selection:
        key = strategy, k, seed
        if key not in self._lists:
            if self._latest is None or self._latest[0] != anchor:
                self._latest = anchor, self.context.for_anchors(torch.tensor([anchor]))
            chosen = choose(self._latest[1], strategy, k, seed, **self.options.get(strategy, {}))
            if not chosen.shared:
                return chosen.of(anchor)
            self._lists[key] = chosen  # it is the same list whoever the anchor is
        return replace(self._lists[key], anchors=torch.tensor([anchor])).of(anchor)

    def _audited(self, chosen: Selection) -> Audit:
        if not self.bare:
            return audit(chosen, self.graph, self.embedding, self.tau)
        # Hops and classes can be told without similarities; whatever is made of them can't.
        found = audit(chosen, self.graph, torch.ones(self.nodes, 1), self.tau)
        blank = {"cosine": np.nan, "gradient_share": np.nan, "hard": False}
        told = ["The graph has no attributes and no embedding was given, so nothing is said of cosines and gradients."]
        return replace(found, pairs=found.pairs.assign(**blank), anchors=found.anchors.assign(q=np.nan), told=told)

    @cached_property
    def _rows(self) -> Any:
        """Rows whose inner products are the cosines that the audit tells [nodes, dim]."""
        run = self.embedding
        if run is None or isinstance(run, Tensor):
            return self.context.features
        views = projections_by_node(run, self.nodes)
        if views is None:
            return self.context.features
        return sum(normalize(one.detach().cpu().double().numpy()) for one in views) / 2

    def cosines(self, anchor: int) -> NDArray[np.float64]:
        """Return the cosines of an anchor with all nodes, nan where there is nothing to compare [nodes]."""
        if self.bare:
            return np.full(self.nodes, np.nan)
        found = self._rows @ self._rows[anchor].T
        return np.asarray(found.toarray() if hasattr(found, "toarray") else found, np.float64).ravel()

    def map(self, method: str) -> Mapped | str:
        """Return the map of the embedding, made once a method, or the sentence that says why there is none."""
        if method not in self._maps:
            try:
                self._maps[method] = self._mapped(method)
            except UserError as error:
                self._maps[method] = str(error)
        return self._maps[method]

    def _mapped(self, method: str) -> Mapped:
        if self.bare:
            raise UserError("there is no map: the graph has no attributes, and no embedding was given")
        run, of = self.embedding, "the attributes" if self.embedding is None else "the embedding"
        rows = self.graph.x if run is None else run if isinstance(run, Tensor) else run.embeddings
        told = f"{method.upper()} of {of} [{self.nodes:,}, {rows.shape[1]:,}] by cosine"
        if rows.shape[1] > WIDE:
            reduced = TruncatedSVD(64, random_state=0).fit_transform(self.context.features)
            rows, told = torch.from_numpy(reduced), f"{told}, reduced to 64 columns"
        elif rows.layout != torch.strided:
            rows = rows.to_dense()
        return Mapped(projection.project(rows, method), told)

    def drawn(self, generator: np.random.Generator, strategies: Sequence[str], k: int, seed: int) -> int:
        """Draw an anchor; one with a false or a coupled negative where a few draws find any."""
        node = 0
        for _ in range(TRIES):
            node = int(generator.integers(self.nodes))
            looks = (self.look(name, node, k, seed) for name in strategies)
            if any(isinstance(one, Look) and one.audit.pairs[["false", "coupled"]].any(axis=None) for one in looks):
                break
        return node

    def found(self, text: str) -> int:
        """Return the node that a text means: its number, its name, or a part of its name that no other has.

        Raises:
            UserError: there is none, or there are several.
        """
        return found_node(text, self.names, self.nodes)


@dataclass(frozen=True, eq=False)
class Scene:
    """All that is to be seen of one anchor; a change makes another scene.

    Attributes:
        lens: what looks. strategies: by panel, NONE or "" for an empty one. anchor: node id. k, seed: as for `select`.
    """

    lens: Lens
    strategies: tuple[str, ...]
    anchor: int
    k: int
    seed: int

    @cached_property
    def looks(self) -> dict[str, Look | str]:
        """By the label of a panel what its strategy chose, or why it can't."""
        found: dict[str, Look | str] = {}
        for place, name in enumerate(self.strategies):
            label = self.lens.label(name)
            if name == NONE:
                continue
            if label in found:
                found[f"{label}, panel {place + 1}"] = f"{name} is shown in another panel; choose another strategy here"
            else:
                found[label] = self.lens.look(name, self.anchor, self.k, self.seed)
        return found

    @property
    def panels(self) -> dict[str, Audit | str]:
        """The audits of `looks`."""
        return {label: one if isinstance(one, str) else one.audit for label, one in self.looks.items()}

    def rings(self, colour: str | None = None, chosen: int | None = None) -> go.Figure:
        """Draw the negatives on rings of hops."""
        return plots.negative_rings(self.panels, self.lens.graph, self.anchor, colour, chosen, self.lens.context.links)

    def cosines(self, chosen: int | None = None) -> go.Figure:
        """Draw the negatives among all cosines."""
        found = self.lens.cosines(self.anchor)
        return plots.negative_cosines(self.panels, found, self.anchor, chosen, self.lens.names)

    def map(self, method: str = "pca", chosen: int | None = None) -> go.Figure:
        """Draw the negatives on a map of all nodes."""
        return plots.negative_map(self.panels, self.lens.map(method), self.anchor, chosen, self.lens.names)

    def table(self) -> pd.DataFrame:
        """Return one row a strategy and negative: the audit, the strategy's reasons ("reason_...") and the sentence."""
        looks = self.looks.items()
        tables = [one.table.assign(strategy=label) for label, one in looks if isinstance(one, Look)]
        if not tables:
            return pd.DataFrame(columns=["strategy", "anchor", "negative", "same_class", "sentence"])
        whole = pd.concat(tables, ignore_index=True)
        for name in whole.columns[whole.columns.str.startswith("reason_")]:
            if all(one[name].dtype.kind in "iu" for one in tables if name in one):
                whole[name] = whole[name].astype("Int64")  # counts stay whole where other strategies have none
        ends = ["strategy", "sentence"]
        return whole[[ends[0], *(name for name in whole.columns if name not in ends), ends[1]]]

    def export(self, path: str | Path) -> Path:
        """Write the table as .csv or .parquet, by the ending.

        Raises:
            UserError: another ending, or a place that can't be written.
        """
        path = Path(path).expanduser()
        if path.suffix not in (".csv", ".parquet"):
            raise unknown("ending", path.suffix, (".csv", ".parquet"), f"of {path.name!r}")
        import fastparquet  # half a second, which only this needs

        table = self.table()
        try:
            if path.suffix == ".csv":
                table.to_csv(path, index=False)
            else:  # of a column of objects the writer would make numbers
                fastparquet.write(str(path), table.astype({"same_class": "boolean"}), write_index=False)
        except OSError as error:
            raise UserError(f"{path} can't be written: {error.strerror or error}") from error
        return path

    def sentences(self, label: str, chosen: int | None = None) -> str:
        """Return the sentences of one panel as HTML, the chosen node's highlighted."""
        look = self.looks[label]
        if isinstance(look, str):
            return f'<p style="line-height:1.5">{html.escape(label)}: {html.escape(look)}</p>'
        shown, whole, sample = look.shown, len(look.audit.pairs), ""
        if len(shown) < whole:
            sample = f"<p>A sample: {len(shown)} of the {whole:,} negatives, drawn at random with seed 0.</p>"
        cell, bright = (
            "text-align:left;padding:3px 8px;border-top:1px solid rgba(128,128,128,.25)",
            ";background:rgba(128,128,128,.08);box-shadow:inset 4px 0 currentColor",
        )
        rows = "".join(
            f'<tr><td style="{cell}{bright if node == chosen else ""}">{marked(sentence, same)}</td></tr>'
            for node, sentence, same in zip(shown["negative"], shown["sentence"], shown["false"], strict=True)
        )
        if not rows:
            sample = "<p>It chose nobody for this anchor.</p>"
        table = f'<table style="width:100%;font-size:12px;line-height:1.45;border-collapse:collapse">{rows}</table>'
        return f"{sample}{table}"

    def of_chosen(self, chosen: int | None) -> str:
        """Return the sentences of one node in all panels as HTML."""
        told, box = [], "display:inline-block;width:10px;height:10px;border:1px solid"  # a border is seen on any page
        for place, (label, look) in enumerate(self.looks.items()):
            if isinstance(look, str) or chosen is None:
                continue
            mine = look.shown[look.shown["negative"] == chosen]
            for sentence, same in zip(mine["sentence"], mine["false"], strict=True):
                square = f'<span style="{box};background:{strategy_colour(place)}"></span>'
                told.append(f"{square} <b>{html.escape(label)}</b>, {marked(sentence, same)}")
        return f'<div style="line-height:1.5">{"<br>".join(told)}</div>' if told else ""

    def note(self) -> str:
        """Return what else is to be known, as HTML."""
        looks = {label: look for label, look in self.looks.items() if isinstance(look, Look)}
        # What is told of timing, sampling and synthetic negatives is meant for whole selections.
        beside = ("timed", "audited", "Synthetic")
        told = [one for look in looks.values() for one in look.audit.told if not any(word in one for word in beside)]
        made_up = {label: look.chosen.mixed.share.numel() for label, look in looks.items() if look.chosen.mixed}
        told += [
            f"{label} also makes {count} synthetic negatives, which are not shown." for label, count in made_up.items()
        ]
        return f'<span style="opacity:.75;font-size:12px">{html.escape(" ".join(dict.fromkeys(told)))}</span>'


_BECAUSE, _FALSE = ": chosen because: ", "same class (false negative)"


def _percent(share: float) -> str:
    return "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _sentence(pair: Mapping[Any, Any], names: Sequence[object] | None) -> str:
    """Tell of a negative who it is, why it was chosen and what it is like."""
    facts = [away(pair["hops"])]
    if np.isfinite(pair["cosine"]):
        facts += [f"cosine {pair['cosine']:.2f}", f"takes {_percent(pair['gradient_share'])} of the gradient"]
    if pair["same_class"] is not None and pair["same_class"] == pair["same_class"]:
        facts.append(_FALSE if pair["false"] else "another class")
    return f"{called(pair['negative'], names)}{_BECAUSE}{pair['because']} — {', '.join(facts)}"


def marked(sentence: str, same: bool) -> str:
    """Return a sentence as HTML, with the node and a false negative made to stand out."""
    who, between, why = map(html.escape, sentence.partition(_BECAUSE))
    if same:
        why = why.removesuffix(_FALSE) + f'<b style="color:var(--jp-error-color1,#D32F2F)">{_FALSE}</b>'
    return f"<b>{who}</b>{between}{why}"
