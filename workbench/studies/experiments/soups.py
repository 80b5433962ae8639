"""Soups: the mean of four adaptations that differ in their rate, against the one that is best on labels held out."""

from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import UNTRAINED, accuracy, adapt, arm, base, plain, table, tried


@EXPERIMENTS.register("soups")
def soups(seed: int) -> dict[str, float]:
    """Return the accuracies of both soups, of their best member by labels held out, and of the mean member."""
    measured = plain(seed)
    for told, start in (("", base()), (UNTRAINED, base(epochs=0))):
        members = tried("full", seed, base=start)
        measured |= arm(f"best member{told}", next(iter(members.values())))
        measured |= table(f"mean of members{told}", {"accuracy": sum(map(accuracy, members.values())) / len(members)})
        named = ",".join(str(run.path) for run in members.values())
        for how in ("uniform", "greedy"):
            soup = adapt("soup", seed, 1e-3, base=start, plan_members=named, plan_how=how)
            measured |= arm(f"{how} soup{told}", soup)
            measured |= table(f"{how} soup{told}", {"members": int(soup.details["used"].sum())})
    return measured
