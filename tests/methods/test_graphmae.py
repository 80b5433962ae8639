"""GraphMAE: the facts that pin it to its paper and release, and the encoders that it trains."""

import math
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GATConv
from torch_geometric.utils import add_self_loops, remove_self_loops

import workbench as wb
from workbench.datasets.kinds import kind_of
from workbench.encoders.base import ENCODERS
from workbench.encoders.decoders import AttributeDecoder
from workbench.errors import UserError
from workbench.methods.generative.graphmae import GraphMAE, GraphMAEConfig
from workbench.objectives.reconstruction import scaled_cosine_error
from workbench.randomness import Randomness


def model(data: object, **parameters: object) -> GraphMAE:
    torch.manual_seed(0)
    config = GraphMAEConfig.from_flat({"dim": 8, "encoder.heads": 2, **parameters})
    return GraphMAE(config, kind_of(data).inputs(data), Randomness(0))


def alike(rows: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (rows == wanted).all(1)


@pytest.mark.parametrize(("nodes", "mask", "replace"), [(60, 0.5, 0.1), (53, 0.75, 0.3), (31, 0.4, 0.45)])
def test_the_arithmetic_of_masking(nodes: int, mask: float, replace: float) -> None:
    x = torch.arange(1.0, nodes + 1)[:, None].repeat(1, 40)  # each node's attributes are its own
    mae = model(Data(x=x, edge_index=torch.zeros(2, 0, dtype=torch.long)), mask=mask, replace=replace)
    torch.nn.init.constant_(mae.token, -1.0)
    visible, masked = mae.hide(x)
    hidden = int(mask * nodes)
    tokens, replaced = int((1 - replace) * hidden), int(replace * hidden)
    assert len(masked) == len(masked.unique()) == hidden
    assert int(alike(visible, mae.token).sum()) == tokens
    untouched = torch.ones(nodes, dtype=torch.bool)
    untouched[masked] = False
    assert torch.equal(visible[untouched], x[untouched])
    others = visible[masked][~alike(visible[masked], mae.token)]
    assert len(others) == hidden - tokens and hidden - tokens - replaced in (0, 1)
    # A donor may be the node itself, else each replaced node shows another one, and no donor is used twice.
    assert len(others[:, 0].unique()) >= replaced
    assert not torch.equal(mae.hide(x)[1], masked), "a new mask each time"
    assert torch.equal(x[:, 0], torch.arange(1.0, nodes + 1)), "the inputs stay as they were"


def test_too_few_nodes_to_replace_one_replace_none(small_graph: Data) -> None:
    mae = model(small_graph, mask=0.1, replace=0.1)
    torch.nn.init.constant_(mae.token, 7.0)
    visible, masked = mae.hide(small_graph.x)
    assert len(masked) == 6 and int(alike(visible, mae.token).sum()) == int(0.9 * 6) == 5
    changed = ~alike(visible, small_graph.x)
    assert int(changed.sum()) == 5, "the release takes the slice [-0:], which is all masked nodes, and fails"
    for share in (0.01, 0.0):
        with pytest.raises(UserError, match=f"mask={share:g} hides none of 60 nodes"):
            model(small_graph, mask=share).hide(small_graph.x)


def test_the_loss_is_the_mean_of_the_scaled_cosine_error_of_masked_rows(small_graph: Data) -> None:
    mae = model(small_graph).eval()
    x, edges = small_graph.x, small_graph.edge_index
    codes = torch.randn(60, 8)
    masked = torch.randperm(60)[:30]
    for wanted, power, factor in ((0.0, 3.0, 2.5), (8.0, 3.0, -0.1), (2.0, 1.0, -3.0)):
        mae.config = GraphMAEConfig(power=power)
        mae.decoder = Constant(factor * x)  # type: ignore[assignment]
        assert mae.error(x, codes, edges, masked, masked).item() == pytest.approx(wanted, abs=1e-5)
    blank = torch.zeros_like(x)
    mae = model(small_graph).eval()
    value = mae.error(blank, codes.requires_grad_(), edges, masked, masked)
    gradient = torch.autograd.grad(value, codes)[0]
    assert value.item() == 1 and not gradient.any(), "rows of zeros cost 1 and teach nothing"


def test_a_node_pulls_the_less_the_nearer_it_is_and_by_power_1_all_pull_alike() -> None:
    angle = torch.linspace(0.1, 3.0, 9, dtype=torch.float64).requires_grad_()
    x, cosine = torch.tensor([[2.0, 0.0]], dtype=torch.float64).expand(9, 2), angle.detach().cos()
    for power in (1.0, 2.0, 3.0):
        made = 5 * torch.stack([angle.cos(), angle.sin()], 1)
        turned = torch.autograd.grad(scaled_cosine_error(x, made, power).sum(), angle)[0]
        # d/dc (1 - c)^a = -a (1 - c)^(a - 1), which is 1 for all by a = 1 and goes to 0 with 1 - c by a = 3.
        torch.testing.assert_close(turned / angle.detach().sin(), power * (1 - cosine) ** (power - 1))
        longer = made.detach().requires_grad_()
        along = torch.autograd.grad(scaled_cosine_error(x, longer, power).sum(), longer)[0]
        assert (along * longer).sum(1).abs().max() < 1e-9, "the length of what is decoded never matters"


class Constant(torch.nn.Module):
    def __init__(self, rows: torch.Tensor):
        super().__init__()
        self.rows = rows

    def forward(self, codes: torch.Tensor, edge_index: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return self.rows[rows]


@pytest.mark.parametrize("decoder", ["gat", "gin"])
def test_nothing_reaches_the_encoder_through_the_code_of_a_masked_node(small_graph: Data, decoder: str) -> None:
    masked, hidden = torch.arange(0, 60, 2), torch.zeros(60, dtype=torch.bool)
    hidden[masked] = True
    gradients, losses = {}, {}
    for remask in (True, False):
        mae = model(small_graph, remask=remask, decoder=decoder).eval()
        codes = torch.randn(60, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        value = mae.error(small_graph.x, codes, small_graph.edge_index, masked, masked)
        gradients[remask] = torch.autograd.grad(value, codes)[0].abs().sum(1)
        perturbed = codes.detach().clone()
        perturbed[masked] += 1.0
        losses[remask] = (
            mae.error(small_graph.x, perturbed, small_graph.edge_index, masked, masked).item() - value.item()
        )
    assert not gradients[True][hidden].any() and gradients[True][~hidden].any() and losses[True] == 0
    assert gradients[False][hidden].any() and losses[False] != 0


@pytest.mark.parametrize("kind", ["gat", "gin", "mlp"])
def test_decoding_some_rows_equals_decoding_all(small_graph: Data, kind: Literal["gat", "gin", "mlp"]) -> None:
    torch.manual_seed(0)
    decoder = AttributeDecoder(kind, 8, 40, dropout=0.2, attention_dropout=0.1).eval()
    codes, edges = torch.randn(60, 8, requires_grad=True), small_graph.edge_index
    loops = torch.tensor([[3, 4], [3, 4]])
    edges, rows = torch.cat([edges, loops], 1), torch.randperm(60)[:25]
    found = decoder(codes, edges, rows)
    if kind == "gat":  # as PyG's layer has it, which makes W h first
        whole = GATConv(8, 40)
        whole.load_state_dict(decoder.layer.state_dict())
        everything = whole(codes, edges)
    else:
        everything = decoder.layer(codes, edges) if kind == "gin" else decoder.layer(codes)
    torch.testing.assert_close(found, everything[rows])
    weight = torch.randn(25, 40)
    ours, theirs = (torch.autograd.grad((out * weight).sum(), codes)[0] for out in (found, everything[rows]))
    torch.testing.assert_close(ours, theirs)


def test_a_step_is_that_of_the_release_written_plainly(small_graph: Data) -> None:
    visible, masked = model(small_graph, replace=0.1).hide(small_graph.x)
    mae = model(small_graph, replace=0.1).eval()
    found = mae.step(small_graph)
    assert torch.equal(found.kept["mask"], masked)
    codes = mae.bridge(mae.encoder(visible, small_graph.edge_index)).clone()
    codes[masked] = 0
    layer = GATConv(8, 40)
    layer.load_state_dict(mae.decoder.layer.state_dict())
    edges = add_self_loops(remove_self_loops(small_graph.edge_index)[0], num_nodes=60)[0]
    decoded = layer(codes, edges)[masked]
    cos = torch.nn.functional.cosine_similarity(decoded, small_graph.x[masked])
    torch.testing.assert_close(found.total, ((1 - cos) ** 3).mean())


def test_the_learning_rate_falls_along_half_a_cosine(small_graph: Data) -> None:
    for schedule, wanted in (
        ("cosine", [(1 + math.cos(math.pi * e / 20)) / 4 for e in range(20)]),
        ("constant", [0.5]),
    ):
        mae = model(small_graph, lr=0.5, epochs=20, schedule=schedule)
        optimiser = mae.optimiser()
        for epoch in range(20):
            mae.before_epoch(epoch, optimiser)
            rate = optimiser.param_groups[0]["lr"]
            assert rate == pytest.approx(wanted[epoch % len(wanted)])


def test_the_clean_graph_is_embedded_without_decoder_or_token(small_graph: Data) -> None:
    mae = model(small_graph, edge_drop=0.9).eval()
    before = mae.embed(small_graph)
    with torch.no_grad():
        for weight in (mae.token, *mae.bridge.parameters(), *mae.decoder.parameters()):
            weight.fill_(9.0)
    assert torch.equal(mae.embed(small_graph), before)
    torch.testing.assert_close(before, mae.encoder(small_graph.x, small_graph.edge_index))


def test_sparse_attributes_are_those_that_they_stand_for(small_graph: Data, tmp_path: Path) -> None:
    sparse = small_graph.clone()
    sparse.x = sparse.x.to_sparse_csr()
    dense, other = (
        wb.fit("graphmae", g, "small", store=tmp_path / str(g is sparse), progress=False) for g in (small_graph, sparse)
    )
    assert torch.equal(dense.embeddings, other.embeddings)  # type: ignore[arg-type]


@pytest.mark.parametrize("decoder", ["gat", "gin", "mlp"])
@pytest.mark.parametrize("encoder", ENCODERS.names())
def test_each_encoder_learns_with_each_decoder(small_graph: Data, encoder: str, decoder: str) -> None:
    mae = GraphMAE(
        GraphMAEConfig.from_flat({"dim": 8, "encoder": encoder, "decoder": decoder}), small_graph, Randomness(0)
    )
    mae.step(small_graph).total.backward()
    untouched = {name for name, weight in mae.named_parameters() if weight.grad is None or not weight.grad.any()}
    # Re-masked codes are 0, so that the decoder's attention has nothing of the node that attends.
    assert untouched == ({"decoder.layer.att_dst"} if decoder == "gat" else set())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder": "gta"}, "unknown encoder 'gta'.*'gat'"),
        ({"encoder": "gin", "encoder.heads": 2}, "unknown option 'heads' of encoder 'gin'"),
        ({"encoder.activation": "prlu"}, "'activation' 'prlu'.*'prelu'"),
        ({"encoder.norm": "layer"}, "'norm' 'layer'"),
        ({"encoder.heads": 3}, "a width of 8 can't be divided among 3 heads"),
        ({"encoder.heads": 0}, "among 0 heads"),
        ({"encoder.layers": 0}, "at least 1 layer"),
        ({"encoder": "gin", "encoder.concatenate": True, "encoder.layers": 3}, "8 can't be divided among 3 layers"),
        ({"encoder.dropout": 1.0}, r"dropout of the encoder is 1.0; it must be in \[0, 1\)"),
        ({"encoder.attention_dropout": -0.1}, r"attention dropout of the encoder is -0.1"),
        ({"encoder": "gcn", "encoder.layers": 0}, "at least 1 layer"),
        ({"mask": 1.0}, "'mask' is 1.0; it must be below 1"),
        ({"power": 0.5}, "'power' is 0.5; it must be at least 1"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.fit("graphmae", small_graph, "small", store=tmp_path, progress=False, **changed)
