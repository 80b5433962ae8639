"""Blocks of a transformer: pre-norm residual units over tokens, each of which can be replaced by its index."""

from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch_geometric.nn import GCNConv

from workbench.errors import UserError


class Attention(nn.Module):
    """tokens + output(attention(qkv(norm(tokens)))): each token looks at all; their matrix is never kept as a whole.

    Args:
        dim: width of a token.
        heads: among which it is divided.

    Raises:
        UserError: heads that don't divide the width.
    """

    def __init__(self, dim: int, heads: int):
        super().__init__()
        if heads < 1 or dim % heads:
            raise UserError(f"a width of {dim} can't be divided among {heads} heads", parameter="encoder.heads")
        self.heads, self.norm = heads, nn.LayerNorm(dim)
        self.qkv, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens [..., tokens, dim]; those of different leading indices don't see each other."""
        parts = self.qkv(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))
        # The kernel that keeps no matrix of all pairs takes four dimensions alone.
        q, k, v = parts.reshape(-1, *parts.shape[-4:]).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(tokens.shape)
        attended: Tensor = tokens + self.output(mixed)
        return attended


class FeedForward(nn.Module):
    """tokens + down(GELU(up(norm(tokens)))), each token by itself.

    Args:
        dim: width of a token.
        hidden: between the two layers.
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens [..., dim]."""
        fed: Tensor = tokens + self.down(gelu(self.up(self.norm(tokens))))
        return fed


class Local(nn.Module):
    """tokens + convolution(norm(tokens)): PyG's graph convolution of one graph, whose nodes are the tokens."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm, self.convolution = nn.LayerNorm(dim), GCNConv(dim, dim, normalize=False)

    def forward(self, tokens: Tensor, adjacency: Tensor) -> Tensor:
        """Return tokens [nodes, dim]; the adjacency, CSR [nodes, nodes], comes normalised."""
        passed: Tensor = tokens + self.convolution(self.norm(tokens), adjacency)
        return passed


class Block(nn.Module):
    """Message passing where there is a graph, then attention, then a feed-forward layer; each may be replaced.

    Args:
        dim: width of a token. heads: of the attention. local: whether there is message passing.
    """

    def __init__(self, dim: int, heads: int, local: bool = False):
        super().__init__()
        self.local = Local(dim) if local else None
        self.attention: nn.Module = Attention(dim, heads)
        self.feed_forward: nn.Module = FeedForward(dim, 4 * dim)

    def forward(self, tokens: Tensor, adjacency: Tensor | None = None) -> Tensor:
        """Return tokens [..., tokens, dim]; with message passing [nodes, dim], and the adjacency is needed."""
        if self.local is not None:
            tokens = self.local(tokens, adjacency)
        mixed: Tensor = self.feed_forward(self.attention(tokens))
        return mixed
