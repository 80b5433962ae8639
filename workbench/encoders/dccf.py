"""The encoder of DCCF: convolutions on the interactions, intents, and edges weighed by how alike their ends are."""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from workbench.encoders.base import Layer, Plain
from workbench.encoders.lightgcn import LightGCN, Parts, SymmetricProduct, adjacency
from workbench.encoders.sparse import EdgeProduct, Pattern
from workbench.errors import UserError
from workbench.randomness import Randomness

VIEWS = ("graph", "intents", "adaptive", "intent-adaptive")
PLAIN = """
class Propagation(nn.Module):
    def __init__(self, users, dim, intents, layers, views):
        super().__init__()
        self.users, self.layers, self.views = users, layers, views
        self.user_intent, self.item_intent = (nn.Parameter(torch.empty(dim, intents)) for _ in range(2))

    def mean(self, seen, x, row, column):
        alpha = (nn.functional.cosine_similarity(seen[row], seen[column]).clamp(-1, 1) + 1) / 2
        total = torch.zeros(len(x)).index_add(0, row, alpha).clamp(min=1e-30)
        return torch.zeros_like(x).index_add(0, row, (alpha / total[row])[:, None] * x[column])

    def forward(self, x, edge_index):
        (row, column), whole = edge_index, x
        root = torch.bincount(row, minlength=len(x)).clamp(min=1).rsqrt()
        for _ in range(self.layers):
            graph = torch.zeros_like(x).index_add(0, row, (root[row] * root[column])[:, None] * x[column])
            sides = zip(x.split([self.users, len(x) - self.users]), (self.user_intent, self.item_intent))
            intents = torch.cat([(part @ c).softmax(1) @ c.T for part, c in sides])
            views = {"graph": graph, "intents": intents, "adaptive": self.mean(graph, x, row, column)}
            views["intent-adaptive"] = self.mean(intents, x, row, column)
            x = x + sum(views[name] for name in self.views)
            whole = whole + x
        return whole
"""


class Links(NamedTuple):
    """The stored entries of a symmetric CSR matrix, users before items, so that the first half are the users' rows.

    Attributes:
        matrix: the normalised adjacency [rows, rows].
        pattern: where its entries are.
        drawn: the order in which weights of interactions are dealt out [entries / 2]; None for their own.
    """

    matrix: Tensor
    pattern: Pattern
    drawn: Tensor | None = None


class Cosines(torch.autograd.Function):
    """Inner products of one matrix's rows at both ends of each interaction [entries / 2]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pattern: Pattern) -> Tensor:
        """Compute the value."""
        ctx.save_for_backward(x)
        ctx.pattern = pattern
        return pattern.products(x, x)[: len(pattern.rows) // 2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of x."""
        half = len(gradients[0])
        both = torch.cat([gradients[0], gradients[0][ctx.pattern.turn[half:]]])
        return ctx.pattern.matrix(both) @ ctx.saved_tensors[0], None


