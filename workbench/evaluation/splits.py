"""What a protocol is: the parts of a split, and how a probe is trained, tuned and reported on them."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench import datasets
from workbench.errors import UserError
from workbench.registry import Registry

if TYPE_CHECKING:
    from workbench.datasets.kinds import Kind

Nodes = NDArray[np.int64]

LABELLED = ("nodes", "multiplex", "hetero", "texts", "arrays")  # kinds of data whose items a node protocol can score
FOLDS = 10
MOST = 10_000  # splits, which are drawn before the first is scored
CLUSTERED = ("k-means", "learned")  # probes of clusters, which have a test part alone
OWN = ("own", "held-out")  # probes of a classifier that a run brings with it
UNLABELLED = (*CLUSTERED, *OWN, "ranking", "links")  # probes that learn nothing from labels
# The last six are none.
Probe = Literal[
    "logistic",
    "one-vs-rest",
    "linear-layer",
    "svc",
    "ridge",
    "auc",
    "restarts",
    "k-means",
    "learned",
    "own",
    "held-out",
    "ranking",
    "links",
]
MASKS = ("train_mask", "val_mask", "test_mask")
# The best on the validation part: the first of those looked at now and then, the latest of all; or simply the last.
Picks = Literal["first", "latest", "last"]
# What is drawn anew, and of what, where it is no split.
DRAWN = {
    "k-means": ("start", "k-means"),
    "restarts": ("start", "the probe"),
    "links": ("draw", "pairs without a link"),
}


@dataclass(frozen=True)
class Split:
    """Items of the parts of one split; `validation` is None where the protocol tunes inside the training part.

    By a protocol that trains nothing on labels the training part is empty.
    """

    train: Nodes
    validation: Nodes | None
    test: Nodes


Splitter = Callable[[Any, int, np.random.Generator], Split]


@dataclass(frozen=True)
class Protocol:
    """One way to score an embedding.

    With `all_classes` macro F1 averages over every class of the graph, a class neither present nor predicted counting 0
    (as one-hot targets do in scikit-learn), else over the classes present or predicted in the test part.
    """

    name: str
    description: str  # one paragraph for a reader
    source: str  # who evaluates like this
    splitter: Splitter  # makes split number i of data from a generator; not asked by a protocol that ranks
    kinds: tuple[str, ...] = LABELLED  # of data that it scores
    flawed: str | None = None  # the sentence that must stand beside its numbers
    probe: Probe = "logistic"
    solvers: tuple[str, ...] = ("fast", "liblinear")  # what can fit the probe, the usual one first
    normalise: bool = True  # divide each embedding by its L2 norm first
    snapshots: bool = False  # it looks at what a run kept on the way, not at its last embedding alone
    picks_on_test: bool = False  # the test part, not the validation part, picks the step of a linear layer: a flaw
    all_classes: bool = False
    deviation: Literal["population", "sample"] = "sample"  # which standard deviation over the splits is reported
    steps: int | None = None  # gradient steps of a linear layer, None for other probes
    decays: tuple[float, ...] = (0.0,)  # weight decays that a linear layer is trained with, in turn
    decays_of: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # those of some data, by name
    picks: Picks = "first"  # which step of a linear layer counts
    least_nodes: int = 50  # labelled ones that it wants
    drawn: bool = True  # splits are drawn at random; False: they come with the graph
    single: str = ""  # what the one split is called of a protocol that has only one
    folds: bool = False  # splits are the folds of one assignment: all share one draw, and there are ten at most
    halves: bool = False  # C is chosen on five random halves of the training part, not on five folds
    several: bool = False  # it scores several labels per item, and no other protocol does
    baselines: tuple[str, ...] = ()  # what is scored without any training; none: the kind's own
    grid: tuple[float, ...] = ()  # values of C, or a penalty, ascending, that the probe chooses among
    stratum: str = ""  # of a ranking: which of the held-out items count, as `ranking.by_popularity` calls them; all
    parts: int = 0  # into so many parts the graph is cut, which are the classes in place of its labels

    @property
    def of_runs(self) -> bool:
        """Whether it looks at more of a training than a matrix of embeddings, so that a bare one can't be scored."""
        return self.snapshots or self.probe in ("learned", *OWN)

    def labelled(self, data: Any) -> Any:
        """Return data with the labels that are scored: their own, or the parts of a graph."""
        if not self.parts:
            return data
        import torch

        from workbench.datasets.structure import partition

        return copy.copy(data).update({"y": torch.from_numpy(partition(data, self.parts))})

    def splits(self, graph: Any, count: int = 10, seed: int = 0) -> list[Split]:
        """Return the first `count` splits of labelled data; split i depends on the seed and on i only.

        Items with a negative label belong to no part. Where splits come with the graph, it may have fewer.
        """
        graph = self.labelled(graph)
        if self.probe in ("ridge", "auc"):
            read = datasets.numbers_of if self.probe == "ridge" else datasets.tasks_of
            has = np.where(np.isfinite(read(graph)).any(axis=1), 0, -1)
        else:
            has = datasets.label_sets(graph)[:, 0] if self.several else datasets.labels_of(graph)
        if (labelled := int((has >= 0).sum())) < self.least_nodes:
            items = datasets.kind_of(graph).items[0]
            raise UserError(
                f"protocol {self.name!r} wants at least {self.least_nodes} labelled {items} (5 to train on) and "
                f"{datasets.name_of(graph)} has {labelled}; clustering() and neighbours() need no training part"
            )
        check_draws(count, seed)
        if not self.drawn:
            count = min(count, public_splits(graph))
        if self.single:
            count = 1
        from workbench.randomness import Randomness

        parts = []
        for number in range(min(count, FOLDS) if self.folds else count):
            stream = Randomness(seed).integer(f"split {0 if self.folds else number}")
            parts.append(self.splitter(graph, number, np.random.default_rng(stream)))
            if self.probe not in (*CLUSTERED, *OWN):  # which have a test part alone
                _check(self.name, graph, parts[-1], None if self.drawn else number)
        return parts

    def refusal(self, graph: Any) -> UserError | None:
        """Return why data can't be split so, None where they can."""
        try:
            if self.probe == "links":
                from workbench.datasets.links import parts_of

                parts_of(graph)
            elif self.probe != "ranking":  # what is held out comes with the data
                self.splits(graph, 1)
            return None
        except UserError as error:
            return error


