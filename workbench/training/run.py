"""`Run`, the result of training."""

import html
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workbench.atomic import Damaged, unsealed
from workbench.contrast import Contrast
from workbench.datasets.attributes import Scaling, rescale
from workbench.datasets.columns import matched, of_numbers, reworded
from workbench.datasets.kinds import KINDS, kind_of
from workbench.encoders.base import Encoder
from workbench.errors import UserError, warn
from workbench.methods import METHODS, Config, Preset
from workbench.text import composed
from workbench.training import bases, export
from workbench.training.watch import collapse

MOMENTS = "attributes.moments"  # what stands among a run's weights where its encoder sees standardised columns
LEAST = "attributes.least"  # and what `load_graph` subtracted from attributes when it normalised rows


@dataclass
class Run:
    """What training gave: embeddings, how it went, what exactly was asked for, and the weights.

    Attributes:
        method, graph, seed: what was asked for; `graph` is the name of the data.
        asked: the preset, and the parameters that differ from it.
        graph_hash: hash of the data's content. kind: name of the kind of data.
        config: the full configuration, a frozen data class.
        embeddings: float32 [items, dim], items being nodes or graphs; by item name where there are several.
        history: one row per epoch; columns "loss" (what was minimised), one per loss term, and "seconds".
        contrast: the contrast that the last step used; None for an untrained encoder or a method without one.
        seconds: wall seconds of the training loop.
        peak_mib: peak memory during training and embedding, above what was in use before (resident memory on a CPU,
            allocated memory on a GPU).
        device: what it ran on. versions: of the packages that decide the bits.
        complete: False where training was interrupted; the checkpoint lets the same request go on.
        details: what the method made of the data besides the embedding, by name.
        projections: what the contrast compared in the last step, one matrix per view [rows, dim]; empty if nothing was.
        snapshots: embeddings that were kept on the way, float16 [items, dim] with rows of unit length, by epoch; 0 is
            the untrained one.
        stop: the number by which the best moment was chosen, see `fit`; None where the last one was kept.
        labels: hash of the labels that a supervised training saw; None where it saw none. Then `details` say under
            "labelled" whose they were [items].
        watched: what was measured of the embedding on the way, a row per epoch at which it was, 0 being the untrained
            one: columns "effective_rank", "dead_units", with snapshots or `stop` others of `choice.NUMBERS`, and
            "kept". Of at most 2,000 rows (512 where they are wider than that), the numbers are those of
            `workbench.evaluation.quality`. Empty for a run stored before.
        shape: sizes that the encoder was made by, e.g. {"features": 1433}.
        names, columns: what the items and the attribute columns are called by their owner; None where they have no
            names. ids: what the owner tells the items apart by, where it isn't their names.
        texts: of each column of texts, where its words begin among the columns ("first") and the "idf" of each.
        weights: of the whole method by name, and the moments of standardised columns; empty for a run that was stored
            before weights were kept.
        path: the run's folder; None where it was not stored.
        checksums: whether its files were held against checksums; False for a run stored before there were any.
        checkpoint: from which an interrupted training goes on; None where there is none.
    """

    method: str
    graph: str
    graph_hash: str
    config: Config
    asked: Preset
    seed: int
    embeddings: Any
    history: pd.DataFrame
    contrast: Contrast | None
    seconds: float
    peak_mib: float
    device: str
    versions: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    details: dict[str, Tensor] = field(default_factory=dict)
    projections: tuple[Tensor, ...] = ()
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    stop: str | None = None
    labels: str | None = None
    watched: pd.DataFrame = field(default_factory=pd.DataFrame)
    kind: str = "nodes"
    shape: dict[str, int] = field(default_factory=dict)
    names: list[str] | None = None
    ids: list[str] | None = None
    columns: list[str] | None = None
    texts: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    path: Path | None = None
    checksums: bool = True
    checkpoint: Path | None = None

    @property
    def preset(self) -> str:
        """The preset with the parameters that differ from it, in words."""
        return str(self.asked)

    @property
    def _scaling(self) -> tuple[Scaling, Tensor | None]:
        """How attributes are scaled for the encoder, and the moments where it is by columns."""
        how: Scaling = getattr(self.config, "attributes", "loaded")
        moments = self.weights.get(MOMENTS)
        if how == "columns" and moments is None:
            raise UserError("the moments of the columns are missing among this run's weights; train it again")
        return how, moments

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history)

    @property
    def kept(self) -> int:
        """The epoch whose embedding this is: the last one, or with `stop` the best."""
        kept = self.watched.index[self.watched["kept"]] if len(self.watched) else []
        return int(kept[0]) if len(kept) else self.epochs

    @property
    def collapse(self) -> str:
        """What is to be said where training made the embedding collapse, "" where it didn't."""
        return collapse(self.watched, self.config, self.kept)

    @property
    def supervision(self) -> str:
        """What is to be said of a supervised training, "" of one that saw no labels."""
        return "" if self.labels is None else f"supervised by {int(self.details['labelled'].sum()):,} labels"

    @property
    def scores(self) -> dict[str, Any]:
        """Scores that have been computed for this run, by file name; damaged ones are left out."""
        folder = self.path / "scores" if self.path else None
        files = sorted(folder.glob("*.json")) if folder and folder.is_dir() else []
        kept = {}
        for file in files:
            with suppress(OSError, Damaged):
                kept[file.stem] = unsealed(file.read_text(encoding="utf-8"), required=self.checksums)
        return kept

    @cached_property
    def encoder(self) -> Encoder:
        """The trained encoder, on the CPU and in evaluation mode.

        Raises:
            UserError: the run has no weights, or they are another method's, or the method has no encoder, or the
                base of an adaptation is missing or another.
        """
        if not self.weights:
            raise UserError(
                f"this run of {self.method} on {self.graph} was stored before weights were kept; its embeddings can be "
                "read, and the same fit with fresh=True trains it again with weights"
            )
        try:
            store = self.path and self.path.parent
            encoder = bases.restored(self.method, self.config, self.shape, self.weights, store)
        except (RuntimeError, KeyError):
            raise UserError(
                f"the weights kept with this run are not those of {self.method!r} as configured; train it again"
            ) from None
        if encoder is None:
            raise UserError(
                f"method {self.method!r} learns a vector for each item of {self.graph} alone and keeps no encoder, so "
                "other data can't be embedded; fit it on them, or choose a method that keeps one, such as 'grace'"
            )
        return encoder.eval()

    def encode(self, data: Any) -> Any:
        """Embed data that training may never have seen, of the same kind and with the same attribute columns.

        Where columns have names, they are matched by them, whatever their order, and those that training did not have
        are left out; a warning says so. Texts are TF-IDF by the words and weights of the training. See
        `workbench.datasets.columns` for degrees and node numbers as attributes.

        The result is as `embeddings`: float32 [items, dim], or one by item name. A UserError refuses another kind of
        data, a column that is missing, and a run without an encoder.
        """
        encoder, kind = self.encoder, KINDS.get(self.kind)()
        if not kind.recognises(data):
            raise UserError(f"this encoder embeds {kind.words}; this is {kind_of(data).words}")
        kind.check(data)
        inputs, columns = kind.inputs(data), kind.names_of(data, "feature_names")
        least, trained = self.weights.get(LEAST), self.columns
        if self.kind == "nodes" and (columns is None or trained is None):
            inputs.x = of_numbers(inputs.x, *self.called_alike(data), self.shape["features"])
            if least is not None and inputs.x.shape[1] == self.shape["features"]:  # only rows are to be made alike
                columns = trained = [str(column) for column in range(self.shape["features"])]
        if columns is not None and trained is not None:
            rows, told = data.get("rows"), list[str]()
            if self.texts:
                words = (data.get("text_columns") or {}, self.texts, trained)
                inputs.x, columns, rows, told = reworded(inputs.x, columns, rows, *words)
            rows = None if least is None else rows
            inputs.x, more = matched(inputs.x, columns, trained, rows, 0.0 if least is None else float(least))
            for sentence in [*told, *more]:
                warn(sentence)
        for name, size in kind.shape(inputs).items():
            if size != self.shape[name]:
                numbered = self.columns is None and self.shape[name] == len(self.embeddings)
                hint = "; it was one for each node, as features='identity' gives them" if numbered else ""
                were = f"this encoder was trained on {self.shape[name]:,} {name}"
                raise UserError(f"{were}; these data have {size:,}{hint}")
        rescale(inputs, *self._scaling)
        with torch.no_grad():
            embedded = encoder.embed(inputs)
        return {k: v.float() for k, v in embedded.items()} if isinstance(embedded, dict) else embedded.float()

    def called_alike(self, data: Any) -> tuple[list[str] | None, list[str] | None]:
        """Return what tells the items of other data and of this run apart: their ids or names, whichever agree most."""
        kind = kind_of(data)
        own = [kind.names_of(data, "node_ids"), kind.names_of(data), self.ids, self.names]
        ids, names, *kept = (None if words is None else [*map(composed, words)] for words in own)
        pairs = [(new, old) for new in (ids, names) for old in kept if new is not None and old is not None]
        return max(pairs, key=lambda pair: len(set(pair[0]) & set(pair[1])), default=(names, kept[1]))

    def export(self, folder: str | Path) -> list[Path]:
        """Write the encoder and the embeddings for those who do not have this package, and return the files.

        The folder, made where it is missing, gets encoder.py and encoder.pt (a module of PyG's own layers and its
        weights; neither where a method keeps no encoder, or one that has no such form, of which a warning tells),
        embeddings.parquet and .csv with the items' names and, where they differ, their ids, embeddings.txt (word2vec's
        text format), and projector-vectors.tsv with projector-names.tsv (for TensorBoard's projector); the latter once
        per item where there are several.
        """
        place, files = Path(folder), list[Path]()
        made = METHODS.get(self.method).make_encoder(self.config, self.shape)
        kept = made is not None and type(made).plain is not Encoder.plain
        by_item = self.embeddings if isinstance(self.embeddings, dict) else {"": self.embeddings}
        if made is not None and not kept:
            warn(f"a {type(made).__name__} has no form in PyG's own layers, so the embeddings alone are written")
        place.mkdir(parents=True, exist_ok=True)
        if kept:
            title = f"The encoder of {self.method}, trained on {self.graph}: {self.preset}, seed {self.seed}."
            scaling = export.scaling(*self._scaling)
            files += export.encoder(self.encoder, title, next(iter(by_item.values())).shape[1], place, scaling)
        for item, matrix in by_item.items():
            files += export.embeddings(matrix, self.names, place, f"{item}-" if item else "", self.ids)
        return files

    def _repr_html_(self) -> str:
        """Show one line per fact in a notebook."""
        shapes = self.embeddings if isinstance(self.embeddings, dict) else {"embeddings": self.embeddings}
        facts = {"preset": self.preset, "seed": self.seed, "epochs": f"{self.epochs:,} of {self.config.epochs:,}"}
        facts |= {"loss": f"{self.history['loss'].iloc[-1]:.4f}"} if self.epochs else {}
        facts |= {"labels": self.supervision} if self.supervision else {}
        facts |= {"kept": f"epoch {self.kept:,}, the best by {self.stop}"} if self.stop else {}
        facts |= {"seconds": f"{self.seconds:.1f}", "peak MiB": f"{self.peak_mib:,.0f}", "device": self.device}
        facts |= {name: " × ".join(f"{size:,}" for size in matrix.shape) for name, matrix in shapes.items()}
        facts |= {} if self.checksums else {"checksums": "none, since it was stored before there were any"}
        table = pd.Series(facts | {"folder": self.path or "not stored"}).to_frame().to_html(header=False, border=0)
        warned = f"<p><b>{html.escape(self.collapse)}</b></p>" if self.collapse else ""
        return f"<b>{html.escape(f'{self.method} on {self.graph}')}</b>{table}{warned}"

    def __repr__(self) -> str:
        state = "" if self.complete else f", interrupted after {self.epochs} epochs"
        loss = f", loss {self.history['loss'].iloc[-1]:.4f}" if self.epochs else ", untrained"
        loss += f", kept epoch {self.kept} by {self.stop}" if self.stop else ""
        loss += f", {self.supervision}" if self.supervision else ""
        return (
            f"Run({self.method} on {self.graph}, preset {self.preset}, seed {self.seed}: {self.epochs} epochs in "
            f"{self.seconds:.1f} s, peak {self.peak_mib:.0f} MiB on {self.device}{loss}{state})"
        )
