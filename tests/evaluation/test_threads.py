"""Small products are computed on one thread, whatever the machine has."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits
from torch_geometric.data import Data

from workbench.contrast.negatives.samplers import clustered
from workbench.evaluation import logistic, probes
from workbench.evaluation.splits import Split
from workbench.randomness import Randomness
from workbench.rules import published


def blas() -> int:
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect with how many threads each solver is called."""
    counts = list[int]()

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            counts.append(blas())
            return call(*arguments, **more)

        return counted

    for module, name in ((logistic, "path"), (clustered, "eigsh"), (clustered, "_iterated"), (published, "eigsh")):
        monkeypatch.setattr(module, name, counting(getattr(module, name)))
    return counts


def test_solvers_run_on_one_thread_and_leave_the_others_as_they_were(
    seen: list[int], labelled: Data, monkeypatch
) -> None:
    nodes = np.arange(100)
    split = Split(nodes[:60], None, nodes[60:])
    with threadpool_limits(2, user_api="blas"):
        if blas() < 2:
            pytest.fail("this machine's BLAS takes one thread only, so that nothing is tested here")
        probes.fast(labelled.x.double().numpy(), labelled.y.numpy(), split, 2, [1.0])
        clustered.spectral_clusters(labelled, 3, "largest", Randomness(0))
        monkeypatch.setattr(clustered, "EXACT_BELOW", 50)
        clustered.spectral_clusters(labelled, 3, "smallest", Randomness(0))
        published.principal_components(labelled, 2)
        assert blas() == 2
    assert seen == [1, 1, 1, 1]
