"""`forecast`: how much memory and time a fit will take, told before it starts.

Two small pieces of the graph are trained for a few epochs and every allocation of torch is written down. What a piece
of 256 nodes and one of 512 allocate at the same place tells what all nodes will allocate there; blocks of pairs, whose
size is bounded, are counted by the rule of `workbench.contrast.kernels`. The list of allocations at full size is then
played to the C library's allocator in a process of its own, without touching the memory: what it keeps of freed memory
can nearly double what a process occupies. Seconds come from a piece of some thousand nodes: what it spends on pairs
grows with their number, the rest with the nodes.

The played memory is chaotic by nature, as the real one is: two fits of the same bits differ by up to 20 %.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile
from torch_geometric.data import Data

from workbench.contrast.kernels import _TILE
from workbench.errors import UserError
from workbench.methods import Config, configure
from workbench.training.fit import _check_graph
from workbench.training.forecasting.tracing import (
    KERNELS,
    MIB,
    Expected,
    Rehearsal,
    aside,
    kept_bytes,
    mapped,
    piece,
    sizes,
    trace,
)
from workbench.training.machine import device_of

DENSE, STREAMED, FEW = "dense", "streamed", "few negatives"
TIMED, PLAIN = {STREAMED: 3072, FEW: 4096}, 1024
_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a fit is expected to take on this machine.

    Attributes:
        method: name of the method.
        graph: name of the graph.
        nodes: nodes of the graph.
        preset: full name of the preset.
        config: the configuration.
        rows: one row a form, with columns form, "peak MiB" above what is in use before, as `Run.peak_mib` has it,
            "seconds per epoch", "epochs" and "seconds". The form "dense" keeps every similarity matrix, as the
            released codes do; "streamed" is what `fit` runs; "few negatives" is the same with `config.k` drawn
            negatives shared by all nodes (negatives="uniform").
        available_mib: memory that this process can still have.
        note: why forms are missing, else empty.
    """

    method: str
    graph: str
    nodes: int
    preset: str
    config: Config
    rows: pd.DataFrame
    available_mib: float
    note: str = ""

    def peak_mib(self, form: str = STREAMED) -> float:
        """Return the expected peak of a form, NaN where it has no row."""
        found = self.rows.loc[self.rows["form"] == form, "peak MiB"]
        return float(found.iloc[0]) if len(found) else float("nan")

    def refusal(self) -> str | None:
        """Return the sentence with which `fit` refuses, or None where the fit has room."""
        needed, few = self.peak_mib(), self.peak_mib(FEW)
        if needed <= self.available_mib:
            return None
        told = f"negatives='uniform', k={getattr(self.config, 'k', 0)} would need about {few:,.0f} MiB; "
        return (
            f"training {self.method} on {self.graph} needs about {needed:,.0f} MiB and {self.available_mib:,.0f} MiB "
            f"are available; {told if few < needed else ''}a smaller dim or projection needs less in proportion"
        )

    def __str__(self) -> str:
        lines = [f"{self.method} on {self.graph}, {self.nodes:,} nodes, preset {self.preset}, on this machine's CPU"]
        lines += [
            f"  {row['form']:<13}  peak {row['peak MiB']:>9,.0f} MiB, {row['seconds per epoch']:>9,.3g} s an epoch, "
            f"{row['seconds']:>11,.0f} s for {row['epochs']} epochs"
            for row in self.rows.to_dict("records")
        ]
        room = "fits" if self.refusal() is None else "does not fit"
        lines.append(f"  {'available':<13}       {self.available_mib:>9,.0f} MiB, so that the streamed form {room}")
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])])


def forecast(
    method: str, graph: Data, preset: str | None = None, *, device: str | None = None, **overrides: Any
) -> Forecast:
    """Predict peak memory and seconds of a fit, from small pieces of the graph trained for a few epochs.

    Args:
        method: name of the method.
        graph: attributes x [nodes, features] and edge_index [2, edges].
        preset: as for `fit`.
        device: as for `fit`; only the CPU can be forecast.
        **overrides: parameters of the method, as for `fit`; k is also that of the form "few negatives".

    Returns:
        The forecast. Global random streams stand where they stood.

    Raises:
        UserError: what `fit` would say of the request, or a GPU.
    """
    _check_graph(graph, 0)
    if (target := device_of(device)).type != "cpu":
        raise UserError(f"memory and time on {str(target)!r} can't be forecast; device='cpu' forecasts the CPU's")
    name, nodes = str(getattr(graph, "name", None) or "graph"), int(graph.num_nodes or 0)
    preset, config = configure(method, preset, name, overrides)
    forms, open_to_all = {STREAMED: config}, getattr(config, "negatives", None) == "all"
    if open_to_all:
        forms[FEW] = configure(method, preset, name, {**overrides, "negatives": "uniform"})[1]
    peaks, seconds, note = dict[str, float](), dict[str, float](), ""
    pieces = [piece(graph, size) for size in sizes(config, nodes)]
    with mapped() as libraries:
        for form, one in forms.items():
            try:
                expected = Expected([trace(method, one, piece) for piece in pieces], nodes)
            except UserError as error:
                raise UserError(
                    f"this fit can't be forecast: a piece of {name!r} does not give what {method} asks for ({error})"
                ) from None
            peaks[form] = expected.resident()
            seconds[form], rest = _seconds(method, one, piece(graph, min(TIMED[form], nodes)), expected)
            if form == STREAMED and open_to_all and expected.pairs:
                share = expected.pairs / (16 * nodes**2)  # 4 numbers a pair of nodes for a contrast of two views
                plain = _plain(min(PLAIN, nodes), nodes, getattr(config, "dim", 128))
                peaks = {DENSE: expected.before_loss + share * plain[0], **peaks}
                seconds = {DENSE: rest + share * plain[1], **seconds}
            elif form == STREAMED:
                note = f"no dense form: {method} as configured has nothing that grows with the pairs of nodes"
                break
    rows = pd.DataFrame(
        [
            {"form": form, "peak MiB": (peak + libraries()) / MIB, "seconds per epoch": seconds[form],
             "epochs": config.epochs, "seconds": seconds[form] * config.epochs}
            for form, peak in peaks.items()
        ]
    )  # fmt: skip
    return Forecast(method, name, nodes, preset, config, rows, available_mib(), note)


