"""Benchmarks: each exact short form against a plain re-statement of what the released code computes, in one process.

Absolute seconds depend on the machine; the ratio is what is reported.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from oracles import plain_rules
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from benchmarks.plain import PlainE2Neg, PlainStrGCL
from workbench import rules
from workbench.contrast import Contrast
from workbench.datasets import load_graph, planted
from workbench.methods import METHODS, configure
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.registry import Registry
from workbench.rules import published
from workbench.training.machine import peak_memory

BENCHMARKS: Registry[Callable[[], dict[str, Any]]] = Registry("benchmark")
names = BENCHMARKS.names


def run(name: str) -> dict[str, Any]:
    """Run one benchmark by name and return its figures: seconds, MiB, ratio and how far both results differ."""
    return {"benchmark": name, "threads": torch.get_num_threads(), **BENCHMARKS.get(name)()}


def _race(plain: Callable[[], object], ours: Callable[[], object], repeats: int) -> dict[str, float]:
    """Time both in turn, so that a busy moment of the machine hits both; the fastest of each counts."""
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(repeats + 1):  # the first round warms up
        for word, call in (("plain", plain), ("ours", ours)):
            start = time.perf_counter()
            call()
            times[word].append(time.perf_counter() - start)
    plain_best, ours_best = (min(times[word][1:]) for word in ("plain", "ours"))
    return {"plain_seconds": plain_best, "ours_seconds": ours_best, "ratio": plain_best / ours_best}


def _model(method: str, graph: Data, preset: str) -> Any:
    _, config = configure(method, preset, preset, {})
    torch.manual_seed(0)
    return METHODS.get(method)(config, graph, Randomness(0)).train()


def _optimised(parameters: Any, config: Any, loss_of: Callable[[], Tensor], fused: bool) -> Callable[[], None]:
    optimiser = torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=fused or None)

    def step() -> None:
        optimiser.zero_grad()
        loss_of().backward()
        optimiser.step()

    return step


@BENCHMARKS.register("e2neg-step")
def e2neg_step() -> dict[str, Any]:
    """One step of E2Neg, PubMed's released preset: the centres' aggregate against the whole star graph."""
    model = _model("e2neg", load_graph("pubmed"), "pubmed")
    plain = PlainE2Neg(model)
    order = model.order
    with torch.no_grad():
        u = model.project_centres(order)
        difference = abs(float(plain(order)) - float(infonce(model.negatives.filled, u, u).mean()))
    steps = (
        _optimised(plain.parameters(), model.config, lambda: plain(order), False),
        _optimised(model.parameters(), model.config, lambda: model.step(model.inputs).total, True),
    )
    return {"graph": "pubmed", "loss_difference": difference, **_race(*steps, 5)}


@BENCHMARKS.register("str-gcl-epoch")
def str_gcl_epoch() -> dict[str, Any]:
    """One epoch of Str-GCL, Cora's released preset: streamed and sparse against dense."""
    graph = load_graph("cora")
    model = _model("str-gcl", graph, "cora")
    plain, views = PlainStrGCL(model, graph), Randomness(0).generator("views")
    with torch.no_grad():
        difference = abs(float(plain(views)) - float(model.step(model.inputs).total))
    steps = (
        _optimised(plain.parameters(), model.config, lambda: plain(views), False),
        _optimised(model.parameters(), model.config, lambda: model.step(model.inputs).total, True),
    )
    return {"graph": "cora", "loss_difference": difference, **_race(*steps, 3)}


@BENCHMARKS.register("rules")
def rule_scores() -> dict[str, Any]:
    """Both soft rules of Str-GCL on Cora, after the principal components that both forms share."""
    graph = load_graph("cora")
    components = published.principal_components(graph)
    ours = lambda: (published.ntsc_soft(graph), published.lgtc_soft(graph, components=components))  # noqa: E731
    pairs = zip(ours(), plain_rules(graph, components), strict=True)
    difference = max(float((a - b).abs().max()) for a, b in pairs)
    return {"graph": "cora", "difference": difference, **_race(lambda: plain_rules(graph, components), ours, 3)}


