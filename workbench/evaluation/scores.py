"""Scores of one embedding under one protocol: numbers that carry their spread, and what the spread is over."""

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data
from tqdm.auto import tqdm

from workbench.errors import UserError, unknown
from workbench.evaluation import cache, probes, protocols
from workbench.evaluation.protocols import Protocol, Split
from workbench.randomness import Randomness

if TYPE_CHECKING:
    from workbench.training.run import Run

    Embeddings: TypeAlias = Run | Tensor | NDArray[np.floating[Any]]

VERSION = 1  # raise it when a change of this package changes numbers: stored scores of an older version are not reused
SPARSE_BELOW = 0.2  # a matrix with a smaller share of non-zeros is kept sparse


class Measure(float):
    """A mean in percent that knows its spread.

    Attributes:
        mean: the value itself.
        std: standard deviation in percentage points, nan where there is nothing to spread over.
        over: what the spread is over, and which deviation it is.
    """

    std: float
    over: str

    def __new__(cls, value: float, std: float, over: str) -> "Measure":
        """Make the number and attach its spread."""
        made = super().__new__(cls, value)
        made.std, made.over = float(std), over
        return made

    def __getnewargs__(self) -> tuple[float, float, str]:  # type: ignore[override]
        return float(self), self.std, self.over

    @property
    def mean(self) -> float:
        """The value as a plain float, percent."""
        return float(self)

    def __str__(self) -> str:
        return f"{float(self):.1f}" if np.isnan(self.std) else f"{float(self):.1f} ± {self.std:.1f}"

    def __repr__(self) -> str:
        return f"Measure({float(self)!r}, std={self.std!r}, over={self.over!r})"


@dataclass(frozen=True)
class Scores:
    """What a protocol says of one embedding.

    Attributes:
        accuracy: mean over the splits, percent (equal to micro F1, since each node has one class).
        macro_f1: mean over the splits, percent.
        per_split: one row a split: accuracy and macro_f1 in percent, the chosen C or step, the sizes of the parts,
            how many classes have no training node (they are never predicted and count as wrong).
        protocol: name of the protocol.
        solver: what fitted the probe: "liblinear", "fast" or "adam".
        steps: gradient steps of a linear layer, None for logistic regression.
        normalised: whether each embedding was divided by its L2 norm first.
        seed: of the splits.
        flawed: the protocol's flaw in a sentence, None where none is known.
        seconds: wall time of the evaluation when it was computed.
    """

    accuracy: Measure
    macro_f1: Measure
    per_split: pd.DataFrame
    protocol: str
    solver: str
    steps: int | None
    normalised: bool
    seed: int
    flawed: str | None
    seconds: float

    def __str__(self) -> str:
        fitted = self.solver if self.steps is None else f"{self.solver}, {self.steps:,} steps"
        if self.normalised != protocols.get(self.protocol).normalise:
            fitted += ", rows normalised" if self.normalised else ", rows as they are"
        flaw = f"; FLAWED: {self.flawed}" if self.flawed else ""
        spread = f"mean over {self.accuracy.over}" if np.isnan(self.accuracy.std) else f"mean ± {self.accuracy.over}"
        return f"accuracy {self.accuracy} %, macro F1 {self.macro_f1} % ({self.protocol}, {fitted}; {spread}{flaw})"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        plain: dict[str, Any] = {
            name: {"mean": float(measure), "std": None if np.isnan(measure.std) else measure.std, "over": measure.over}
            for name, measure in (("accuracy", self.accuracy), ("macro_f1", self.macro_f1))
        }
        facts = ("protocol", "solver", "steps", "normalised", "seed", "flawed", "seconds")
        plain |= {name: getattr(self, name) for name in facts}
        return plain | {"per_split": self.per_split.to_dict(orient="list")}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Scores":
        """Rebuild scores from `as_dict`."""
        plain = dict(plain)
        for name in ("accuracy", "macro_f1"):
            kept = plain[name]
            plain[name] = Measure(kept["mean"], np.nan if kept["std"] is None else kept["std"], kept["over"])
        plain["per_split"] = pd.DataFrame(plain["per_split"]).rename_axis("split")
        return cls(**plain)


