"""Attributes of several distances, cut once to their main directions, and a perceptron that sees nothing else."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize
from torch_geometric.data import Data

from workbench.datasets.attributes import is_sparse, unscaled
from workbench.encoders.base import Encoder, Layer, Plain
from workbench.encoders.graph import BLOCK, GraphTensors
from workbench.rules import Terms, evaluate
from workbench.views.features import shuffle

OVERSAMPLED = 16  # directions beside those that are kept, and
ITERATIONS = 4  # how often they are refined, about what scikit-learn's randomized_svd does
EXACT = 4  # times as many attributes as that, up to which all directions are looked at

_HOPS = '''
class Hops(nn.Module):
    """Attributes propagated so many steps and cut to some directions, beside what a perceptron makes of them."""

    def __init__(self, features, cut, steps, hidden, dim, rules=0):
        super().__init__()
        self.steps, self.cut = steps, cut
        for step in steps:
            self.register_buffer(f"directions_{step}", torch.zeros(features, cut))
        if rules:
            self.register_buffer("moments", torch.zeros(2, rules))
        width = cut * len(steps) + rules
        self.perceptron = nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )

    def forward(self, x, edge_index, rules=None):
        smooth = APPNP(1, 0.0)
        hops = []
        for step in self.steps:
            h = x @ getattr(self, f"directions_{step}")
            for _ in range(step):
                h = smooth(h, edge_index)
            hops.append(normalize(h))
        if rules is not None:
            hops.append((rules - self.moments[0]) * self.moments[1])
        hops = torch.cat(hops, 1)
        return torch.cat([hops, normalize(self.perceptron(self.cut**0.5 * hops))], 1)
'''


class HopEncoder(Encoder):
    """X, ÂX, Â²X, ... each cut to its main directions, with rows of unit length, and what a perceptron makes of them.

    Directions are found once, on the graph that `settle` is given; no step of a training passes messages. The embedding
    holds the hops themselves beside what was learned, also of unit length, so that nothing of them is lost.

    Args:
        features: attributes of a node.
        steps: how far attributes are propagated, one after another, ascending.
        cut: most directions that are kept of each.
        hidden, dim: widths of the perceptron's two layers.
        rules: of how many rules the values stand beside the hops; see `RuleEncoder`.

    Attributes:
        widths: how many columns each block has that the perceptron sees: a distance each, and the rules.
    """

    def __init__(self, features: int, steps: Sequence[int], cut: int, hidden: int, dim: int, rules: int = 0):
        super().__init__()
        self.features, self.hidden, self.dim = features, hidden, dim
        self.steps, self.cut = tuple(steps), min(cut, features)
        for step in self.steps:
            self.register_buffer(f"directions_{step}", torch.zeros(features, self.cut))
        self.widths = [self.cut] * len(self.steps) + [rules] * bool(rules)
        self.perceptron = nn.Sequential(
            nn.Linear(sum(self.widths), hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )

    @torch.no_grad()
    def settle(self, graph: GraphTensors, generator: torch.Generator) -> None:
        """Find the main directions of the attributes of each distance: right singular vectors of Â^step · X.

        Of many attributes they are refined by products with Â and X alone, so that Â^step · X is never held. Where no
        more attributes are given than directions are kept, all are kept as they are.

        Args:
            graph: that training sees.
            generator: of the first directions, which are random.
        """
        smoother, x = graph.adjacency(), graph.x
        backwards = _turned_round(smoother)
        xt = _turned_round(x) if is_sparse(x) else x.T
        for step in self.steps:
            directions = getattr(self, f"directions_{step}")
            if self.cut == graph.features:
                directions.copy_(torch.eye(self.cut))
                continue
            width = self.cut + OVERSAMPLED
            found = torch.eye(graph.features, device=directions.device)
            if graph.features > EXACT * width:
                found = torch.randn(graph.features, width, generator=generator).to(directions.device)
                for _ in range(ITERATIONS):
                    spread = _times(backwards, step, _times(smoother, step, x @ torch.linalg.qr(found).Q))
                    found = xt @ spread
                found = torch.linalg.qr(found).Q
            seen = _times(smoother, step, x @ found)
            main = torch.linalg.eigh(seen.T @ seen).eigenvectors.flip(1)  # they come in ascending order
            directions.copy_(found @ main[:, : self.cut])

    def hops(self, graph: GraphTensors) -> Tensor:
        """Return attributes of all distances side by side, each of unit length or 0 [nodes, steps · cut]."""
        smoother, parts = graph.adjacency(), []
        for step in self.steps:
            parts.append(normalize(_times(smoother, step, graph.x @ getattr(self, f"directions_{step}"))))
        return torch.cat(parts, 1)

    def forward(self, hops: Tensor, columns: Tensor | None = None) -> Tensor:
        """Return what the perceptron makes of rows of `hops` [rows, dim].

        Args:
            hops: some of its rows, and of these all columns or some [rows, kept].
            columns: which, the others being 0 [kept]; None for all.
        """
        first = self.perceptron[0]
        assert isinstance(first, nn.Linear)
        weight = first.weight if columns is None else first.weight.index_select(1, columns)
        # So that a column's mean square is about 1, as layers expect.
        made: Tensor = self.perceptron[1:](linear(hops, self.cut**0.5 * weight, first.bias))
        return made

    def embed(self, inputs: Any) -> Tensor:
        """Return the hops of a whole graph beside what was learned of them [nodes, steps · cut + dim]."""
        return self.beside(self.hops(GraphTensors.of(inputs)))

    def beside(self, hops: Tensor) -> Tensor:
        """Return hops beside what was learned of them; outside of training the perceptron sees blocks of rows."""
        rows = len(hops) if self.training else max(1, BLOCK // self.hidden)
        return torch.cat([hops, torch.cat([normalize(self(part)) for part in hops.split(rows)])], 1)

    def plain(self) -> Plain:
        """Return the same encoder on PyG's APPNP, which propagates."""
        widths = f"{self.features}, {self.cut}, {self.steps}, {self.hidden}, {self.dim}"
        layer = Layer(f"Hops({widths})", "x, edge_index")
        state = {f"module_0.{name}": value for name, value in self.state_dict().items()}
        imports = ["from torch.nn.functional import normalize", "from torch_geometric.nn import APPNP"]
        return Plain([layer], state, imports, _HOPS)


