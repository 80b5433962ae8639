"""Each exact short form against a plain re-statement of what the released code computes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from oracles import plain_rules
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, row
from benchmarks.plain import PlainE2Neg, PlainStrGCL
from workbench import rules
from workbench.contrast import Contrast
from workbench.datasets import load_graph, planted
from workbench.methods import METHODS, configure
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.rules import published
from workbench.training.machine import peak_memory


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
def e2neg_step() -> Rows:
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
    return [row("a step, PubMed", *steps, 5, loss_difference=difference)]


@BENCHMARKS.register("str-gcl-epoch")
def str_gcl_epoch() -> Rows:
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
    return [row("an epoch, Cora", *steps, loss_difference=difference)]


@BENCHMARKS.register("rules")
def rule_scores() -> Rows:
    """Both soft rules of Str-GCL on Cora, after the principal components that both forms share."""
    graph = load_graph("cora")
    components = published.principal_components(graph)
    ours = lambda: (published.ntsc_soft(graph), published.lgtc_soft(graph, components=components))  # noqa: E731
    pairs = zip(ours(), plain_rules(graph, components), strict=True)
    difference = max(float((a - b).abs().max()) for a, b in pairs)
    return [row("both soft rules, Cora", lambda: plain_rules(graph, components), ours, difference=difference)]


@BENCHMARKS.register("rule-evaluation")
def rule_evaluation() -> Rows:
    """Every named rule on PubMed once its terms are at hand, and the hard NTSC on a million nodes from nothing.

    The peak is above the graph; "differs" counts nodes where the rule is not what was planted.
    """
    terms = rules.Terms(load_graph("pubmed"))
    results = [row(f"{name}, PubMed", None, partial(rules.evaluate, name, terms)) for name in rules.names()]
    large = planted(1_000_000)
    with peak_memory(large.edge_index.device) as peak:
        hard = row("hard NTSC, a million nodes", None, lambda: rules.evaluate("ntsc", large), 1)
    differs = int((rules.evaluate("ntsc", large).bool() != large.planted_ntsc).sum())
    return [*results, {**hard, "edges": large.num_edges, "peak_mib": peak(), "differs": differs}]


@BENCHMARKS.register("contrast-memory")
def contrast_memory() -> Rows:
    """Peak memory of GRACE's loss and gradient at 34,493 nodes x 256 (Coauthor Physics), above the projections."""
    u, v = (torch.randn(34_493, 256, requires_grad=True) for _ in range(2))
    with peak_memory(u.device) as peak:
        timed = row("loss and gradient", None, lambda: infonce(Contrast(0.5), u, v).mean().backward(), 1)
    return [{**timed, "peak_mib": peak(), "dense_matrices_mib": 4 * 34_493**2 * u.element_size() / 2**20}]


@BENCHMARKS.register("negative-lists")
def negative_lists() -> Rows:
    """GRACE's loss and gradient on 2,708 x 128 with 64 negatives per anchor: sparse products against gathers."""
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
    return [
        row(
            "64 negatives of each anchor's own",
            lambda: ((plain(u, v) + plain(v, u)) / 2).mean().backward(),
            lambda: infonce(each, u, v).mean().backward(),
            5,
            difference=difference,
        ),
        row(
            "64 shared negatives, against all pairs",
            lambda: infonce(other, u, v).mean().backward(),
            lambda: infonce(shared, u, v).mean().backward(),
            5,
        ),
    ]
