"""node2vec: DeepWalk by walks that rather stay near where they came from, or rather leave.

Grover, Leskovec: node2vec: Scalable Feature Learning for Networks. KDD 2016, arXiv 1607.00653.
"""

from dataclasses import dataclass

from torch import Tensor

from workbench.methods.base import METHODS, above
from workbench.methods.nodes.deepwalk import DeepWalk, DeepWalkConfig


@dataclass(frozen=True)
class Node2VecConfig(DeepWalkConfig):
    """Configuration of node2vec; p and q are those of GammaGL's recipe.

    Attributes:
        p: above 1, a walk seldom turns back at once; 1 with q = 1 is DeepWalk.
        q: below 1, a walk rather goes on to nodes that its last node does not know.
    """

    main = (*DeepWalkConfig.main, "p", "q")

    p: float = above(0, 4.0)
    q: float = above(0, 0.25)


@METHODS.register("node2vec")
class Node2Vec(DeepWalk):
    """DeepWalk in all but the walks, whose steps depend on the node before."""

    Config = Node2VecConfig

    def walk(self, starts: Tensor) -> Tensor:
        """Draw a walk from each start [walks, length]."""
        return self.paths.draw(starts, self.config.length, self.generator, self.config.p, self.config.q)
