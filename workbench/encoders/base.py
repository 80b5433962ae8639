"""`Encoder`: what is kept of a training, and how it is written for those who do not have this package."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from workbench.registry import Registry

# Each makes an encoder of (attributes of a node, width of the embedding); further arguments with defaults are options.
ENCODERS: Registry[Callable[..., "Encoder"]] = Registry("encoder", "workbench.encoders", "ENCODERS")


class Layer(NamedTuple):
    """A layer as source code, e.g. "GCNConv(1433, 128)", and the names of what it takes and gives."""

    source: str
    takes: str = "x"
    gives: str = "x"


class Plain(NamedTuple):
    """An encoder in PyG's own words, for `Run.export`.

    Attributes:
        layers: of the module, in the order in which they are called; the last one gives the embedding.
        state: its weights, by the names that such a module has.
        imports: lines of import beyond torch and `nn`.
        definitions: source code of what PyG does not have, above the module.
        embeds: what x and edge_index are, for whoever calls the module.
        more: further arguments of its `forward`, as they stand there, e.g. ", rules: Tensor".
    """

    layers: list[Layer]
    state: dict[str, Tensor]
    imports: list[str]
    definitions: str = ""
    embeds: str = "the nodes of a graph that has the same attribute\ncolumns"
    more: str = ""


class Encoder(nn.Module):
    """A module that embeds inputs of one kind, whether or not training saw them.

    Attributes:
        streams: whether it embeds a graph whose attributes stay on disk, by blocks of rows.
    """

    streams: ClassVar[bool] = False

    def embed(self, inputs: Any) -> Tensor | dict[str, Tensor]:
        """Return the embedding of inputs [items, dim], or one by item name."""
        raise TypeError(f"{type(self).__name__} embeds nothing")

    def plain(self) -> Plain:
        """Return the same encoder in PyG's own words."""
        raise TypeError(f"{type(self).__name__} has no plain form")


def source_of(module: nn.Module) -> str:
    """Return the source code that makes a module of the same shape, in a file that imports `nn` from torch."""
    match module:
        case nn.Sequential():
            return f"nn.Sequential({', '.join(map(source_of, module))})"
        case nn.Linear():
            return f"nn.Linear({module.in_features}, {module.out_features})"
        case nn.BatchNorm1d():
            return f"nn.BatchNorm1d({module.num_features}, momentum={module.momentum})"
        case nn.PReLU():
            return f"nn.PReLU({module.num_parameters})"
    return f"nn.{type(module).__name__}()"