class DCCF(LightGCN):
    """Embeddings of users and items, and of intents, which layers bring together.

    A layer adds to its input E, users and items stacked, four views of it: "graph", D^-1/2 A D^-1/2 E; "intents",
    softmax(E C) C^T with prototypes C [dim, intents] of users' and of items'; "adaptive" and "intent-adaptive", the
    mean over neighbours of E, weighted by alpha = (cosine of both ends + 1) / 2 in the first and in the second view.
    The embedding is the sum, or mean, of the layers, the learned one included.

    Args:
        users, items: how many.
        dim: width of the embedding.
        layers: how many.
        intents: prototypes of users, and as many of items.
        without: a view that is not added, or "nothing".
        shuffled: whether alpha is dealt out to other interactions, in one seeded order: a control.
        combine, start: as for `LightGCN`.
    """

    def __init__(
        self,
        users: int,
        items: int,
        dim: int,
        layers: int,
        intents: int,
        without: str,
        shuffled: bool,
        combine: Literal["mean", "sum"],
        start: Literal["normal", "xavier"],
    ) -> None:
        super().__init__(users, items, dim, layers, combine, start)
        self.without, self.shuffled = without, shuffled
        self.user_intent, self.item_intent = (nn.Parameter(torch.empty(dim, intents)) for _ in range(2))
        for weights in (self.user_intent, self.item_intent):
            nn.init.xavier_normal_(weights)

    def links(self, matrix: Tensor) -> Links:
        """Return the entries of the adjacency of users and items."""
        counts, column = matrix.crow_indices().diff(), matrix.col_indices()
        row = torch.arange(len(counts), device=column.device).repeat_interleave(counts)
        order = torch.randperm(len(row) // 2, generator=Randomness(0).generator("alpha")).to(row.device)
        return Links(matrix, Pattern.of(row * len(counts) + column, len(counts)), order if self.shuffled else None)

    def seen(self, x: Tensor, links: Links) -> tuple[Tensor, Tensor, Tensor]:
        """Return the views of a layer's input by interactions and by intents, and users' shares of their intents."""
        users, items = x.split(self.sizes)
        shares = (users @ self.user_intent).softmax(1)
        by_intents = [shares @ self.user_intent.T, (items @ self.item_intent).softmax(1) @ self.item_intent.T]
        return SymmetricProduct.apply(links.matrix, x), torch.cat(by_intents), shares

    def views(self, x: Tensor, links: Links) -> dict[str, Tensor]:
        """Return the views of a layer's input [rows, dim] that are added to it, by name [rows, dim] each."""
        graph, intents, _ = self.seen(x, links)
        views = {"graph": graph, "intents": intents}
        for name, alike in (("adaptive", graph), ("intent-adaptive", intents)):
            if name != self.without:
                views[name] = EdgeProduct.apply(self.alpha(alike, links), x, links.pattern)
        return {name: view for name, view in views.items() if name != self.without}

    def alpha(self, x: Tensor, links: Links) -> Tensor:
        """Return the weight of each entry by a view [rows, dim]; those of a row sum to 1, or are all 0 [entries]."""
        half = (Cosines.apply(normalize(x), links.pattern).clamp(-1, 1) + 1) / 2
        half = half if links.drawn is None else half[links.drawn]
        whole = torch.cat([half, half[links.pattern.turn[len(half) :]]])
        sums = whole.new_zeros(sum(self.sizes)).index_add(0, links.pattern.rows, whole)
        return whole / sums.where(sums > 0, 1.0)[links.pattern.rows]

    def layers_and_views(self, links: Links) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Return the layers, the learned one first, and the views that each further one added, see `views`."""
        layers, views = [torch.cat([self.user, self.item])], []
        for _ in range(self.depth):
            views.append(self.views(layers[-1], links))
            layers.append(layers[-1] + sum(views[-1].values()))
        return layers, views

    def embed(self, inputs: Any) -> dict[str, Tensor]:
        """Return the embedding of the same users and items by other interactions, too."""
        layers = self.layers_and_views(self.links(adjacency(inputs)))[0]
        return dict(zip(("user", "item"), self.combined(layers), strict=True))

    def parts(self, inputs: Any, user: int) -> Parts:
        """Return what the embedding of a user by some interactions is the sum of, exactly."""
        links = self.links(adjacency(inputs))
        layers, views = self.layers_and_views(links)
        row = slice(*links.matrix.crow_indices()[user : user + 2].tolist())
        taken, scale = links.pattern.columns[row], 1 / len(layers) if self.combine == "mean" else 1.0
        brought, intents = torch.zeros_like(layers[0][taken]), torch.zeros_like(self.user_intent.T)
        for layer, (x, added) in enumerate(zip(layers, views, strict=False)):
            later = scale * (self.depth - layer)  # of how many further layers this one is a part
            graph, by_intents, shares = self.seen(x, links)
            for name, alike in (("adaptive", graph), ("intent-adaptive", by_intents)):
                if name in added:
                    brought = brought + later * self.alpha(alike, links)[row, None] * x[taken]
            brought = brought + later * links.matrix.values()[row, None] * x[taken]
            if "intents" in added:
                intents = intents + later * shares[user][:, None] * self.user_intent.T
        return Parts(scale * len(layers) * layers[0][user], taken - self.sizes[0], brought, intents)

    def plain(self) -> Plain:
        """Return the same encoder made of an embedding and one module of torch alone."""
        if self.shuffled:
            raise UserError("dccf with alpha dealt out to other interactions is a control, which is not exported")
        dim, intents = self.user_intent.shape
        views = [name for name in VIEWS if name != self.without]
        made = f"Propagation({self.sizes[0]}, {dim}, {intents}, {self.depth}, {views})"
        layers = [Layer(f"nn.Embedding({sum(self.sizes)}, {dim})"), Layer(made, "x, edge_index")]
        if self.combine == "mean":
            layers.append(Layer(f"lambda x: x / {self.depth + 1}"))
        state = {"module_0.weight": torch.cat([self.user, self.item])}
        state |= {f"module_1.{name}": getattr(self, name) for name in ("user_intent", "item_intent")}
        return Plain(layers, state, [], PLAIN, embeds=self.embeds())
