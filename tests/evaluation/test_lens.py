"""The protocol lens: its rows are what `evaluate` says, and its figure shows them all."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_evaluation import labelled_graph, made_run, with_masks
from torch_geometric.data import Data

from workbench import plots
from workbench.errors import UserError
from workbench.evaluation import evaluate, lens, mean_interval, protocols
from workbench.evaluation.splits import UNLABELLED

LOGISTIC = ["public", "random-10-10-80", "random-10-90", "random-20-80"]
PUBLISHED = ["public", "linear-graphmae", "linear-graphmae-last", "linear-public"]
ORDER = [*LOGISTIC, "linear-10-10-80", "linear-gca", *PUBLISHED[1:], "best-on-test", "pygcl-swapped"]
QUICK: dict[str, Any] = {"splits": 2, "seed": 3, "steps": 40, "progress": False}


@pytest.fixture
def masked() -> Data:
    return with_masks(labelled_graph(nodes=120, noise=2.0))


def directly(embedding: Any, graph: Data, protocol: str, normalise: bool, splits: int = 2) -> Any:
    """The scores of a row of the lens, asked for by hand."""
    steps = 40 if protocols.get(protocol).steps else None
    solver = "adam" if steps else "fast"
    return evaluate(embedding, graph, protocol, splits, 3, solver, steps, normalise, progress=False)


def test_each_protocol_has_two_rows_and_the_flawed_come_last(masked: Data) -> None:
    table = lens(masked.x, masked, **QUICK)
    assert table["protocol"].tolist() == [name for name in ORDER for _ in range(2)] and table.attrs["left out"] == {}
    of_nodes = [protocols.get(name) for name in protocols.names() if "nodes" in protocols.get(name).kinds]
    single = [rules for rules in of_nodes if rules.probe not in UNLABELLED and not rules.several and not rules.parts]
    assert sorted(ORDER) == [rules.name for rules in single]
    assert table["own"].tolist() == [True, False] * len(ORDER)
    for row in table.itertuples():
        rules = protocols.get(row.protocol)
        assert row.own == (row.normalised == rules.normalise) and row.flawed == (rules.flawed or "")
    assert table.loc[table["flawed"] != "", "protocol"].unique().tolist() == ORDER[-2:]
    assert table["solver"].tolist() == ["fast"] * 8 + ["adam 40 steps"] * 14


def test_each_row_is_what_evaluate_says(masked: Data) -> None:
    table = lens(masked.x, masked, **QUICK)
    for _, row in table.iterrows():
        scores = directly(masked.x, masked, row["protocol"], row["normalised"])
        assert row["accuracy"] == scores.accuracy and row["macro F1"] == scores.macro_f1
        np.testing.assert_equal(row["spread over splits"], scores.accuracy.std)
        ends = (scores.accuracy - scores.accuracy.std, scores.accuracy + scores.accuracy.std)
        np.testing.assert_equal((row["low"], row["high"]), ends)
        assert (row["splits"], row["training seeds"]) == (len(scores.per_split), 1)
        one = row["protocol"] in PUBLISHED
        assert row["interval"] == ("none: the one public split" if one else f"± {scores.accuracy.over}")
    assert table["accuracy"].nunique() > 6 and table["low"].isna().sum() == 8


def test_one_split_of_one_embedding_has_no_spread(labelled: Data) -> None:
    (first, _) = lens(labelled.x, labelled, "random-10-90", splits=1).to_dict("records")
    assert np.isnan([first[name] for name in ("spread over splits", "low", "high")]).all()
    assert first["interval"] == "none: 1 random split of one embedding" and first["accuracy"] > 50


def test_several_runs_have_the_interval_over_their_seeds(masked: Data) -> None:
    runs = [made_run(masked, seed) for seed in (0, 1, 2)]
    table = lens(runs, masked, ["public", "random-10-90", "linear-10-10-80"], **QUICK)
    assert len(table) == 6 and (table["training seeds"] == 3).all()
    assert (table["interval"] == "95 % t interval over 3 training seeds").all()
    for _, row in table.iterrows():
        scored = [directly(run, masked, row["protocol"], row["normalised"]) for run in runs]
        wanted = mean_interval([scores.accuracy.mean for scores in scored])
        assert (row["accuracy"], row["low"], row["high"]) == pytest.approx((wanted.mean, wanted.low, wanted.high))
        assert row["low"] < row["accuracy"] < row["high"]
        assert row["macro F1"] == pytest.approx(np.mean([scores.macro_f1 for scores in scored]))
        pooled = np.sqrt(np.mean([scores.accuracy.std**2 for scores in scored]))
        assert row["spread over splits"] == pytest.approx(pooled, nan_ok=True)
        assert row["seconds"] > 0
    assert table["spread over splits"].isna().tolist() == [True, True, False, False, False, False]
    pd.testing.assert_frame_equal(lens(runs[:1], masked, ["public"]).drop(columns="seconds"),
                                  lens(runs[0], masked, ["public"]).drop(columns="seconds"))  # fmt: skip


def test_a_protocol_that_the_graph_can_not_have_is_left_out_with_its_reason(small_graph: Data) -> None:
    table = lens(small_graph.x, small_graph, **QUICK)
    assert table["protocol"].unique().tolist() == [name for name in ORDER if name not in PUBLISHED]
    assert [*table.attrs["left out"]] == sorted(PUBLISHED)
    assert all("graph 'small' has no val_mask and no test_mask" in why for why in table.attrs["left out"].values())
    few = with_masks(labelled_graph(nodes=40))
    table = lens(few.x, few, **QUICK)
    assert table["protocol"].tolist() == [name for name in PUBLISHED for _ in range(2)]
    assert {*table.attrs["left out"]} == {*ORDER} - {*PUBLISHED}
    assert "at least 50 labelled nodes" in table.attrs["left out"]["best-on-test"]


def test_every_mistake_is_one_sentence(labelled: Data) -> None:
    runs = [made_run(labelled), made_run(labelled, seed=1, tau=0.9)]
    few = labelled_graph(nodes=40)
    cases = [
        (lambda: lens(labelled.x, labelled, ["random-10-90", "public"]), "graph 'two' has no train_mask"),
        (lambda: lens(labelled.x, labelled, ["random-10-9"]), "did you mean 'random-10-90'"),
        (lambda: lens(labelled.x, labelled, []), "at least one protocol"),
        (lambda: lens(few.x, few), "at least 50 labelled nodes"),
        (lambda: lens(Data(num_nodes=3), Data(num_nodes=3)), "has no labels (y)"),
        (lambda: lens(runs, labelled), "differ in the seed only"),
        (lambda: lens([runs[0], made_run(labelled, seed=1, method="other")], labelled), "differ in the seed only"),
        (lambda: lens([labelled.x, labelled.x], labelled), "differ in the seed only"),
        (lambda: lens([], labelled), "takes one embedding"),
        (lambda: lens([runs[0], runs[0]], labelled), "training seed 0"),
        (lambda: lens(labelled.x[1:], labelled), "one row per node [100, dim]"),
        (lambda: lens(labelled.x, labelled, steps=10, progress=False), "steps must be at least 20"),
        (lambda: plots.protocol_lens(pd.DataFrame({"protocol": ["public"]})), "has no column 'normalised'"),
    ]
    for mistake, sentence in cases:
        with pytest.raises(UserError) as told:
            mistake()
        assert sentence in str(told.value) and "\n" not in str(told.value)


# the figure


def words(figure: Any) -> str:
    """All that is written on a figure outside its axes, without the breaks of lines."""
    layout = figure.layout
    return re.sub("(<br>| )+", " ", " ".join([layout.title.subtitle.text, *(note.text for note in layout.annotations)]))


def test_the_figure_has_a_dot_at_each_mean_and_a_bar_for_each_interval(small_graph: Data) -> None:
    table = lens(small_graph.x, small_graph, **QUICK)
    figure = plots.protocol_lens(table)
    axis, heights = figure.layout.yaxis, set()
    assert axis.range[0] > axis.range[1], "the first row stands on top"
    for trace, normalised in zip(figure.data, (True, False), strict=True):
        part = table[table["normalised"] == normalised]
        assert trace.name == ("rows divided by their L2 norm" if normalised else "rows as they are")
        np.testing.assert_array_equal(trace.x, part["accuracy"])
        np.testing.assert_allclose(trace.x + trace.error_x.array, part["high"])
        np.testing.assert_allclose(trace.x - trace.error_x.arrayminus, part["low"])
        assert [symbol.endswith("-open") for symbol in trace.marker.symbol] == (part["flawed"] != "").tolist()
        labels = [axis.ticktext[round(y)] for y in trace.y]
        for label, row in zip(labels, part.itertuples(), strict=True):
            assert label.startswith(row.protocol) and (", FLAWED" in label) == bool(row.flawed) and row.solver in label
        heights |= set(trace.y)
    assert len(heights) == len(table) == 2 * len([name for name in ORDER if name not in PUBLISHED])
    told = words(figure)
    for row in table.itertuples():
        written = f"{row.accuracy:.1f} [{row.low:.1f}, {row.high:.1f}]"
        assert (f"<b>{written}</b>" if row.own else written) in told
    own = table.loc[table["own"], "accuracy"]
    assert f"the same embedding gets {own.min():.1f} to {own.max():.1f} %" in told
    assert "which describes and tests nothing" in told


def test_the_figure_tells_each_flaw_and_what_was_left_out(small_graph: Data, masked: Data) -> None:
    table = lens(small_graph.x, small_graph, **QUICK)
    told = words(plots.protocol_lens(table))
    for name in ORDER[-2:]:
        assert f"{name} (open marks) is FLAWED: {protocols.get(name).flawed}" in told
    assert f"left out: {table.attrs['left out']['public']}" in told and told.count("FLAWED") == 2
    told = words(plots.protocol_lens(lens(masked.x, masked, ["public", "random-10-90"], splits=2)))
    assert "left out" not in told and "FLAWED" not in told


def test_the_figure_says_what_its_bars_are(masked: Data) -> None:
    runs = [made_run(masked, seed) for seed in (0, 1)]
    told = words(plots.protocol_lens(lens(runs, masked, ["public"])))
    assert "the same embeddings get" in told and "bars: 95 % t interval over 2 training seeds" in told
    figure = plots.protocol_lens(lens(masked.x, masked, ["public"]))
    assert "bars: none, one split of one embedding" in words(figure) and "nan" not in words(figure)
    assert figure.data[0].customdata[0].tolist() == ["public", "", "none: the one public split"]


def test_the_figure_is_the_same_after_a_file(masked: Data, tmp_path: Any) -> None:
    table = lens(torch.eye(120), masked, **QUICK)
    table.to_csv(tmp_path / "lens.csv", index=False)
    assert words(plots.protocol_lens(pd.read_csv(tmp_path / "lens.csv"))) == words(plots.protocol_lens(table))
    assert "ends" not in table