@BENCHMARKS.register("rule-evaluation")
def rule_evaluation() -> dict[str, Any]:
    """Every named rule on PubMed once its terms are at hand, and the hard NTSC on a million nodes from nothing.

    On the million nodes the peak is above the graph, and "differs" counts nodes where the rule is not what was planted.
    """
    terms, seconds = rules.Terms(load_graph("pubmed")), dict[str, float]()
    for name in rules.names():
        taken = []
        for _ in range(4):  # the first time computes the terms
            start = time.perf_counter()
            rules.evaluate(name, terms)
            taken.append(time.perf_counter() - start)
        seconds[name] = min(taken[1:])
    slowest = max(seconds, key=lambda name: seconds[name])
    large = planted(1_000_000)
    with peak_memory(large.edge_index.device) as peak:
        start, cpu = time.perf_counter(), time.process_time()
        found = rules.evaluate("ntsc", large)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - start
    return {
        "graph": "pubmed",
        **{f"{name}_seconds": least for name, least in seconds.items()},
        "slowest": slowest,
        "slowest_seconds": seconds[slowest],
        "planted_nodes": large.num_nodes,
        "planted_edges": large.num_edges,
        "ntsc_planted_cpu_seconds": cpu,
        "ntsc_planted_seconds": wall,
        "ntsc_planted_peak_mib": peak(),
        "ntsc_planted_differs": int((found.bool() != large.planted_ntsc).sum()),
    }


@BENCHMARKS.register("contrast-memory")
def contrast_memory() -> dict[str, Any]:
    """Peak memory of GRACE's loss and gradient at 34,493 nodes x 256 (Coauthor Physics), above the projections."""
    u, v = (torch.randn(34_493, 256, requires_grad=True) for _ in range(2))
    start = time.perf_counter()
    with peak_memory(u.device) as peak:
        infonce(Contrast(0.5), u, v).mean().backward()
    dense_mib = 4 * 34_493**2 * u.element_size() / 2**20
    return {
        "nodes": 34_493,
        "dim": 256,
        "peak_mib": peak(),
        "dense_matrices_mib": dense_mib,
        "seconds": time.perf_counter() - start,
    }


@BENCHMARKS.register("negative-lists")
def negative_lists() -> dict[str, Any]:
    """GRACE's loss and gradient on 2,708 x 128 with 64 negatives of each anchor's own: sparse products against gathers.

    Besides, how long 64 shared negatives and all pairs take by the same loss.
    """
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(2708, 128, generator=generator, requires_grad=True) for _ in range(2))
    listed = torch.randint(2708, (2708, 64), generator=generator)

    def plain(a: Tensor, b: Tensor) -> Tensor:
        a, b = normalize(a, dim=1), normalize(b, dim=1)
        own = (a * b).sum(1) / 0.4
        kept = torch.where(listed == torch.arange(len(a))[:, None], -torch.inf, 0.0)
        sums = [torch.einsum("ad,akd->ak", a, bank[listed]) / 0.4 + kept for bank in (b, a)]
        return torch.cat([own[:, None], *sums], 1).logsumexp(1) - own

    each = Contrast(0.4, candidates=listed)
    other, shared = Contrast(0.4), Contrast(0.4, candidates=listed[0])
    with torch.no_grad():
        difference = float(((plain(u, v) + plain(v, u)) / 2 - infonce(each, u, v)).abs().max())
    raced = _race(
        lambda: ((plain(u, v) + plain(v, u)) / 2).mean().backward(), lambda: infonce(each, u, v).mean().backward(), 5
    )
    beside = _race(lambda: infonce(other, u, v).mean().backward(), lambda: infonce(shared, u, v).mean().backward(), 5)
    return {
        "difference": difference,
        **raced,
        "all_pairs_seconds": beside["plain_seconds"],
        "shared_seconds": beside["ours_seconds"],
    }
