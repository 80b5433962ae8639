"""Merging by a gate: of two specialists of one base, by classes and by contrast, against a choice and a mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from workbench.adaptation.blocks import entropy
from workbench.adaptation.receipts import receipt
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import (
    NEW,
    OLD,
    PLAIN,
    UNTRAINED,
    accuracy,
    adapt,
    base,
    best,
    data,
    raw,
    table,
)
from workbench.training.run import Run

LABELS = 40  # per class, of each specialist
WHOLE, INVERTED = "digits-placed", f"{NEW},inverted"
GATES: dict[str, dict[str, Any]] = {
    "gate": {},
    "likeliest alone": {"plan_gate": "hard"},
    "random gate": {"plan_gate": "random"},
    "one mean for all": {"plan_share": 1.0},
}
SHARES: dict[str, dict[str, Any]] = {
    f"gate, {share} of the weights one mean": {"plan_share": share} for share in (0.25, 0.5, 0.75)
}
SHARES["gate, 0.5 of the weights one mean, layers at random"] = {"plan_share": 0.5, "plan_order": "random"}
PAIRS = {"0 to 4, 5 to 9": (OLD, NEW), "bright, dark": (NEW, INVERTED)}


@EXPERIMENTS.register("merging")
def merging(seed: int) -> dict[str, float]:
    """Return of both pairs of specialists what each has on its own data, and what each way to merge them has there."""
    late, measured = data(WHOLE).y >= 5, dict[str, float]()
    for pair, sets in PAIRS.items():
        whole = [(of, torch.ones(len(data(of).y), dtype=torch.bool)) for of in sets]
        places = [(WHOLE, ~late), (WHOLE, late)] if OLD in sets else whole  # where the data are found again
        ways = GATES | SHARES if OLD in sets else GATES
        for told, start in (("", base()), (UNTRAINED, base(epochs=0))):
            for name, (plan, settings) in PLAIN.items():
                alone = [best(plan, seed, of, labels=LABELS, base=start, **settings) for of in sets]
                scores = {"first": accuracy(alone[0], sets[0]), "second": accuracy(alone[1], sets[1])}
                size = sum(receipt(run).stored_bytes for run in alone)
                measured |= table(f"{pair}: {name}{told}", scores | {"stored bytes": size})
            measured |= _merged(seed, pair, told, alone, places, ways if not told else {"gate": {}})
        floors = [raw(run, of) for run, of in zip(alone, sets, strict=True)]
        for name in floors[0]:
            measured |= table(f"{pair}: {name}", {"first": floors[0][name], "second": floors[1][name]})
    return measured


def _merged(
    seed: int, pair: str, more: str, members: Sequence[Run], places: Sequence[Any], ways: Mapping[str, Any]
) -> dict[str, float]:
    """Return the accuracies of what two specialists become, on the images that neither has learned.

    Args:
        seed: of gates and orders. pair, more: of their name. members: two specialists.
        places: of each the name of data that have its own among them, and which of these they are.
        ways: to merge, by name.
    """
    fresh = [~member.details["labelled"] for member in members]
    truth = [data(of).y[part][new] for (of, part), new in zip(places, fresh, strict=True)]
    measured = dict[str, float]()
    paths = ",".join(str(member.path) for member in members)
    for gate, settings in ways.items():
        runs = [adapt("merged", seed, 1e-3, of, base="", plan_members=paths, **settings) for of, _ in places]
        told = [run.details["predicted"][part][new] for run, (_, part), new in zip(runs, places, fresh, strict=True)]
        scores = [100 * float((one == y).double().mean()) for one, y in zip(told, truth, strict=True)]
        nats = [entropy(run.details["gate"][part]) for run, (_, part) in zip(runs, places, strict=True)]
        paid = receipt(runs[0])
        rest = {"entropy of the gate": sum(nats) / 2, "stored bytes": paid.stored_bytes, "FLOPs": paid.flops}
        measured |= table(f"{pair}: {gate}{more}", {"first": scores[0], "second": scores[1], **rest})
    return measured
