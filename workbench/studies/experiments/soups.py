"""Soups: the mean of four adaptations that differ in their rate or layers, against the best on labels held out."""

from collections.abc import Sequence

from workbench.adaptation.partial import ranked, turned
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import (
    UNTRAINED,
    accuracy,
    adapt,
    arm,
    base,
    in_order,
    plain,
    rate,
    table,
    tried,
)
from workbench.training.run import Run

K = 2  # layers of each kind


@EXPERIMENTS.register("soups")
def soups(seed: int) -> dict[str, float]:
    """Return of members that differ in rate, from both encoders, and in layers, the accuracies and of their soups."""
    measured, own = plain(seed), rate("partial", plan_layers="feed-forward")
    members = {
        told: [*tried("full", seed, base=of).values()] for told, of in (("", base()), (UNTRAINED, base(epochs=0)))
    }
    ends = (ranked(turned(members[""][0]), end, K) for end in ("top", "bottom"))
    parts = [adapt("partial", seed, own, holdout=True, plan_layers=of) for of in ("feed-forward", "attention", *ends)]
    for told, of in (members | {", layers differ": in_order(parts)}).items():
        measured |= _soups(seed, of, told)
    return measured


def _soups(seed: int, members: Sequence[Run], told: str) -> dict[str, float]:
    """Return accuracies of members, the best on labels held out first, and of their soups; `told` ends each name."""
    measured = arm(f"best member{told}", members[0])
    measured |= table(f"mean of members{told}", {"accuracy": sum(map(accuracy, members)) / len(members)})
    named = ",".join(str(run.path) for run in members)
    for how in ("uniform", "greedy"):
        soup = adapt("soup", seed, 1e-3, base="", plan_members=named, plan_how=how)
        measured |= arm(f"{how} soup{told}", soup)
        measured |= table(f"{how} soup{told}", {"members": int(soup.details["used"].sum())})
    return measured
