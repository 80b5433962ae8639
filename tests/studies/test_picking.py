"""What each arm of an experiment is trained with: picked from a grid, once, by labels that no probe of a seed asks."""

from typing import Any

import numpy as np
import pytest
import torch

from workbench.studies.experiments import space2, training
from workbench.studies.experiments.supremix import parts
from workbench.studies.experiments.training import (
    DRAW,
    GRID,
    by_class,
    held_out,
    linear,
    nearest,
    picked,
    pool,
    reserved,
    some,
    split,
    told,
)

SEEDS = range(5)


@pytest.fixture(autouse=True)
def nothing_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "PICKED", {})


@pytest.mark.parametrize("best", [(tau, rate) for tau in GRID["tau"] for rate in GRID["lr"]])
def test_the_best_point_of_the_grid_is_picked_and_is_told(best: tuple[float, float]) -> None:
    def score(arm: str, draw: int, tau: float, lr: float) -> float:
        return -abs(tau - best[0]) - abs(lr - best[1])

    assert picked("made", "arm", score) == {"tau": best[0], "lr": best[1]}
    assert told("made") == {"arm | tau": best[0], "arm | rate": best[1]} and not told("other")


def test_each_point_is_tried_once_per_arm_and_one_without_temperature_has_rates_alone() -> None:
    tried = list[Any]()

    def score(arm: str, draw: int, **point: float) -> float:
        tried.append((arm, draw, tuple(point.items())))
        return point["lr"]

    for _ in SEEDS:
        assert picked("made", "cold", score, ("lr",)) == {"lr": max(GRID["lr"])}
        picked("made", "warm", score)
    assert tried[:3] == [("cold", draw, (("lr", GRID["lr"][0]),)) for draw in range(DRAW, DRAW + 3)]
    assert len(tried) == len(set(tried)) == 3 * (2 + 4)


def test_a_rate_that_one_draw_favours_is_not_picked_where_the_next_ones_collapse() -> None:
    def score(arm: str, draw: int, lr: float) -> float:
        return 60.0 if lr == min(GRID["lr"]) else 80.0 if draw == DRAW else 10.0

    assert picked("made", "one", score, ("lr",), draws=1) == {"lr": max(GRID["lr"])}
    assert picked("made", "three", score, ("lr",)) == {"lr": min(GRID["lr"])}


def test_no_probe_of_a_seed_asks_for_a_label_that_settings_are_picked_by() -> None:
    labels = torch.arange(7).repeat(60)
    held = reserved(len(labels))
    assert held.sum() == 84
    for seed in SEEDS:
        for part in (0.1, 0.5):
            train, test = split(labels, seed, part)
            assert not held[test].any() and not set(train) & set(test)
            assert len(train) == round(part * len(labels))
    rows = torch.nn.functional.one_hot(labels).float()
    wrong = torch.where(torch.from_numpy(held), labels, (labels + 1) % 7)
    assert held_out(rows, wrong) == held_out(rows, labels) == 100
    assert held_out(rows, torch.where(torch.from_numpy(held), torch.arange(len(labels)) % 2, labels)) < 70


@pytest.mark.parametrize("probe", [linear, nearest, by_class])
def test_labels_that_are_reserved_are_of_no_account_where_they_are_not_learned_from(probe: Any) -> None:
    labels = torch.arange(4).repeat(100)
    rows = torch.nn.functional.one_hot(labels).float() + 0.1 * torch.randn(
        400, 4, generator=torch.Generator().manual_seed(0)
    )
    changed = torch.nn.functional.one_hot((labels + 1) % 4).float()
    train, _ = split(labels, 0, 0.2)
    asked = reserved(400)
    asked[train] = False
    moved = torch.where(torch.from_numpy(asked)[:, None], changed, rows)
    before, after = (np.mean(probe(x, labels, 0, part=0.2)) for x in (rows, moved))
    assert before == after == 100


def test_some_rows_of_a_seed_have_those_reserved_in_their_places() -> None:
    for seed in (*SEEDS, DRAW, DRAW + 2):
        chosen = some(1797, 900, seed)
        assert len(set(chosen)) == 900 and (reserved(1797)[chosen] == reserved(900)).all()
        drawn = set(pool(1797, seed))
        assert drawn == set(np.flatnonzero(reserved(1797) == (seed >= DRAW)))
    assert len({tuple(some(1797, 900, seed)) for seed in SEEDS}) == len(SEEDS)


def test_patients_by_whom_settings_are_picked_are_measured_by_no_seed() -> None:
    held = set(np.flatnonzero(reserved(442)))
    for seed in SEEDS:
        seen, asked = parts(442, seed)
        assert held <= set(seen) and not set(seen) & set(asked) and len(seen) + len(asked) == 442
    seen, asked = parts(442, DRAW)
    assert set(asked) == held and not held & set(seen) and len(seen) == len(parts(442, 0)[0])


def test_functions_by_which_settings_are_picked_are_neither_seen_nor_asked_nor_ranked_by_a_seed() -> None:
    held = set(np.flatnonzero(reserved(2931)))
    for seed in (*SEEDS, DRAW, DRAW + 2):
        seen, asked, ranked = (set(part) for part in space2.parts(2931, seed))
        assert not seen & asked and not (seen | asked) & ranked and not held & (seen | ranked)
        assert (asked <= held) == (seed >= DRAW) and bool(asked & held) == (seed >= DRAW)
        assert len(asked) == space2.QUERIES
