"""Whole training steps as released code computes them: no shortcut, nothing left out."""

from itertools import pairwise

import torch
from oracles import plain_contrast
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from workbench.encoders.graph import GraphTensors
from workbench.methods.nodes.e2neg.e2neg import E2Neg
from workbench.methods.nodes.str_gcl.str_gcl import StrGCL
from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns


class PlainE2Neg(nn.Module):
    """A step over the whole star graph: every row through a graph convolution, both views, dense contrast."""

    def __init__(self, model: E2Neg):
        super().__init__()
        stars, width = model.stars, model.config.dim
        self.tau, self.x, self.own = model.config.tau, stars.x, stars.own
        self.edge_index = stars.edge_index
        self.convolution = GCNConv(self.x.shape[1], width)
        self.activation, self.projector = nn.PReLU(width), nn.Sequential(*map(_copy, model.projector))
        with torch.no_grad():
            self.convolution.lin.weight.copy_(model.encoder.weights[0].T)
            self.convolution.bias.copy_(model.encoder.biases[0])
            self.activation.load_state_dict(model.encoder.activation.state_dict())

    def forward(self, order: Tensor) -> Tensor:
        """Return the loss of the aliased step in which the centres' attributes stand in `order` [centres]."""
        x = self.x.clone()
        x[self.own] = self.x[self.own[order]]
        u, v = (self.projector(self.activation(self.convolution(x, self.edge_index))[self.own]) for _ in range(2))
        return plain_contrast(u, v, self.tau)


class PlainStrGCL(nn.Module):
    """An epoch of Str-GCL with dense attributes, convolutions that normalise themselves and dense losses."""

    def __init__(self, model: StrGCL, graph: Data):
        super().__init__()
        self.config, self.x, self.edge_index = model.config, graph.x, GraphTensors.of(model.inputs).edge_index
        widths = [self.x.shape[1], *[model.config.dim] * model.config.layers]
        self.layers = nn.ModuleList(GCNConv(a, b) for a, b in pairwise(widths))
        with torch.no_grad():
            for layer, weight in zip(self.layers, model.encoder.weights, strict=True):
                layer.lin.weight.copy_(weight.T)  # type: ignore[union-attr,operator]
        self.projector = nn.Sequential(*map(_copy, model.projector))
        self.first, self.second = _copy(model.rules.first), _copy(model.rules.second)
        self.weight = nn.Sequential(*map(_copy, model.rules.weight))
        self.scores = nn.Parameter(model.rules.scores.detach().clone())

    def forward(self, generator: torch.Generator) -> Tensor:
        """Return the total loss of an epoch whose views are drawn from `generator`."""
        c, weights = self.config, self.weight(self.scores).sigmoid()
        nodes, rule, cross = [], [], []
        for edges, columns in ((c.edge_drop_1, c.feature_drop_1), (c.edge_drop_2, c.feature_drop_2)):
            kept = self.edge_index[:, keep_edges(self.edge_index.shape[1], edges, generator).bool()]
            x = self.x * keep_columns(self.x.shape[1], columns, generator)
            h = x
            for layer in self.layers:
                h = layer(h, kept).relu()
            nodes.append(self.projector(h))
            r = weights * self.second(nn.functional.elu(self.first(x)))
            unit = normalize(r, dim=1)
            mass = (unit @ unit.T / c.tau_rule).exp()
            rule.append(-(mass.diag() / mass.sum(1)).log().mean())
            cross.append(_plain_moments(self.projector(r), nodes[-1]))
        base = plain_contrast(nodes[0], nodes[1], c.tau)
        return c.base_weight * base + c.rule_weight * sum(rule) / 2 + c.cross_weight * sum(cross) / 2


def _plain_moments(a: Tensor, b: Tensor) -> Tensor:
    width = a.shape[1]
    means = (a.mean(0) - b.mean(0)).square().sum() / width
    return means + (torch.cov(a.T) - torch.cov(b.T)).square().sum() / width**2


def _copy(module: nn.Module) -> nn.Module:
    twin = type(module)(*_arguments(module))
    twin.load_state_dict(module.state_dict())
    return twin


def _arguments(module: nn.Module) -> tuple[int, ...]:
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    return (1,) if isinstance(module, nn.BatchNorm1d) else ()
