"""MCL: whom its later stages compare, whom they skip, and that one cluster is the first stage again."""

import pytest
import torch
from torch.nn.functional import normalize

from workbench.datasets.arrays import Rows
from workbench.errors import UserError
from workbench.methods.arrays.mcl import MCL, MCLConfig
from workbench.methods.arrays.simclr import SimCLR, SimCLRConfig
from workbench.randomness import Randomness

SMALL = {"channels": 2, "dim": 4, "projection": 4, "epochs": 6}


def groups() -> Rows:
    """Return 50 vectors in two far groups of 30 and 20, three of the latter a group of their own."""
    x = torch.rand(50, 6, generator=torch.Generator().manual_seed(0))
    x[30:], x[47:] = -x[30:] - 2, torch.tensor([5.0, -5, 5, -5, 5, -5])
    return Rows(x=x)


def model(**settings: object) -> MCL:
    torch.manual_seed(0)
    return MCL(MCLConfig(**{**SMALL, "batch_size": 8, **settings}), groups(), Randomness(0))  # type: ignore[arg-type]


def test_later_batches_are_of_one_cluster_and_smaller_clusters_are_skipped_and_counted() -> None:
    mcl = model(stages=3, centres=3)
    optimiser = mcl.optimiser()
    for epoch in range(6):
        mcl.before_epoch(epoch, optimiser)
        assert mcl.stage == epoch // 2
        if mcl.stage:
            sizes, seen = mcl.cluster.bincount(), torch.zeros(50, dtype=torch.long)
            for batch in mcl.batches():
                assert len(batch.n_id) >= 8 and len(mcl.cluster[batch.n_id].unique()) == 1
                contrast = mcl.step(batch).kept["contrast"]
                assert contrast.candidates is None  # all others of the batch, and no one else
                seen[batch.n_id] += 1
            assert torch.equal(seen == 0, sizes[mcl.cluster] < 8) and int(seen.max()) == 1
            assert torch.equal(mcl.details()["skipped"], seen == 0)
        if epoch == 2:
            first = mcl.cluster.clone()
    assert len(first.unique()) == 3 and bool(mcl.details()["skipped"].any())
    assert torch.equal(mcl.cluster // 3, first)  # a digit to the base 3 for each earlier stage


def test_one_cluster_is_the_first_stage_again_with_another_start() -> None:
    mcl = model(centres=1, batch_size=0)
    plain = SimCLR(SimCLRConfig(**SMALL, batch_size=0), groups(), Randomness(0))  # type: ignore[arg-type]
    mcl.before_epoch(3, mcl.optimiser())
    assert mcl.stage == 1 and not mcl.details()["skipped"].any()
    plain.encoder.load_state_dict(mcl.encoder.stages[1].state_dict())
    (batch,), wanted = mcl.batches(), plain.step(groups()).total
    assert not torch.equal(mcl.encoder.stages[0].last.weight, mcl.encoder.stages[1].last.weight)  # type: ignore[union-attr]
    # The same rows and the same draws of views, in another order of rows.
    u, v = mcl.step(Rows(x=batch.x[batch.n_id.argsort()])).kept["projections"]
    s = torch.cat([normalize(u), normalize(v)]) @ torch.cat([normalize(u), normalize(v)]).T / 0.2
    losses = s.fill_diagonal_(-1e9).logsumexp(1) - torch.cat([s.diagonal(50), s.diagonal(50)])
    torch.testing.assert_close(wanted, losses.mean())


def test_what_can_not_be_clustered_is_named() -> None:
    with pytest.raises(UserError, match="60 clusters were asked for; 50 rows give 1 to 50"):
        model(centres=60)
    mcl = model(batch_size=40)
    mcl.before_epoch(3, mcl.optimiser())
    with pytest.raises(UserError, match="no cluster of stage 1 has a batch of 40 rows, the largest"):
        list(mcl.batches())
