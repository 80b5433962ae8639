"""What a fit allocates: listed on small pieces of a graph, and carried over to all its nodes."""

import os
import statistics
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from torch.profiler import ProfilerActivity, profile, record_function
from torch_geometric.data import Data

from workbench.contrast.kernels import _TILE
from workbench.contrast.loss import BUDGET_MIB
from workbench.methods import METHODS, Config
from workbench.randomness import Randomness
from workbench.training.forecasting.allocator import play
from workbench.training.loop import Trainer, look

MIB = 2**20
EPOCHS, TRACED = 3, (256, 512)
KERNELS = ("SymmetricMass", "SymmetricMassBackward", "Mass", "MassBackward")


def sizes(config: Config, nodes: int) -> tuple[int, int]:
    """Return how many nodes the two traced pieces have; more than the centres that a method asks for."""
    least = getattr(config, "k", 0) + 1 if hasattr(config, "centres") else 1
    large = min(max(TRACED[1], 4 * least), nodes)
    return min(max(large // 2, least), large), large


def piece(graph: Data, nodes: int) -> Data:
    """Return a graph with as many edges and attributes a node as the whole; its edges are drawn."""
    x, edges, whole = graph.x, graph.edge_index, int(graph.num_nodes or 0)
    assert x is not None and edges is not None
    rows = torch.arange(nodes, device=x.device) * whole // nodes
    x = x[rows] if x.layout == torch.strided else x.to_sparse_coo().index_select(0, rows).to_sparse_csr()
    drawn = (2, round(edges.shape[1] * nodes / whole / 2))
    source, target = torch.randint(nodes, drawn, generator=torch.Generator().manual_seed(0))
    target = torch.where(source == target, (target + 1) % nodes, target)
    both_ways = torch.stack([torch.cat([source, target]), torch.cat([target, source])])
    return Data(x=x.cpu(), edge_index=both_ways, num_nodes=nodes)


class Rehearsal:
    """A fit on a piece, step by step."""

    def __init__(self, method: str, config: Config, piece: Data):
        randomness = Randomness(0)
        torch.manual_seed(0)
        self.model = METHODS.get(method)(config, piece, randomness)
        self.trainer = Trainer(self.model, config, randomness, Path("no checkpoint"), fresh=True, moments=set())
        self.model.train()

    def epoch(self) -> None:
        """Do what `fit` does in an epoch."""
        self.trainer._epoch()

    def end(self) -> None:
        """Do what `fit` does at the end."""
        self.found = look(self.model)


@contextmanager
def aside() -> Iterator[None]:
    """Leave the global random streams as they stand, and say nothing of a piece."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler tells on stderr that it starts
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def mapped() -> Iterator[Callable[[], float]]:
    """Count the bytes of libraries that this process touches for the first time, as the fit will in a fresh one."""
    with aside(), profile(activities=[ProfilerActivity.CPU], profile_memory=True):
        pass  # what the profiler loads is not the fit's
    shared = lambda: getattr(psutil.Process().memory_info(), "shared", 0)  # noqa: E731
    before = shared()
    yield lambda: max(0, shared() - before)


class Event(NamedTuple):
    """A block of memory that is taken (size above 0) or given back: bytes, its number, the pair kernel that took it.

    `inside` says that the kernel that took it also gives it back: of such blocks one tile's are there at a time.
    """

    size: int
    number: int
    kernel: str
    inside: bool

    @property
    def place(self) -> tuple[bool, str, bool]:
        """What must agree between the same events of two pieces."""
        return self.size > 0, self.kernel, self.inside


class Trace(NamedTuple):
    """What a rehearsal allocated in each phase, and what numpy and Python took there at most, in bytes."""

    nodes: int
    phases: dict[str, list[Event]]
    beside: dict[str, int]


def trace(method: str, config: Config, piece: Data) -> Trace:
    """Train a piece for a few epochs and list what is allocated."""
    beside, traced_before = dict[str, int](), tracemalloc.is_tracing()

    def phase(name: str, call: Callable[[], Any]) -> Any:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with record_function(f"phase {name}"):
            result = call()
        beside[name] = tracemalloc.get_traced_memory()[1] - before
        return result

    with aside():
        tracemalloc.start()
        try:
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
                rehearsal = phase("build", lambda: Rehearsal(method, config, piece))
                for epoch in range(min(EPOCHS, config.epochs)):
                    phase(f"epoch {epoch}", rehearsal.epoch)
                phase("end", rehearsal.end)
        finally:
            if not traced_before:
                tracemalloc.stop()
    tree = seen.profiler.kineto_results.experimental_event_tree()
    return Trace(int(piece.num_nodes or 0), _phases(tree), beside)


def _phases(tree: Any) -> dict[str, list[Event]]:
    alive, taken_in, given_in, listed = dict[int, int](), dict[int, str](), dict[int, str](), []
    current = "build"
    for _, pointer, size, phase, kernel in sorted(_allocations(tree, "", "")):
        current = phase or current
        if size > 0:
            number = alive[pointer] = len(taken_in) + 1
            taken_in[number] = kernel
        elif pointer in alive:
            number = alive.pop(pointer)
            given_in[number] = kernel
        else:
            continue
        listed.append((current, size, number))
    phases: dict[str, list[Event]] = {}
    for phase, size, number in listed:
        kernel = taken_in[number]
        inside = kernel != "" and given_in.get(number) == kernel
        phases.setdefault(phase, []).append(Event(size, number, kernel.split("@")[0], inside))
    return phases


def _allocations(events: Any, phase: str, kernel: str) -> Iterator[tuple[int, int, int, str, str]]:
    """Walk torch's tree of events: time, pointer, bytes, phase, and the call of a pair kernel that it is within."""
    for event in events:
        name = event.name
        if name == "[memory]":
            yield event.start_time_ns, event.typed[1].ptr, event.typed[1].alloc_size, phase, kernel
        elif name.startswith("phase "):
            yield from _allocations(event.children, name.removeprefix("phase "), kernel)
        else:
            inner = f"{name}@{event.start_time_ns}" if name in KERNELS else kernel
            yield from _allocations(event.children, phase, inner)


def kept_bytes(pairs_bytes: float) -> float:
    """Return what `SymmetricMass` keeps from forward to backward where all similarities would take `pairs_bytes`.

    Where the tiles of the upper triangle don't fit its budget it keeps none, and one is there at a time.
    """
    rows = (pairs_bytes / 4) ** 0.5
    kept = 4 * rows * (rows + _TILE) / 2 if rows > _TILE else pairs_bytes
    return kept if kept <= BUDGET_MIB * MIB else 4.0 * _TILE**2


class Expected:
    """The allocations of two traced pieces carried over to all nodes.

    Attributes:
        operations: number of the block and its bytes, 0 where it is given back, in order.
        pairs: bytes of all similarities that one epoch goes through.
        before_loss: most bytes that are taken where a contrast of all pairs begins.
        grows: whether an epoch takes more memory, hence more time, with more nodes.
    """

    def __init__(self, traces: list[Trace], nodes: int):
        self.small, self.large, self.nodes = *traces, nodes
        self.operations: list[tuple[int, float]] = []
        self.pairs, losses = 0.0, []
        for order, (phase, events) in enumerate(self.large.phases.items()):
            fewer, block = self.small.phases.get(phase, []), 10**9 + 10 * order
            self.operations.append((block, self._line(self.small.beside[phase], self.large.beside[phase])))
            if [one.place for one in fewer] == [one.place for one in events]:
                for a, b in zip(fewer, events, strict=True):
                    size = self._carried(a, b) if b.size > 0 else 0.0
                    if b.kernel == "SymmetricMass" and not b.inside and size and self._quadratic(a, b):
                        losses.append(len(self.operations))
                        self.pairs += size if phase == "epoch 0" else 0.0
                        size = kept_bytes(size)
                    self.operations.append((b.number, size))
            else:  # it took another course, so that only its extent can be carried over
                peak, left = map(self._line, _extent(fewer), _extent(events))
                self.operations += [(block + 1, peak), (block + 1, 0.0), (block + 2, left)]
            self.operations.append((block, 0.0))
        taken = [sum(max(0, e.size) for e in one.phases.get("epoch 0", [])) for one in traces]
        self.grows = taken[1] > 1.1 * taken[0]
        live = self.live()
        self.before_loss = max((live[at - 1] for at in losses), default=max(live))

    def _line(self, a: float, b: float, nodes: int | None = None) -> float:
        steps = ((nodes or self.nodes) - self.large.nodes) / max(self.large.nodes - self.small.nodes, 1)
        return max(0.0, b + (b - a) * steps)

    def _quadratic(self, a: Event, b: Event) -> bool:
        return a.size != b.size and a.size * self.large.nodes**2 == b.size * self.small.nodes**2

    def _carried(self, a: Event, b: Event) -> float:
        quadratic = self._quadratic(a, b)
        size = b.size * (self.nodes / self.large.nodes) ** 2 if quadratic else self._line(a.size, b.size)
        if b.kernel.startswith("SymmetricMass"):
            tile = 4.0 * _TILE**2 if quadratic else self._line(a.size, b.size, min(self.nodes, _TILE))
            return min(size, tile) if b.inside else size
        if b.kernel and b.inside:  # a block of `Mass` holds four numbers a pair
            return min(size, BUDGET_MIB * MIB / 4)
        return min(size, BUDGET_MIB * MIB / 6) if quadratic else size  # a block of `by_rows` holds six

    def live(self) -> list[float]:
        """Return the bytes that are taken after each operation."""
        taken, now, found = dict[int, float](), 0.0, []
        for number, size in self.operations:
            now += size - taken.pop(number, 0.0)
            if size:
                taken[number] = size
            found.append(now)
        return found

    def resident(self) -> float:
        """Return the most bytes that the process occupies, those included that the C library doesn't give back."""
        played = [play(self.operations, seed) for seed in range(7)]
        return max(max(self.live()), statistics.median(played))


def _extent(events: list[Event]) -> tuple[float, float]:
    """Return the most bytes that these events take, and what they leave."""
    own, live, top = {one.number for one in events if one.size > 0}, 0.0, 0.0
    for one in events:
        live += one.size if one.number in own else 0
        top = max(top, live)
    return top, max(live, 0.0)