def public_splits(graph: Any) -> int:
    """Return how many splits come with a graph; a UserError names the mask that is missing."""
    if missing := [name for name in MASKS if graph.get(name) is None]:
        raise UserError(
            f"a published split needs its masks and {datasets.name_of(graph)} has no "
            f"{' and no '.join(missing)}; use 'random-10-10-80', which draws its own splits"
        )
    from workbench.datasets.nodes import check_mask

    for name in MASKS:
        check_mask(graph[name], name, len(datasets.labels_of(graph)))
    columns = {graph[name].size(1) for name in MASKS if graph[name].dim() == 2}
    if len(columns) > 1 or 0 in columns:
        shapes = ", ".join(f"{name} {list(graph[name].shape)}" for name in MASKS)
        raise UserError(f"masks [nodes, splits] of a published split have as many columns each, not {shapes}")
    return min((graph[name].size(1) for name in MASKS if graph[name].dim() == 2), default=1)


def shuffled(graph: Any, draw: np.random.Generator) -> Nodes:
    """Return the labelled items of data in a random order."""
    return draw.permutation(np.flatnonzero(datasets.labelled(graph)))


def check_draws(count: int, seed: int) -> None:
    """Raise a UserError where so many splits can't be drawn, or not by this seed."""
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise UserError(f"splits must be a whole number from 1 to {MOST:,}, not {count!r}")
    if not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed of the splits must be a whole number from 0, not {seed!r}")


def cut(graph: Any, draw: np.random.Generator, share: float) -> Split:
    """Test a share of the labelled nodes, rounded up as in scikit-learn, and train on the others."""
    nodes = shuffled(graph, draw)
    tested = math.ceil(share * nodes.size)
    return Split(train=nodes[tested:], validation=None, test=nodes[:tested])


def _check(name: str, graph: Any, split: Split, column: int | None = None) -> None:
    called, parts = datasets.name_of(graph), [split.train, split.validation, split.test]
    if column is not None and any(graph[mask].dim() == 2 for mask in MASKS):
        called = f"{called}, in column {column} of its masks"
    for part, nodes in zip(("training", "validation", "test"), parts, strict=True):
        if nodes is not None and nodes.size == 0:
            raise UserError(f"protocol {name!r} finds no labelled node in the {part} part of {called}")
    together = np.concatenate([nodes for nodes in parts if nodes is not None])
    if np.unique(together).size < together.size:
        raise UserError(f"protocol {name!r}: a node of {called} is in two parts of one split, which leaks labels")


_PROTOCOLS: Registry[Protocol] = Registry("protocol")
names = _PROTOCOLS.names
get = _PROTOCOLS.get


def in_order(names: Iterable[str]) -> list[Protocol]:
    """Return protocols by name, logistic regression before linear layers, then clusters, the flawed last of each."""
    last = ("linear-layer", *CLUSTERED)
    order = {probe: place for place, probe in enumerate(last, 1)}
    return sorted(map(get, names), key=lambda rules: (order.get(rules.probe, 0), bool(rules.flawed), rules.name))


def of(kind: "Kind", name: str | None = None, several: bool = False) -> Protocol:
    """Return a protocol that scores a kind of data; refuse one that scores other data.

    Args:
        name: None for the kind's own, or the one for several labels where items have `several`.
    """
    chosen = get(name or (kind.several if several else kind.protocol))
    if kind.name not in chosen.kinds:
        fitting = ", ".join(names_for(kind, several))
        raise UserError(f"protocol {chosen.name!r} does not score {kind.words}; protocols for it: {fitting}")
    return chosen


def names_for(kind: "Kind", several: bool = False) -> list[str]:
    """Return the names of the protocols that score a kind of data whose items have one class, or `several` labels."""
    return [name for name in names() if kind.name in get(name).kinds and get(name).several == several]


def protocol(name: str, source: str, description: str = "", **facts: Any) -> Callable[[Splitter], Splitter]:
    """Register a protocol of the decorated splitter, whose docstring is the description; `facts` are fields of it."""

    def enter(splitter: Splitter) -> Splitter:
        text = description or " ".join((splitter.__doc__ or "").split())
        _PROTOCOLS.register(name)(Protocol(name, text, source, splitter, **facts))
        return splitter

    return enter


def over(rules: Protocol, graph: Any, count: int) -> str:
    """Return what the spread is over, and which deviation it is where there is more than one split."""
    if rules.folds:
        what = "folds"
    elif rules.single:
        what = rules.single
    elif rules.probe in DRAWN:
        drawn, of = DRAWN[rules.probe]
        what = f"{drawn}{'s' * (count > 1)} of {of}"
    elif rules.drawn:
        what = "random splits" if count > 1 else "random split"
    elif (available := public_splits(graph)) == 1:
        return "the one public split"
    else:
        what = f"of {available} public splits"
    said = f"{count} {what} of one embedding"
    return f"{rules.deviation} std over {said}" if count > 1 else said
