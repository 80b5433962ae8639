"""SupCon through gates against a loop over pairs, and where it is SupCon."""

import torch
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.methods.arrays.hydra import Gates, RandomGates, class_pairs
from workbench.objectives.gated import gated_supcon
from workbench.objectives.weighted import supcon


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
