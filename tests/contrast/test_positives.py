"""Sources of positives: which pairs they name, and that a training looks at them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench import methods
from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.positives import POSITIVES, PositivePairs, looks_at
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.objectives.infonce import infonce
from workbench.objectives.weighted import supcon
from workbench.randomness import Randomness


def pairs(part: Part, data: Data, ids: torch.Tensor | None = None) -> dict[tuple[int, int], float]:
    """Return the mass of each pair of a source."""
    contrast = PositivePairs(part, data, Randomness(0)).into(Contrast(0.5), ids)
    if contrast.positives is None:
        return {}
    index, mass = contrast.positives
    return {(i, j): float(m) for (i, j), m in zip(index.T.tolist(), mass, strict=True)}


def test_each_source_names_its_pairs_beside_the_own_ones() -> None:
    x = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    data = Data(x=x, edge_index=torch.tensor([[0, 1, 2], [1, 0, 2]]), targets=torch.tensor([1, 0, 1, -1]), num_nodes=4)
    own = {(i, i): 1.0 for i in range(4)}
    assert pairs(Part("self"), data) == {}
    assert pairs(Part("neighbours", (("weight", 0.5),)), data) == own | {(0, 1): 0.5, (1, 0): 0.5}
    near = {(0, 1): 1.0, (1, 2): 1.0, (2, 1): 1.0, (3, 2): 1.0}
    assert pairs(Part("nearest", (("neighbours", 1),)), data) == own | near
    assert pairs(Part("class"), data) == own | {(0, 2): 1.0, (2, 0): 1.0}
    assert pairs(Part("class"), data, torch.tensor([2, 3, 0])) == {(i, i): 1.0 for i in range(3)} | {
        (0, 2): 1.0,
        (2, 0): 1.0,
    }
    with pytest.raises(UserError, match="neighbours=4 nearest items were asked for; each of 4 has 1 to 3 others"):
        pairs(Part("nearest", (("neighbours", 4),)), data)
    with pytest.raises(UserError, match="rows of an array have none; try 'nearest'"):
        pairs(Part("neighbours"), Data(x=x))


PULLING = [name for name in methods.names() if "positives" in methods.get(name).Config.types()]


@pytest.mark.parametrize("method", PULLING)
def test_a_training_is_pulled_as_it_was_asked_or_says_why_not(method: str, small_data: Any, tmp_path: Path) -> None:
    data = small_data(method)
    kind = kind_of(data)

    def trained(**more: Any) -> wb.Run:
        return wb.fit(method, data, "small", epochs=2, store=tmp_path, progress=False, **more)

    try:
        near = trained(positives={"name": "nearest", "neighbours": 3})
    except UserError as error:
        assert "positives" in str(error)
        return
    assert not torch.equal(near.embeddings, trained().embeddings) and near.labels is None
    assert near.contrast is None or near.contrast.positives is not None
    learned = trained(positives="class")
    assert learned.labels and wb.runs.load(learned.path).labels == learned.labels
    seen = learned.details["labelled"]
    assert torch.equal(seen, kind.targets(data) >= 0)
    told = wb.evaluate(learned, data, "random-10-10-80", splits=1, progress=False).flawed
    assert told is not None and "supervised and had seen the labels of" in told
    other = data.clone()
    other.train_mask = ~seen if bool((~seen & (data.y >= 0)).any()) else torch.arange(len(seen)) < 40
    assert (
        wb.fit(method, other, "small", epochs=2, store=tmp_path, progress=False, positives="class").path != learned.path
    )


def test_a_source_of_elsewhere_says_itself_that_it_looks_at_labels(
    small_data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POSITIVES, "_entries", dict(POSITIVES._entries))
    given = []

    @POSITIVES.register("mine")
    @looks_at(lambda options: "classes" if options["labels"] else None)
    def mine(data: Any, randomness: Randomness, labels: bool = False) -> None:
        given.append(data.get("targets"))

    for labels in (False, True):
        chosen = {"name": "mine", "labels": labels}
        run = wb.fit("grace", small_data("grace"), "small", store=tmp_path, progress=False, positives=chosen)
        assert bool(run.labels) is labels is (given[-1] is not None)


def test_every_source_is_known_to_the_methods_that_take_one() -> None:
    assert {"self", "neighbours", "nearest", "class"} <= set(POSITIVES.names()) and "grace" in PULLING


def test_cross_entropy_with_several_positives_is_what_a_loop_says() -> None:
    g = torch.Generator().manual_seed(1)
    u, v = torch.randn(2, 6, 4, generator=g, dtype=torch.float64)
    index = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 1], [0, 3, 1, 2, 3, 4, 5, 5]])
    mass = torch.tensor([1.0, 0.5, 1, 1, 1, 1, 1, 0.25], dtype=torch.float64)
    contrast = Contrast(0.3, positives=(index, mass))
    a, b = (torch.nn.functional.normalize(z, dim=1) for z in (u, v))
    expected = torch.zeros(6, dtype=torch.float64)
    for first, second in ((a, b), (b, a)):
        for i in range(6):
            logits = {("other", j): first[i] @ second[j] / 0.3 for j in range(6)}
            logits |= {("own", j): first[i] @ first[j] / 0.3 for j in range(6) if j != i}
            total = torch.stack([*logits.values()]).logsumexp(0)
            terms = [(m, logits[where, j]) for (k, j), m in zip(index.T.tolist(), mass, strict=True) if k == i
                     for where in ("other", "own") if (where, j) in logits]  # fmt: skip
            weight = sum(m for m, _ in terms)
            expected[i] += sum(m / weight * (total - logit) for m, logit in terms) / 2
    torch.testing.assert_close(supcon(contrast, u, v), expected)
    torch.testing.assert_close(supcon(Contrast(0.3), u, v), infonce(Contrast(0.3), u, v))
