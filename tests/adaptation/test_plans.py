"""Plans: what they train and leave, LoRA against a restatement of its release, angles against closed forms."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from workbench.adaptation import PLANS, angle, angles, ranked
from workbench.adaptation.base import begun, trained
from workbench.adaptation.few import HELD_OUT, few_labels, fit_logistic
from workbench.adaptation.partial import chosen
from workbench.adaptation.receipts import flops
from workbench.datasets.arrays import Rows
from workbench.encoders.graph_transformer import GraphTransformer
from workbench.encoders.transformers import layers_of
from workbench.encoders.vit import ViT
from workbench.errors import UserError

CANVAS = {"height": 12, "width": 12}


def started(dim: int = 64) -> tuple[ViT, dict[str, Tensor], Tensor]:
    """Return an encoder that nothing of is trained, its state, and images."""
    torch.manual_seed(0)
    encoder = ViT(CANVAS, dim)
    return encoder, begun(encoder, {}, new_input=False), torch.rand(3, 12, 12)


def prepared(name: str, encoder: nn.Module, **options: object) -> nn.Module:
    plan = PLANS.get(name)(**options)
    plan.prepare(encoder, torch.Generator().manual_seed(1))
    return plan


def learn(encoder: nn.Module, x: Tensor, steps: int = 3) -> None:
    optimiser = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        encoder(x).square().sum().backward()
        optimiser.step()


BIASES = 4 * (64 + 192 + 64 + 64 + 256 + 64) + 64 + 64  # of norms and layers of four blocks, the last norm, the patches


@pytest.mark.parametrize(
    ("plan", "options", "numbers"),
    [
        ("full", {}, 201_861 - 325 + 1_280),
        ("probe", {}, 0),
        ("lora", {"rank": 4}, 6_144),
        ("bitfit", {}, BIASES),
        ("partial", {"layers": "attention"}, 66_560 + 4 * 128),
        ("partial", {"layers": "feed-forward"}, 132_352 + 4 * 128),
        ("partial", {"layers": "norms-and-biases"}, BIASES + 9 * 64),
        ("partial", {"layers": "0.attention"}, 16_640 + 128),
        ("partial", {"layers": "last"}, 16_640 + 33_088 + 2 * 128),
    ],
)
def test_a_plan_trains_as_many_numbers_as_its_formula_says_and_no_others(
    plan: str, options: dict, numbers: int
) -> None:
    encoder, base, x = started()
    prepared(plan, encoder, **options)
    assert trained(encoder) == numbers
    frozen = {name: p.detach().clone() for name, p in encoder.named_parameters() if not p.requires_grad}
    before = encoder(x)
    if numbers:
        learn(encoder, x)
        assert not torch.equal(encoder(x), before)
    state = encoder.state_dict()
    assert all(torch.equal(state[name], value) for name, value in frozen.items())
    assert plan != "probe" or all(torch.equal(state[name], base[name]) for name in base)


@pytest.mark.parametrize("plan", ["full", "probe", "lora", "bitfit", "partial"])
@pytest.mark.parametrize("graph", [False, True])
def test_what_a_plan_stores_makes_the_finished_encoder_of_the_base(plan: str, graph: bool, small_graph: object) -> None:
    torch.manual_seed(0)
    shape = {"features": 40} if graph else CANVAS

    def made() -> nn.Module:
        return GraphTransformer(shape, 8, heads=2) if graph else ViT(shape, 8, heads=2)

    inputs = small_graph if graph else Rows(x=torch.rand(3, 12, 12))
    encoder = made()
    base = begun(encoder, {}, new_input=False)
    scheme = prepared(plan, encoder)
    if trained(encoder):
        optimiser = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=1e-3)
        encoder.embed(inputs).square().sum().backward()
        optimiser.step()
    scheme.finish(encoder)
    stored, other = scheme.new(encoder, base), made()
    assert not stored or sum(t.numel() for t in stored.values()) <= sum(t.numel() for t in base.values())
    begun(other, base, new_input=False)
    PLANS.get(plan)().restore(other, {name: value.clone() for name, value in stored.items()})
    state = encoder.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())
    torch.testing.assert_close(other.embed(inputs), encoder.embed(inputs))
    assert encoder.state_dict().keys() == base.keys() or not scheme.plain


class Released(nn.Linear):
    """The layer of loralib 0.1.2, without dropout: weight W, and B A of A [r, in] and B [out, r] by alpha / r."""

    def __init__(self, taken: int, given: int, r: int, alpha: int):
        super().__init__(taken, given)
        self.lora_A, self.lora_B = nn.Parameter(self.weight.new_zeros((r, taken))), nn.Parameter(torch.zeros(given, r))
        self.scaling = alpha / r
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B)

    def forward(self, x: Tensor) -> Tensor:
        result = nn.functional.linear(x, self.weight, bias=self.bias)
        return result + (x @ self.lora_A.transpose(0, 1) @ self.lora_B.transpose(0, 1)) * self.scaling


def test_lora_starts_as_the_base_equals_its_release_and_merges() -> None:
    encoder, _, x = started()
    encoder, x = encoder.double(), x.double()
    untouched = encoder(x)
    plan = prepared("lora", encoder, rank=4, alpha=6.0)
    encoder.double()
    assert torch.equal(encoder(x), untouched), "before any training the product is 0"
    drawn = encoder.blocks[0].attention.qkv.a
    assert float(drawn.detach().abs().max()) <= 1 / math.sqrt(64) and float(drawn.detach().std()) == pytest.approx(
        0.125 / 3**0.5, rel=0.2
    )
    learn(encoder, x)
    ours, tokens = encoder.blocks[1].attention.qkv, torch.randn(7, 64).double()
    theirs = Released(64, 192, 4, 6).double()
    theirs.load_state_dict({**ours.linear.state_dict(), "lora_A": ours.a.detach(), "lora_B": ours.b.detach()})
    torch.testing.assert_close(ours(tokens), theirs(tokens), rtol=1e-6, atol=1e-6)
    apart = encoder(x)
    plan.finish(encoder)
    assert isinstance(encoder.blocks[1].attention.qkv, nn.Linear) and not torch.equal(apart, untouched)
    torch.testing.assert_close(encoder(x), apart, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rank", [0, -1, 65])
def test_a_rank_that_is_none_is_refused(rank: int) -> None:
    with pytest.raises(UserError, match=f"the rank of LoRA is {rank}; it must be at "):
        prepared("lora", started()[0], rank=rank)


def test_angles_are_those_of_closed_forms_and_blind_to_length() -> None:
    turn = math.radians(30)
    assert angle(torch.tensor([1.0, 0, 0]), torch.tensor([math.cos(turn), math.sin(turn), 0])) == pytest.approx(
        30, abs=1e-5
    )
    w, e = torch.randn(2, 4_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    e -= w * (w @ e) / (w @ w)
    small = math.degrees(math.atan(1e-4 * float(e.norm() / w.norm())))
    assert angle(w, w + 1e-4 * e) == pytest.approx(small, rel=1e-2)
    assert angle(w.float(), 3 * w.float()) == pytest.approx(0, abs=1e-5) and angle(w, w) == 0
    assert angle(w, e) == pytest.approx(90) and angle(w, -w) == pytest.approx(180)
    assert math.isnan(angle(torch.zeros(3), torch.ones(3)))


def test_angles_are_of_layers_and_leave_out_what_begins_at_nothing() -> None:
    encoder, base, x = started(8)
    plan = prepared("partial", encoder, layers="1.attention,2.feed_forward")
    base["blocks.1.attention.qkv.bias"].zero_()
    with torch.no_grad():
        encoder.blocks[1].attention.qkv.bias.zero_()
    learn(encoder, x)
    found = angles(base, encoder.state_dict())
    assert [*found] == [*layers_of(encoder)]
    assert {name for name, turned in found.items() if turned > 0} == {"1.attention", "2.feed_forward"}
    after = encoder.state_dict()
    names = [
        name for name in base if name.startswith("blocks.1.attention") and not name.endswith(("qkv.bias", "norm.bias"))
    ]
    u, v = (torch.cat([state[name].double().flatten() for name in names]) for state in (base, after))
    assert found["1.attention"] == pytest.approx(math.degrees(math.acos(float(u @ v / u.norm() / v.norm()))), rel=1e-6)
    assert plan.plain


def test_layers_are_chosen_by_scheme_by_name_or_by_rank() -> None:
    layers = [f"{block}.{unit}" for block in range(4) for unit in ("attention", "feed_forward")]
    assert chosen("first-half", layers) == layers[:4] and chosen("even", layers) == layers[2:4] + layers[6:]
    turned = dict(zip(layers, [1.0, 8, 4, 2, 3, 6, 2, 9], strict=True))
    assert ranked(turned, "top", 2) == "1.attention,2.attention,0.feed_forward,3.feed_forward"
    assert ranked(turned, "bottom", 1) == "0.attention,1.feed_forward"
    draws = {ranked(turned, "random", 2, torch.Generator().manual_seed(seed)) for seed in range(20)}
    assert len(draws) > 5 and all(set(chosen(words, layers)) <= set(layers) for words in draws)
    with pytest.raises(UserError, match="unknown layers 'atention' of this encoder; did you mean 'attention'"):
        chosen("atention", layers)
    with pytest.raises(UserError, match="k is 5; there are 4 layers 'attention'"):
        ranked(turned, "top", 5)


def test_few_labels_are_as_many_of_each_class_and_a_quarter_is_held_out() -> None:
    y = torch.tensor([0, 1, 2] * 20 + [-1] * 5)
    few = few_labels(y, 8, draw=1, holdout=True)
    assert [(few == label).sum() for label in range(3)] == [6, 6, 6] and (few == HELD_OUT).sum() == 6
    assert torch.equal(few[few >= 0], y[few >= 0]) and (y[few == HELD_OUT].bincount() == 2).all()
    drawn = few_labels(y, 8, draw=1, holdout=False)
    assert torch.equal(drawn >= 0, few != -1), "what is held out is of the same draw"
    assert not torch.equal(drawn, few_labels(y, 8, 2, False)) and torch.equal(few_labels(y, 0, 0, False), y)
    with pytest.raises(UserError, match="21 labels of each class were asked for, and class 0 has 20 that may be seen"):
        few_labels(y, 21, 0, False)
    with pytest.raises(UserError, match="a single label of class 0 can't be learned and held out"):
        few_labels(y, 1, 0, True)


@pytest.mark.parametrize("classes", [[0, 1], [0, 2, 3]])
def test_a_logistic_head_tells_what_scikit_learn_tells(classes: list[int]) -> None:
    g = torch.Generator().manual_seed(0)
    targets = torch.tensor(classes * 10)
    codes = torch.randn(len(targets), 5, generator=g) + targets[:, None]
    head = nn.Linear(5, 4)
    fit_logistic(head, codes, targets)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(codes.numpy(), targets.numpy())
    torch.testing.assert_close(
        head(codes).softmax(1)[:, classes],
        torch.from_numpy(fitted.predict_proba(codes.numpy())).float(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_flops_are_twice_the_multiply_adds_of_what_is_run(small_graph: object) -> None:
    one, dim, tokens = Rows(x=torch.rand(1, 12, 12)), 64, 37
    layers = 2 * tokens * 4 * (4 * dim**2 + 8 * dim**2) + 2 * 36 * 4 * dim
    assert flops(ViT(CANVAS, dim), one, 1) == layers + 4 * 2 * 2 * tokens**2 * dim
    nodes, entries = 60, int((small_graph.edge_index[0] != small_graph.edge_index[1]).sum()) + 60
    inside = 2 * nodes * (dim**2 + 4 * dim**2 + 8 * dim**2) + 2 * 2 * nodes**2 * dim + 2 * entries * dim
    assert flops(GraphTransformer({"features": 40}, dim, 1), small_graph, nodes) == round(
        (inside + 2 * nodes * 40 * dim) / nodes
    )
