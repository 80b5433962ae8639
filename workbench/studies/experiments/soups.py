"""Soups: the mean of four adaptations that differ in their rate, against the one that is best on labels held out."""

from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import accuracy, adapt, arm, table, tried


@EXPERIMENTS.register("soups")
def soups(seed: int) -> dict[str, float]:
    """Return the accuracies of both soups, of their best member by labels held out, and of the mean member."""
    members = tried("full", seed)
    measured = arm("best member", next(iter(members.values())))
    measured |= table("mean of members", {"accuracy": sum(map(accuracy, members.values())) / len(members)})
    named = ",".join(str(run.path) for run in members.values())
    for how in ("uniform", "greedy"):
        soup = adapt("soup", seed, 1e-3, plan_members=named, plan_how=how)
        measured |= arm(f"{how} soup", soup) | table(f"{how} soup", {"members": int(soup.details["used"].sum())})
    return measured
