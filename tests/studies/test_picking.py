"""Settings that an arm of an experiment picks on validation, and which experiments learn from labels."""

import math
from pathlib import Path

import pytest
import torch

from workbench.studies import experiments
from workbench.studies.experiments.training import DRAWS, linear, picked, split, validated


def test_the_best_cell_of_a_grid_on_average_is_picked_by_seeds_that_no_experiment_has() -> None:
    asked = []

    def score(seed: int, tau: float, lr: float) -> float:
        asked.append((seed, tau, lr))
        luck = 3.0 * (seed == DRAWS[0]) * (tau == 0.1)  # one draw likes another cell
        return luck - 10 * abs(tau - 0.2) - 100 * abs(lr - 0.01)

    assert picked(score, {"tau": (0.1, 0.2, 0.5), "lr": (1e-3, 1e-2)}) == {"tau": 0.1, "lr": 1e-2}
    assert sorted(asked) == sorted((seed, tau, lr) for seed in DRAWS for tau in (0.1, 0.2, 0.5) for lr in (1e-3, 1e-2))
    assert picked(lambda seed, tau: 1.0, {"tau": (0.5, 0.1)}) == {"tau": 0.5}, "of equal ones the first"
    assert picked(lambda seed: 1.0, {}) == {}
    assert max(experiments.load(name).seeds for name in experiments.names()) <= min(DRAWS)


def test_validation_sees_no_row_that_tests() -> None:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    rows = torch.nn.functional.one_hot(labels).float() + 0.7 * torch.randn(400, 4, generator=g)
    seen, tested = split(labels, 3, 0.2)
    assert len(seen) == 80 and not set(seen) & set(tested) and len(seen) + len(tested) == 400
    found, hidden = validated(rows, labels, 3, 0.2), rows.clone()
    hidden[torch.from_numpy(tested)] = math.nan
    assert validated(hidden, labels, 3, 0.2) == found
    assert abs(found - linear(rows, labels, 3, 0.2)) < 20 and 50 < found < 100


@pytest.mark.parametrize("name", [name for name in experiments.names() if experiments.load(name).page == "objectives"])
def test_an_experiment_whose_arms_learn_from_labels_says_so(name: str) -> None:
    code = Path(experiments.EXPERIMENTS.file(name)).read_text(encoding="utf-8")
    labels = ('"hydra"', '"supremix"', '"positives": "class"', '"name": "trees"')
    learns = any(word in code.replace(f'register("{name}")', "") for word in labels)
    assert experiments.load(name).supervised == learns
    page = (Path(__file__).parents[2] / "docs" / "results" / "objectives.md").read_text(encoding="utf-8")
    (section,) = (part for part in page.split("\n## ") if part.startswith(experiments.load(name).title))
    assert ("Learns from labels." in section) == learns
