"""SupCon through gates against a loop over pairs, and where it is SupCon."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.datasets.arrays import Rows
from workbench.methods.arrays.hydra import Gates, Hydra, HydraConfig, RandomGates, class_pairs
from workbench.objectives.gated import gated_supcon
from workbench.objectives.weighted import supcon
from workbench.randomness import Randomness


def test_seven_classes_have_28_pairs_and_a_gate_is_the_same_in_both_orders() -> None:
    pairs = class_pairs(torch.arange(7).repeat(3))
    assert len(pairs) == 28 and int((pairs[:, 0] == pairs[:, 1]).sum()) == 7
    assert len({frozenset(pair) for pair in pairs.tolist()}) == 28
    for gates in (Gates(7, 5, 6), RandomGates(7, 6)):
        assert torch.equal(gates(pairs), gates(pairs.flip(1)))
        assert 0 <= gates(pairs).detach().min() <= gates(pairs).detach().max() <= 1
        assert len(gates(pairs).unique(dim=0)) > 7, "pairs differ in their gates"


def test_open_gates_and_equal_classes_alone_are_supcon() -> None:
    g = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 9, 4, generator=g, dtype=torch.float64)
    classes = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 4])
    index = (classes[:, None] == classes).nonzero().T
    expected = supcon(Contrast(0.3, positives=(index, torch.ones(index.shape[1], dtype=torch.float64))), u, v)
    pairs = torch.tensor([[0, 0], [1, 1], [2, 2], [4, 4]])
    found = gated_supcon(torch.cat([u, v]), classes.repeat(2), pairs, torch.ones(4, 4, dtype=torch.float64), 0.3)
    assert len(found) == 18
    torch.testing.assert_close(found.mean(), expected.mean())


def test_each_pair_of_classes_is_the_loop_and_its_negatives_are_of_neither() -> None:
    g = torch.Generator().manual_seed(1)
    rows, classes = torch.randn(10, 3, generator=g, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 2, 2, 3, 3, 3])
    pairs, gates = torch.tensor([[1, 0], [2, 2], [0, 3]]), torch.rand(3, 3, generator=g, dtype=torch.float64)
    expected = []
    for (a, b), gate in zip(pairs.tolist(), gates, strict=True):
        unit = normalize(rows * gate, dim=1)
        for own, other in [(a, b)] + ([(b, a)] if a != b else []):
            for i in range(10):
                positives = [j for j in range(10) if classes[j] == other and j != i]
                negatives = [j for j in range(10) if int(classes[j]) not in (a, b)]
                if classes[i] == own:
                    e = (unit @ unit[i] / 0.5).exp()
                    below = e[[*positives, *negatives]].sum()
                    expected.append(-(e[positives] / below).log().mean())
    torch.testing.assert_close(gated_supcon(rows, classes, pairs, gates, 0.5), torch.stack(expected))
    alone = gated_supcon(rows[:1], classes[:1], torch.tensor([[0, 0]]), gates[:1], 0.5)
    assert len(alone) == 0, "a row without a positive is no anchor"


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("gates", ["learned", "random"])
def test_the_classifier_moves_no_encoder_and_fixed_gates_are_no_parameters(gates: str, classes: int) -> None:
    torch.manual_seed(0)
    data = Rows(x=torch.rand(12, 5), targets=torch.arange(12) % (classes + 1) - 1)  # some without a label
    config = HydraConfig(channels=2, dim=4, batch_size=0, gates=gates)  # type: ignore[arg-type]
    method = Hydra(config, data, Randomness(0))
    (batch,) = method.batches()
    assert bool((data.targets[batch.n_id] >= 0).all()) and len(batch.n_id) == int((data.targets >= 0).sum())
    terms, encoder = method.step(batch).terms, list(method.encoder.parameters())
    assert all(
        part is None for part in torch.autograd.grad(terms["classes"], encoder, retain_graph=True, allow_unused=True)
    )
    assert (
        all(
            part.abs().sum() > 0
            for part in torch.autograd.grad(terms["classes"], list(method.classifier.parameters()), retain_graph=True)
        )
        or classes == 1
    )
    moved = torch.autograd.grad(terms["contrast"], encoder, retain_graph=True, allow_unused=True)
    assert sum(float(part.abs().sum()) for part in moved if part is not None) > 0
    assert len(list(method.gates.parameters())) == (5 if gates == "learned" else 0)


@pytest.mark.parametrize("tau", [1e-8, 1e-4, 1e6])
def test_one_class_has_positives_alone_and_extremes_are_finite(tau: float) -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)
    for classes in (torch.zeros(6, dtype=torch.long), torch.arange(6), torch.arange(6) // 3):
        pairs = class_pairs(classes)
        for gates in (torch.ones(len(pairs), 4), torch.zeros(len(pairs), 4)):
            losses = gated_supcon(rows, classes, pairs, gates, tau)
            assert losses.isfinite().all() and torch.autograd.grad(losses.sum(), rows)[0].isfinite().all()
    # Alike rows of one class: each of the five others is as likely.
    alike = gated_supcon(
        torch.ones(6, 4), torch.zeros(6, dtype=torch.long), torch.tensor([[0, 0]]), torch.ones(1, 4), tau
    )
    torch.testing.assert_close(alike, torch.full((6,), math.log(5)))
