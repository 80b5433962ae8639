"""Transformers: numbers of weights by the published accounting, attention against PyTorch's own layer, refusals."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from workbench.encoders.blocks import Attention, Block
from workbench.encoders.graph import GraphTensors
from workbench.encoders.graph_transformer import GraphTransformer
from workbench.encoders.transformers import layers_of
from workbench.encoders.vit import ViT
from workbench.errors import UserError


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def test_a_vit_has_as_many_weights_as_its_accounting_says() -> None:
    upright, canvas = (ViT({"height": side, "width": side}, 64) for side in (8, 12))
    assert count(upright, nn.Linear(64, 5)) == 201_861
    assert count(canvas) - count(upright) == 1_280, "twenty more positions"
    attention, feed_forward = (
        [part for name, part in layers_of(upright).items() if unit in name] for unit in ("att", "fee")
    )
    assert count(*(layer for part in attention for layer in (part.qkv, part.output))) == 66_560
    assert count(*(layer for part in feed_forward for layer in (part.up, part.down))) == 132_352


def test_attention_is_that_of_pytorch_and_keeps_images_apart() -> None:
    torch.manual_seed(0)
    ours, theirs, tokens = Attention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(3, 5, 8)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    x = ours.norm(tokens)
    torch.testing.assert_close(ours(tokens), tokens + theirs(x, x, x, need_weights=False)[0])
    torch.testing.assert_close(ours(tokens)[1], ours(tokens[1])), "a graph is one set of tokens without a leading index"


def test_a_vit_cuts_patches_and_reads_the_class_token() -> None:
    vit, x = ViT({"height": 4, "width": 6}, 8, blocks=1, heads=2), torch.randn(3, 4, 6)
    seen = list[torch.Tensor]()
    vit.input.register_forward_hook(lambda layer, taken, given: seen.append(taken[0]))
    codes = vit(x)
    assert codes.shape == (3, 8) and seen[0].shape == (3, 6, 4)
    torch.testing.assert_close(seen[0][1, 4], x[1, 2:4, 2:4].flatten())
    vit.blocks[0] = nn.Identity()
    torch.testing.assert_close(vit(x), vit.norm(vit.places.token + vit.places.positions[0]).expand(3, -1))


def test_a_graph_transformer_passes_messages_as_pyg_does(small_graph: Data) -> None:
    torch.manual_seed(0)
    encoder = GraphTransformer({"features": 40}, 8, blocks=1, heads=2)
    block, convolution = encoder.blocks[0], GCNConv(8, 8)
    convolution.load_state_dict(block.local.convolution.state_dict())
    tokens = linear(small_graph.x, encoder.input.weight, encoder.input.bias)
    expected = block.feed_forward(
        block.attention(tokens + convolution(block.local.norm(tokens), small_graph.edge_index))
    )
    torch.testing.assert_close(encoder.embed(small_graph), encoder.norm(expected), rtol=1e-4, atol=1e-5)
    assert encoder(GraphTensors.of(small_graph).view(0.2, 0.2, torch.Generator())).shape == (60, 8)


def test_parts_of_a_block_are_replaced_by_index() -> None:
    vit = ViT({"height": 4, "width": 4}, 8, heads=2)
    vit.blocks[2].feed_forward = nn.Identity()
    vit.blocks[1].attention.qkv = nn.Linear(8, 24, bias=False)
    assert vit(torch.randn(2, 4, 4)).shape == (2, 8) and "blocks.1.attention.qkv.bias" not in vit.state_dict()
    assert Block(8, 2)(torch.randn(5, 8)).shape == (5, 8)


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ({"features": 9}, {}, "reads images"),
        ({"height": 7, "width": 8}, {}, "images of 7 x 8 pixels can't be cut into patches of 2 x 2"),
        ({"height": 8, "width": 8}, {"patch": 0}, "patches of 0 x 0"),
        ({"height": 8, "width": 8}, {"heads": 3}, "a width of 8 can't be divided among 3 heads"),
        ({"height": 8, "width": 8}, {"blocks": 0}, "at least 1 block"),
    ],
)
def test_what_fits_no_transformer_is_refused_in_a_sentence(shape: dict, options: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        ViT(shape, 8, **options)