def refuse_if_too_large(method: str, graph: Data, preset: str, config: Config, overrides: dict[str, Any]) -> None:
    """Raise a UserError where training on the CPU would take more memory than there is.

    Where a rough size, which costs nothing, is below a quarter of what is available, nothing is forecast.
    """
    if rough_mib(graph, config) <= available_mib() / 4:
        return
    try:
        sentence = forecast(method, graph, preset, device="cpu", **overrides).refusal()
    except UserError:  # of a piece; whether the whole has the same mistake is for the fit to say
        return
    if sentence:
        raise UserError(sentence)


def rough_mib(graph: Data, config: Config) -> float:
    """Return about how much the activations and pairs of two views take, or the mask of dense attributes if more."""
    x = graph.x
    assert x is not None
    widths = 2 * (3 * getattr(config, "layers", 1) + 4) * getattr(config, "dim", 0)
    pairs = kept_bytes(16.0 * len(x) ** 2) if getattr(config, "negatives", None) == "all" else 0.0
    return max(4 * len(x) * widths + pairs, x.numel() if x.layout == torch.strided else 0) / MIB


def available_mib() -> float:
    """Return the memory that this process can still have: the machine's, or less where a control group limits it."""
    free, (root, words) = [psutil.virtual_memory().available], _GROUPS
    own = [line.split(":", 2)[2].lstrip("/") for line in words.read_text().splitlines()] if words.exists() else []
    for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        for folder in {root / part / one for part in ("", "memory") for one in ("", *own)}:
            try:
                free.append(int((folder / limit).read_text()) - int((folder / used).read_text()))
            except (OSError, ValueError):  # no such group, or "max": no limit
                continue
    return max(min(free), 0) / MIB


def _seconds(method: str, config: Config, piece: Data, expected: Expected) -> tuple[float, float]:
    """Return seconds of an epoch at full size, and those of them that are not spent on pairs."""
    size, nodes, taken = int(piece.num_nodes or 0), expected.nodes, []
    with aside():
        rehearsal = Rehearsal(method, config, piece)
        rehearsal.epoch()
        for _ in range(2):
            with profile(activities=[ProfilerActivity.CPU]) as seen:
                start = time.perf_counter()
                rehearsal.epoch()
                whole = time.perf_counter() - start
            spent = dict.fromkeys(KERNELS, 0.0)
            for event in seen.profiler.kineto_results.events():
                if event.name() in spent:
                    spent[event.name()] += event.duration_ns() / 1e9
            taken.append((whole, spent["SymmetricMass"], spent["SymmetricMassBackward"]))
    whole, forward, backward = min(taken)
    if not expected.pairs:
        rest = whole * (nodes / size if expected.grows else 1)
        return rest, rest
    rest = (whole - forward - backward) * nodes / size
    area = nodes * (2 * nodes + _TILE) / (size * (2 * size + _TILE))
    again = kept_bytes(expected.pairs) < expected.pairs / 8  # the backward pass computes each tile anew
    return rest + area * (forward * (2 if again else 1) + backward), rest


def _plain(size: int, nodes: int, width: int) -> tuple[float, float]:
    """Return peak bytes and seconds of GRACE's loss and its gradient with all pairs kept, carried over."""

    def direction(a: Tensor, b: Tensor) -> Tensor:
        a, b = normalize(a, dim=1), normalize(b, dim=1)
        own, cross = (a @ a.T / 0.5).exp(), (a @ b.T / 0.5).exp()
        return -(cross.diag() / (own.sum(1) + cross.sum(1) - own.diag())).log()

    def loss() -> Tensor:
        return ((direction(u, v) + direction(v, u)) / 2).mean()

    generator, live, top = torch.Generator().manual_seed(0), 0, 0
    u, v = (torch.randn(size, width, generator=generator).requires_grad_() for _ in range(2))
    loss().backward()  # the first time loads what it needs
    with aside(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        start = time.perf_counter()
        loss().backward()
        seconds = time.perf_counter() - start
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            top = max(top, live)
    scale = (nodes / size) ** 2
    return top * scale, seconds * scale
