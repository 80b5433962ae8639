"""SimCLR: its views against loops, its heads, and that training pays."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

import workbench as wb
from workbench.datasets.arrays import Rows
from workbench.encoders.heads import HEADS
from workbench.errors import UserError
from workbench.methods.arrays.simclr import SimCLR, SimCLRConfig
from workbench.randomness import Randomness
from workbench.views.rows import disturbed, hidden, moved, rescaled


def test_views_move_hide_and_scale_as_they_say() -> None:
    x = torch.arange(1.0, 61.0).reshape(5, 4, 3)
    g = torch.Generator().manual_seed(0)
    seen = moved(x, 2, g)
    g = torch.Generator().manual_seed(0)
    down, across = torch.randint(-2, 3, (2, 5, 1, 1), generator=g).flatten(1).tolist()
    for i in range(5):
        for r in range(4):
            for c in range(3):
                a, b = r + down[i], c + across[i]
                assert seen[i, r, c] == (x[i, a, b] if 0 <= a < 4 and 0 <= b < 3 else 0)
    assert torch.equal(moved(x, 0, g), x) and torch.equal(hidden(x, 0.0, g), x) and torch.equal(rescaled(x, 0.0, g), x)
    many = torch.ones(200, 50)
    assert abs(float(hidden(many, 0.3, g).mean()) - 0.7) < 0.02
    factors = rescaled(many, 0.4, g)
    assert bool((factors == factors[:, :1]).all()) and 0.6 <= float(factors.min()) < float(factors.max()) <= 1.4
    assert abs(float(disturbed(many, 0.5, g).std()) - 0.5) < 0.02


def test_a_fixed_head_weighs_coordinates_and_with_kappa_one_is_none() -> None:
    codes = torch.randn(3, 4)
    torch.testing.assert_close(
        HEADS.get("diagonal")(4, 8, kappa=2.0)(codes), codes * torch.tensor([1, 0.5, 0.25, 0.125])
    )
    assert torch.equal(HEADS.get("diagonal")(4, 8, kappa=1.0)(codes), HEADS.get("none")(4, 8)(codes))
    with pytest.raises(UserError, match="kappa of the head 'diagonal' is 0"):
        HEADS.get("diagonal")(4, 8, kappa=0.0)


def test_the_embedding_is_read_where_it_was_asked(small_data: object, tmp_path: Path) -> None:
    data = small_data("simclr")  # type: ignore[operator]

    def run(**more: object) -> wb.Run:
        return wb.fit("simclr", data, "small", store=tmp_path, progress=False, **more)  # type: ignore[arg-type]

    before, after = run(), run(read="after")
    assert torch.equal(before.weights["encoder.last.weight"], after.weights["encoder.last.weight"])
    assert not torch.equal(before.embeddings, after.embeddings)
    assert torch.equal(run(head="none", read="after").embeddings, run(head="none").embeddings)
    vectors = Rows(x=data.x.flatten(1), y=data.y)
    assert wb.fit("simclr", vectors, "small", store=tmp_path, progress=False).embeddings.shape == (60, 8)
    with pytest.raises(UserError, match="batch_size is 1; it must be 0"):
        run(batch_size=1)


def test_training_beats_the_untrained_encoder_on_what_raw_pixels_do_not_tell(tmp_path: Path) -> None:
    data = wb.load_graph("digits-placed")
    few = Rows(x=data.x[:600], y=data.y[:600], name="digits-placed")
    run = wb.fit("simclr", few, "quick", epochs=12, channels=8, store=tmp_path, progress=False)
    untrained = wb.training.fit.untrained(run, few)
    scores = [wb.evaluate(one, few, splits=3, progress=False).accuracy for one in (run, untrained)]
    assert scores[0] > scores[1] + 10, scores


def test_several_views_are_each_an_anchor_whose_positives_are_the_others() -> None:
    torch.manual_seed(0)
    rows = Rows(x=torch.rand(12, 6, 5))
    config = SimCLRConfig(channels=4, dim=8, projection=8, batch_size=0, views=3, tau=0.5, objective="dcl")
    step = SimCLR(config, rows, Randomness(0)).step(rows)
    u = [normalize(view, dim=1) for view in step.kept["projections"]]
    losses = []
    for a in range(3):
        for i in range(12):
            others = [b for b in range(3) if b != a]
            above = sum((u[a][i] @ u[b][i] / 0.5).exp() for b in others)
            below = sum((u[a][i] @ u[b].T / 0.5).exp().sum() for b in others) - above
            losses.append((below / above).log())
    torch.testing.assert_close(step.total, torch.stack(losses).mean())
    with pytest.raises(UserError, match="views=3 take negatives='all' and positives='self'"):
        SimCLRConfig(views=3, positives="nearest")  # type: ignore[arg-type]
