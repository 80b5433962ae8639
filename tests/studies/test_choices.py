"""What numbers without labels would have picked, by hand."""

import pytest

from workbench.studies import choices, results

ACCURACY, RANK = [50.0, 60, 80, 70, 65, 90], [9.0, 2, 8, 5, 4, 9]  # by epoch: 0, 10, ...


def test_picks_and_rank_correlations_by_hand() -> None:
    facts = {"study": "s", "condition": "c", "kind": "trained", "data": "d", "seed": 0, "preset": "quick"}
    rows = []
    for place, (accuracy, rank) in enumerate(zip(ACCURACY, RANK, strict=True)):
        then = {**facts, "epochs": 10 * place, "seconds": 1.0, "peak_mib": 1.0, "device": "cpu", "scoring": 2}
        rows.append({**then, "metric": "accuracy", "value": accuracy, "protocol": "random-10-10-80", "split": 0})
        numbers = {"effective_rank": rank, "alpha_req": 1 + rank, "uniformity": -rank, "alignment": 0.0}
        rows += [{**then, "metric": name, "value": value} for name, value in numbers.items()]
    table = results.table(rows)
    line = choices.picks(table).iloc[0]
    assert (line["untrained"], line["last"], line[choices.FLAWED], line["seeds"]) == (50, 90, 90, 1)
    assert line["effective-rank"] == 90, "the third look in vain would have been the one that is better"
    assert choices.picks(table, patience=2).iloc[0]["effective-rank"] == 80
    assert line["alpha-req"] == 60, "nearest to 1, and the untrained one is not picked"
    over = choices.correlations(table).set_index("number")["over epochs"]
    assert over["effective-rank"] == pytest.approx(1) == over["uniformity"] and over["alpha-req"] == pytest.approx(-1)
