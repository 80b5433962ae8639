"""Merging by a gate: of two specialists of one base, by classes and by contrast, against a choice and a mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from workbench.adaptation.blocks import entropy
from workbench.adaptation.receipts import receipt
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import NEW, OLD, adapt, best, data, table
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


@EXPERIMENTS.register("merging")
def merging(seed: int) -> dict[str, float]:
    """Return of both pairs of specialists what each has on its own data, and what each way to merge them has there."""
    old, new, other = (best("full", seed, of, labels=LABELS) for of in (OLD, NEW, INVERTED))
    late = data(WHOLE).y >= 5
    classes = [(WHOLE, ~late), (WHOLE, late)]  # where each specialist's data are found again
    contrast = [(of, torch.ones(len(data(of).y), dtype=torch.bool)) for of in (NEW, INVERTED)]
    measured = _merged(seed, "0 to 4, 5 to 9", (old, new), classes, GATES | SHARES)
    return measured | _merged(seed, "bright, dark", (new, other), contrast, GATES)


def _merged(
    seed: int, pair: str, members: Sequence[Run], places: Sequence[Any], ways: Mapping[str, Any]
) -> dict[str, float]:
    """Return the accuracies of members and of what they become, on the images that no member has learned.

    Args:
        seed: of gates and orders. pair: its name. members: two specialists.
        places: of each the name of data that have its own among them, and which of these they are.
        ways: to merge, by name.
    """
    fresh = [~member.details["labelled"] for member in members]
    truth = [data(of).y[part][new] for (of, part), new in zip(places, fresh, strict=True)]
    own = [
        100 * float((member.details["predicted"][new] == data(member.graph).y[new]).double().mean())
        for member, new in zip(members, fresh, strict=True)
    ]
    size = sum(receipt(member).stored_bytes for member in members)
    measured = table(f"{pair}: specialists", {"first": own[0], "second": own[1], "stored bytes": size})
    paths = ",".join(str(member.path) for member in members)
    for gate, settings in ways.items():
        runs = [adapt("merged", seed, 1e-3, of, plan_members=paths, **settings) for of, _ in places]
        told = [run.details["predicted"][part][new] for run, (_, part), new in zip(runs, places, fresh, strict=True)]
        scores = [100 * float((one == y).double().mean()) for one, y in zip(told, truth, strict=True)]
        nats = [entropy(run.details["gate"][part]) for run, (_, part) in zip(runs, places, strict=True)]
        paid = receipt(runs[0])
        more = {"entropy of the gate": sum(nats) / 2, "stored bytes": paid.stored_bytes, "FLOPs": paid.flops}
        measured |= table(f"{pair}: {gate}", {"first": scores[0], "second": scores[1], **more})
    return measured