class RuleEncoder(HopEncoder):
    """A `HopEncoder` beside whose hops stands what rules say of each node, standardised, of unit length in the mean.

    Rules are evaluated on whatever graph is embedded. Their moments are those of the graph that `judge` is given first.

    Args:
        features, steps, cut, hidden, dim: as for `HopEncoder`.
        rules: names or formulas; a truth counts 0 or 1, a score as it is.
        permuted: whether each node is handed what they say of another one, a placebo.
    """

    def __init__(
        self, features: int, steps: Sequence[int], cut: int, hidden: int, dim: int, rules: Sequence[str], permuted: bool
    ):
        super().__init__(features, steps, cut, hidden, dim, len(rules))
        self.rules, self.permuted = tuple(rules), permuted
        self.moments: Tensor
        self.order: Tensor
        self.register_buffer("moments", torch.zeros(2, len(rules)))
        self.register_buffer("order", torch.zeros((), dtype=torch.long))  # the seed of the placebo

    def settle_rules(self, values: Tensor, order: int) -> None:
        """Keep the moments of what rules say of the nodes of a training [nodes, rules], and the placebo's seed."""
        spread, mean = torch.std_mean(values.double(), 0, correction=0)
        constant = spread <= 1e-6 * mean.abs().clamp(min=1e-6)
        self.moments.copy_(torch.stack([mean, torch.where(constant, 0, 1 / spread) / len(self.rules) ** 0.5]))
        self.order.fill_(order)

    def say(self, graph: Data) -> Tensor:
        """Return what rules say of each node, its attributes as loaded, float32 [nodes, rules]."""
        terms = Terms(unscaled(graph))
        return torch.stack([evaluate(rule, terms) for rule in self.rules], 1)

    def judged(self, values: Tensor) -> Tensor:
        """Return what rules say, standardised and in the order of the placebo if it is one [nodes, rules]."""
        if self.permuted:
            generator = torch.Generator().manual_seed(int(self.order))
            values = values[shuffle(len(values), generator, values.device)]
        return (values - self.moments[0]) * self.moments[1]

    def embed(self, inputs: Any) -> Tensor:
        """Return hops and rules of a whole graph beside what was learned of them [nodes, steps · cut + rules + dim]."""
        return self.beside(torch.cat([self.hops(GraphTensors.of(inputs)), self.judged(self.say(inputs))], 1))

    def plain(self) -> Plain:
        """Return the same encoder, which asks whoever calls it what the rules say."""
        made = super().plain()
        layer = Layer(f"{made.layers[0].source[:-1]}, {len(self.rules)})", "x, edge_index, rules")
        del made.state["module_0.order"]
        listed = "\n".join(f"    {rule}" for rule in self.rules)
        told = (
            f"{made.embeds},\nand rules float [nodes, {len(self.rules)}] are what these say of each node:\n{listed}\n"
        )
        return made._replace(layers=[layer], embeds=told, more=", rules: Tensor")


def _turned_round(matrix: Tensor) -> Tensor:
    """Return the transpose of a sparse matrix, in CSR as well."""
    return matrix.to_sparse_coo().t().coalesce().to_sparse_csr()


def _times(matrix: Tensor, steps: int, rows: Tensor) -> Tensor:
    """Return matrix^steps · rows."""
    for _ in range(steps):
        rows = matrix @ rows
    return rows
