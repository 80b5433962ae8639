"""What the microscope shows of one anchor: pictures, sentences and a table of its negatives."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench import plots
from workbench.contrast.audit import Audit
from workbench.datasets.files.formats import parquet
from workbench.errors import UserError, unknown
from workbench.plots.negatives import Mapped, numbers, sampler_colour
from workbench.text import cells
from workbench.widgets.brush import Ids
from workbench.widgets.lens import TRAINED, Lens, Look, words
from workbench.widgets.shell import small

NONE = "(none)"


@dataclass(frozen=True, eq=False)
class Scene:
    """All that is to be seen of one anchor by a lens; a change makes another scene.

    Attributes:
        samplers: by panel, NONE for an empty one. anchor: node id. k, seed: as for `select`.
        hasty: whether samplers that take long, see `Lens.takes_long`, are left for later, and only said to be coming.
        shared: a name and the nodes that are shared by it, see `selections`, or None.
    """

    widget: ClassVar[str] = "microscope"

    lens: Lens
    samplers: tuple[str, ...]
    anchor: int
    k: int
    seed: int
    hasty: bool = False
    shared: tuple[str, Ids] | None = None

    @cached_property
    def looks(self) -> dict[str, Look | str]:
        """By the label of a panel whom its sampler chose, or why it can't."""
        looks: dict[str, Look | str] = {}
        for place, name in enumerate(self.samplers, start=1):
            label = self.lens.label(name)
            if label in looks:
                looks[f"{label}, panel {place}"] = f"{name} is shown in another panel; choose another sampler here"
            elif name in self.coming:
                looks[label] = f"{name} clusters the whole graph first: its negatives are being computed …"
            elif name != NONE:
                looks[label] = self.lens.look(name, self.anchor, self.k, self.seed)
        return looks

    @cached_property
    def coming(self) -> list[str]:
        """The samplers that are left for later."""
        lens = self.lens
        return [
            name for name in self.samplers if name != NONE and self.hasty and lens.takes_long(name, self.k, self.seed)
        ]

    def compute(self) -> None:
        """Compute whom the samplers choose that were left for later; another scene of the same lens then has them."""
        for name in self.coming:
            self.lens.look(name, self.anchor, self.k, self.seed)

    @property
    def panels(self) -> dict[str, Audit | str]:
        """The audits of `looks`."""
        return {label: look if isinstance(look, str) else look.audit for label, look in self.looks.items()}

    def figures(
        self, colour: str | None = None, method: str = "pca", chosen: int | None = None
    ) -> dict[str, go.Figure]:
        """Draw the negatives on "rings" of hops, among all "cosines" and on a "map" of all nodes; one may be ringed."""
        return {**self.at_once(colour, method, chosen), "map": self.draw_map(self.lens.map(method), chosen)}

    def at_once(self, colour: str | None, method: str, chosen: int | None) -> dict[str, go.Figure]:
        """Draw the same, with a first picture where the map has to be computed."""
        lens, panels, who = self.lens, self.panels, (self.anchor, chosen, self.lens.names)
        rings = plots.negative_rings(panels, lens.graph, self.anchor, colour, chosen, lens.context.links)
        cosines = plots.negative_cosines(panels, lens.cosines(self.anchor), *who)
        return {"rings": rings, "cosines": cosines, "map": self.draw_map(lens.first_picture(method), chosen)}

    def draw_map(self, mapped: Mapped | str, chosen: int | None) -> go.Figure:
        """Draw the negatives on a map."""
        return plots.negative_map(self.panels, mapped, self.anchor, chosen, self.lens.names, self.shared)

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        titles = {label: html.escape(f"{label}: {numbers(audit)}") for label, audit in self.panels.items()}
        text = "".join(f"<h4>{title}</h4>{self.sentences(label)}" for label, title in titles.items())
        return [self.origin(), *figures.values(), text + self.note()]

    def origin(self) -> str:
        """Say which negatives are those of a training, and which are drawn for this picture, as HTML."""
        run, afresh = self.lens.embedding, "asks its sampler afresh, for this picture"
        if self.lens.contrast is None:
            return small(f"Each panel {afresh}: there is no training here whose negatives could be shown.")
        sampler = getattr(run.config, "negatives", None)  # type: ignore[union-attr]
        by = f", by the sampler {html.escape(str(sampler))}" if sampler else ""
        of = f"what {run.method} on {html.escape(run.graph)} compared in its last step{by}"  # type: ignore[union-attr]
        if TRAINED in self.samplers:
            return small(f"“{TRAINED}” shows {of}; each other panel {afresh}.")
        return small(f"Each panel {afresh}; “{TRAINED}” would show {of}.")

    def table(self) -> pd.DataFrame:
        """Return one row per sampler and negative: the audit, the sampler's reasons ("reason_...") and the sentence."""
        tables = {label: look.table for label, look in self.looks.items() if isinstance(look, Look)}
        if not tables:
            return pd.DataFrame(columns=["sampler", "anchor", "negative", "same_class", "sentence"])
        whole = pd.concat(tables, names=["sampler", None]).reset_index("sampler").reset_index(drop=True)
        for name in whole.columns[whole.columns.str.startswith("reason_")]:
            if all(table[name].dtype.kind in "iu" for table in tables.values() if name in table):
                whole[name] = whole[name].astype("Int64")  # counts stay whole where other samplers have none
        return whole.assign(sentence=whole.pop("sentence"))

    def export(self, path: str | Path) -> Path:
        """Write the table as .csv or .parquet, by the ending; a UserError where that can't be done."""
        path = Path(path).expanduser()
        if path.suffix not in (".csv", ".parquet"):
            raise unknown("ending", path.suffix, (".csv", ".parquet"), f"of {path.name!r}")
        table = self.table()
        try:
            if path.suffix == ".csv":
                cells(table).to_csv(path, index=False)
            else:  # of a column of objects the writer would make numbers
                parquet().write(str(path), table.astype({"same_class": "boolean"}), write_index=False)
        except OSError as error:
            raise UserError(f"{path} can't be written: {error.strerror or error}") from error
        return path

    def sentences(self, label: str, chosen: int | None = None) -> str:
        """Return the sentences of one panel as HTML in a box that scrolls, the chosen node's highlighted.

        Those that take most of the anchor's gradient, hence push it most, come first.
        """
        look = self.looks[label]
        if isinstance(look, str):
            return f'<p style="line-height:1.5">{html.escape(label)}: {html.escape(look)}</p>'
        shown, whole = look.shown.sort_values("gradient_share", ascending=False, kind="stable"), len(look.audit.pairs)
        if not whole:
            return "<p>It chose nobody for this anchor.</p>"
        cell = "text-align:left;padding:3px 8px;border-top:1px solid rgba(128,128,128,.25)"
        bright = ";background:rgba(128,128,128,.08);box-shadow:inset 4px 0 currentColor"
        rows = "".join(
            f'<tr><td style="{cell}{bright if node == chosen else ""}">{self._marked(pair)}</td></tr>'
            for node, pair in zip(shown["negative"], shown.to_dict("records"), strict=True)
        )
        sample = f"A sample: {len(shown)} of the {whole:,} negatives, drawn at random with seed 0. "
        order = "Those that push most, by their share of the gradient, first:" if shown["gradient_share"].any() else ""
        said = f"<p>{sample if len(shown) < whole else ''}{order}</p>"
        table = f'<table style="width:100%;font-size:12px;line-height:1.45;border-collapse:collapse">{rows}</table>'
        return f'<div style="max-height:340px;overflow:auto;overflow-wrap:anywhere">{said}{table}</div>'

    def of_chosen(self, chosen: int | None) -> str:
        """Return the sentences of one node in all panels as HTML."""
        lines, box = [], "display:inline-block;width:10px;height:10px;border:1px solid"  # a border is seen on any page
        for place, (label, look) in enumerate(self.looks.items()):
            if isinstance(look, str):
                continue
            for pair in look.shown[look.shown["negative"] == chosen].to_dict("records"):
                square = f'<span style="{box};background:{sampler_colour(place)}"></span>'
                lines.append(f"{square} <b>{html.escape(label)}</b>, {self._marked(pair)}")
        return f'<div style="line-height:1.5">{"<br>".join(lines)}</div>' if lines else ""

    def _marked(self, pair: Mapping[Any, Any]) -> str:
        """Return the sentence of a negative as HTML, with the node and a false negative made to stand out."""
        loud = {"node": "<b>{}</b>", "false": '<b style="color:var(--jp-error-color1,#D32F2F)">{}</b>', "": "{}"}
        return "".join(loud[kind].format(html.escape(piece)) for piece, kind in words(pair, self.lens.names))

    def within(self) -> str:
        """Tell how many of the negatives are in the selection that is shared, as HTML; nothing without one."""
        if self.shared is None:
            return ""
        name, nodes = self.shared
        looks = {label: look for label, look in self.looks.items() if isinstance(look, Look)}
        counts = [
            f"{np.isin(look.audit.pairs['negative'], nodes).sum()} of {len(look.audit.pairs)} of {html.escape(label)}"
            for label, look in looks.items()
        ]
        anchor = "is" if self.anchor in nodes else "is not"
        return small(f"The anchor {anchor} in “{html.escape(name)}”; of the negatives are: {', '.join(counts)}.")

    def note(self) -> str:
        """Return what else is to be known, as HTML."""
        looks = {label: look for label, look in self.looks.items() if isinstance(look, Look)}
        # What is told of timing, sampling and synthetic negatives is meant for whole selections.
        beside = ("sample", "synthetic", "time")
        notes = [note for look in looks.values() for name, note in look.audit.notes.items() if name not in beside]
        notes += [
            f"{label} also makes {look.chosen.mixed.share.numel()} synthetic negatives, which are not shown."
            for label, look in looks.items()
            if look.chosen.mixed
        ]
        return small(html.escape(" ".join(dict.fromkeys(notes))))