def evaluate(
    run_or_embeddings: "Embeddings",
    graph: Data,
    protocol: str = "random-10-10-80",
    splits: int = 10,
    seed: int = 0,
    solver: str | None = None,
    steps: int | None = None,
    normalise: bool | None = None,
    fresh: bool = False,
    progress: bool = True,
) -> Scores:
    """Score frozen embeddings by a probe on the labels of a graph.

    The spread is over the splits of this one embedding, never over training seeds (see `compare`). The scores of a run
    that lies in a store are kept beside it and loaded when the same is asked again.

    Args:
        run_or_embeddings: a run, or a matrix [nodes, dim].
        graph: the graph with its labels.
        protocol: name of a protocol.
        splits: how many; where the splits come with the graph, at most as many as it has.
        seed: of the splits and of the probe's initial weights.
        solver: "liblinear" or "fast" for logistic regression; None: the protocol's own.
        steps: gradient steps of a protocol that trains a linear layer; None: the protocol's own.
        normalise: divide each embedding by its L2 norm first; None: as the protocol does.
        fresh: compute even where stored scores exist.
        progress: show a bar over the splits (in a terminal or notebook).

    Returns:
        The scores, in percent.

    Raises:
        UserError: unknown protocol or solver, an option the protocol lacks, or a graph that it cannot be used on.
    """
    rules = protocols.get(protocol)
    solver, steps = _options(rules, solver, steps)
    normalise = rules.normalise if normalise is None else normalise
    labels = protocols.labels_of(graph)
    parts = rules.splits(graph, splits, seed)
    x = matrix_of(run_or_embeddings, graph)
    asked = {"version": VERSION, "protocol": protocol, "splits": splits, "seed": seed, "solver": solver, "steps": steps}
    asked |= {"embeddings": cache.digest(x), "labels_and_splits": cache.digest(labels, *_arrays(parts))}
    asked["normalise"] = normalise
    file = cache.file_of(run_or_embeddings, asked)
    stored = None if fresh or file is None else cache.load(file, asked)
    if stored is not None:
        return Scores.from_dict(stored)
    began = time.perf_counter()
    x = normalize(x) if normalise else x
    randomness = Randomness(seed)
    rows = [
        _score(rules, x, labels, split, solver, steps, randomness.integer(f"probe {i}"))
        for i, split in enumerate(
            tqdm(parts, desc=protocol, unit="split", leave=False, disable=None if progress else True)
        )
    ]
    per_split = pd.DataFrame(rows).rename_axis("split")
    over = _over(rules, graph, len(rows))
    accuracy, macro_f1 = (_measure(per_split[name], rules, over) for name in ("accuracy", "macro_f1"))
    seconds = time.perf_counter() - began
    scores = Scores(accuracy, macro_f1, per_split, protocol, solver, steps, normalise, seed, rules.flawed, seconds)
    if file is not None:
        cache.store(file, asked, scores.as_dict())
    return scores


def matrix_of(run_or_embeddings: "Embeddings", graph: Data) -> probes.Features:
    """Return the embeddings of a run, or a matrix, as float32 [nodes, dim], sparse where few entries are not zero.

    Raises:
        UserError: it has not one row a node, or holds a value that is not finite.
    """
    x: Any = getattr(run_or_embeddings, "embeddings", run_or_embeddings)
    if isinstance(x, Tensor):
        x = x.detach().cpu().numpy()
    if x.ndim != 2 or x.shape[0] != graph.num_nodes:
        raise UserError(
            f"embeddings must have one row a node [{graph.num_nodes}, dim] of {protocols.name_of(graph)}, "
            f"not {list(x.shape)}; a run is evaluated on the graph it was trained on"
        )
    if not sp.issparse(x) and np.count_nonzero(x) < SPARSE_BELOW * x.size:
        x = sp.csr_matrix(x)
    x = sp.csr_matrix(x, dtype=np.float32) if sp.issparse(x) else np.ascontiguousarray(x, dtype=np.float32)
    values = x.data if sp.issparse(x) else x
    if not np.isfinite(values).all():
        bad = values.size - np.count_nonzero(np.isfinite(values))
        raise UserError(f"{bad} of {x.shape[0] * x.shape[1]} values of the embeddings are not finite numbers")
    return x


def _options(rules: Protocol, solver: str | None, steps: int | None) -> tuple[str, int | None]:
    if solver is not None and solver not in rules.solvers:
        raise unknown("solver", solver, rules.solvers, f"of protocol {rules.name!r}")
    if steps is None:
        steps = rules.steps
    elif rules.steps is None:
        raise UserError(f"protocol {rules.name!r} fits logistic regression to its optimum and has no steps to set")
    elif steps < probes.PICK_EVERY:
        raise UserError(f"steps must be at least {probes.PICK_EVERY}, the first step that can be picked, not {steps}")
    return solver or rules.solvers[0], steps


def _score(
    rules: Protocol,
    x: probes.Features,
    labels: NDArray[np.int64],
    split: Split,
    solver: str,
    steps: int | None,
    seed: int,
) -> dict[str, float]:
    names, compact = np.unique(labels[labels >= 0], return_inverse=True)
    truth = np.full(labels.size, -1)
    truth[labels >= 0] = compact
    known = truth.copy()
    if not rules.picks_on_test:
        known[split.test] = -1
    if steps is not None:
        tuned = replace(split, validation=split.test) if rules.picks_on_test else split
        said = probes.linear_layer(x, known, tuned, names.size, steps, seed)
    else:
        said = (probes.fast if solver == "fast" else probes.liblinear)(x, known, split, names.size)
    wanted = truth[split.test]
    averaged = np.arange(names.size) if rules.all_classes else None
    return {
        "accuracy": 100 * float((said.classes == wanted).mean()),
        "macro_f1": 100 * float(f1_score(wanted, said.classes, average="macro", labels=averaged, zero_division=0)),
        "C" if steps is None else "step": said.chosen,
        "train": split.train.size,
        "validation": 0 if split.validation is None else split.validation.size,
        "test": split.test.size,
        "classes_without_training_node": names.size - np.unique(known[split.train]).size,
    }


def _over(rules: Protocol, graph: Data, count: int) -> str:
    if not rules.drawn:
        available = protocols.public_splits(graph)
        return "the one public split" if available == 1 else f"{count} of {available} public splits of one embedding"
    return f"{count} random split{'s' if count > 1 else ''} of one embedding"


def _measure(values: pd.Series, rules: Protocol, over: str) -> Measure:
    if len(values) == 1:
        return Measure(float(values.mean()), np.nan, over)
    deviation = float(values.std(ddof=0 if rules.deviation == "population" else 1))
    return Measure(float(values.mean()), deviation, f"{rules.deviation} std over {over}")


def _arrays(parts: list[Split]) -> list[NDArray[np.int64]]:
    return [nodes for split in parts for nodes in (split.train, split.validation, split.test) if nodes is not None]
