"""What learns from labels is given no more than it may see, and says so wherever its numbers stand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.methods import METHODS
from workbench.studies import tasks, tune
from workbench.studies.study import Condition, Study
from workbench.training import stored

BY_CLASS = {"positives": "class", "objective": "supcon"}


def train(data: Any, method: str = "simclr", **more: Any) -> wb.Run:
    return wb.fit(method, data, "small", progress=False, **more)


def test_a_supervised_run_says_so_in_its_scores_its_words_and_the_table_of_runs(
    small_data: Any,
) -> None:
    rows = small_data("simclr")
    rows.train_mask = torch.arange(60) < 24
    run, plain = train(rows, **BY_CLASS), train(rows)
    assert "supervised by 24 labels" in repr(run) and "supervised by 24 labels" in run._repr_html_()
    assert "supervised" not in repr(plain) and "supervised by" not in plain._repr_html_()
    assert run.details["labelled"].sum() == 24
    told = "FLAWED: the training was supervised and had seen the labels of "
    assert told in str(wb.evaluate(run, rows, splits=2, progress=False))
    assert "supervised" not in str(wb.evaluate(plain, rows, splits=2, progress=False))
    assert [row["state"] for row in stored.rows()] == ["supervised", None]
    assert "without labels of an embedding supervised by 24 labels" in str(wb.quality(run))
    assert "supervised" not in str(wb.quality(plain))
    names = wb.compare([run, plain], rows, baselines=False, splits=2, progress=False)["name"]
    assert [name.endswith(", supervised") for name in names] == [True, False]


def test_scores_on_items_whose_labels_were_not_seen_say_just_that(labelled: Data) -> None:
    labelled.train_mask = torch.arange(100) < 40
    labelled.val_mask, labelled.test_mask = torch.arange(100) // 20 == 2, torch.arange(100) >= 60
    scores = wb.evaluate(train(labelled, "grace", **BY_CLASS), labelled, "public", progress=False)
    assert "by labels of other items than are scored" in str(scores) and "FLAWED" not in str(scores)


def test_another_train_mask_is_another_request_and_a_label_outside_of_it_changes_no_bit(small_data: Any) -> None:
    rows, other, wrong = (small_data("simclr") for _ in range(3))
    rows.train_mask = wrong.train_mask = torch.arange(60) < 30
    other.train_mask = torch.arange(60) < 31
    wrong.y = torch.where(rows.train_mask, rows.y, 7)
    one, two, three = (train(data, **BY_CLASS) for data in (rows, other, wrong))
    assert one.labels != two.labels and one.path != two.path and not torch.equal(one.embeddings, two.embeddings)
    assert one.labels == three.labels and torch.equal(one.embeddings, three.embeddings)
    assert train(rows).path == train(other).path


@pytest.mark.parametrize("method", ["simclr", "grace"])
def test_targets_are_given_to_what_is_supervised_alone(
    method: str, small_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, seen = METHODS.get(method), list[bool]()
    before = kind.__init__

    def looked(self: Any, config: Any, inputs: Any, randomness: Any) -> None:
        seen.append("targets" in inputs)
        assert "y" not in inputs and "train_mask" not in inputs
        before(self, config, inputs, randomness)

    monkeypatch.setattr(kind, "__init__", looked)
    train(small_data(method), method)
    train(small_data(method), method, positives="nearest")
    train(small_data(method), method, **BY_CLASS)
    assert seen == [False, False, True]
    assert train(small_data(method), method, fresh=True).labels is None


def test_labels_are_refused_where_they_would_be_compared_with_none(labelled: Data, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="condition 'by class' learns from labels, and a study that is not `supervised`"
    ):
        tasks.plan(
            Study("one", conditions=(Condition("by class", "grace", "quick", tuple(BY_CLASS.items())),)), ["cora"]
        )
    with pytest.raises(UserError, match="'grace' so configured learns from labels, those by which a search chooses"):
        tune.tune("grace", labelled, store=tmp_path, progress=False, **BY_CLASS)
    with pytest.raises(UserError, match="learns from labels, one class per item, and these data have none"):
        train(torch.rand(20, 5), **BY_CLASS)
