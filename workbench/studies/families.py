"""Families of conditions: what a study's file says in a few options is spelt out here, condition by condition."""

import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from workbench.contrast.negatives import registry
from workbench.errors import UserError
from workbench.methods.presets import count_of
from workbench.studies import published

ALL, SHARED, EACH = "all", "uniform", "uniform-each"  # all negatives, and random ones: one list for all, one for each
RELEASED = "released"


def negatives(usual: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return a contrastive method with negatives of several samplers, numbers and objectives.

    Each condition is held against all negatives with the same objective and against random ones of the same number,
    shared or for each anchor as its own are; hop-near against hop-far and e2neg against random-centres as well, and
    each objective against InfoNCE. `options`: samplers (all and both random ones are added), ks, objectives.
    """
    samplers, ks, objectives = (options[name] for name in ("samplers", "ks", "objectives"))
    for name in ("samplers", "ks", "objectives"):
        if isinstance(options[name], str | int) or len(set(options[name])) != len(options[name]):
            raise UserError(f"{name} are a list without repeats, not {options[name]!r}")
    chosen = [SHARED, EACH, *(name for name in samplers if name not in (SHARED, EACH, ALL))]
    conditions, comparisons, count = [], [], count_of(usual["method"])
    for objective, (sampler, k) in product(objectives, [(ALL, math.nan), *product(chosen, ks)]):
        name, number = negatives_name(sampler, k, objective), {} if sampler == ALL else {count: k}
        conditions.append({"name": name, "overrides": {"negatives": sampler, "objective": objective, **number}})
        random = SHARED if sampler == EACH or sampler in registry.SHARED else EACH
        rivals = {ALL: [], SHARED: [ALL]}.get(sampler, [ALL, random])
        rivals += {"hop-near": ["hop-far"], "e2neg": ["random-centres"]}.get(sampler, [])
        comparisons += [(name, negatives_name(rival, k, objective)) for rival in rivals]
        if objective != objectives[0]:
            comparisons.append((name, negatives_name(sampler, k, objectives[0])))
    return {"conditions": conditions, "comparisons": comparisons, "ks": [*ks]}


def negatives_name(sampler: str, k: float, objective: str = "infonce") -> str:
    """Name a sampler with a number of negatives, e.g. "hop-far, k=64", and the objective unless it is InfoNCE."""
    number = "" if sampler == ALL else f", k={k}"
    return f"{sampler}{number}" + ("" if objective == "infonce" else f", {objective}")


def chosen_negatives(condition: Any) -> tuple[str, float, str]:
    """Return a condition's sampler, number of negatives (nan for all) and objective."""
    overrides = dict(condition.overrides)
    k = overrides.get(count_of(condition.method), math.nan)
    sampler = str(overrides.get("negatives", ALL))
    return sampler, math.nan if sampler == ALL else k, str(overrides.get("objective", "infonce"))


def switches(usual: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return a method as released and with each of its switches between paper and release set, one at a time."""
    method = usual["method"]
    known = {switch_name(method, name): values for name, values in published.switches(method).items()}
    released = switch_name(method, RELEASED)
    return {
        "conditions": [{"name": released}, *({"name": name, "overrides": values} for name, values in known.items())],
        "comparisons": [*((name, released) for name in known), (released, f"untrained {method}")],
    }


def switch_name(method: str, switch: str) -> str:
    """Name the condition of a switch, e.g. "e2neg: random centres"."""
    return f"{method}: {switch}"


def trainings(usual: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what published numbers take: one condition per method, on the graphs of its claims, and their protocols.

    `options`: claims, ids of published numbers or of planned trainings; empty for every planned training.
    """
    planned = published.trainings() if not options["claims"] else list(map(published.trainable, options["claims"]))
    graphs: dict[str, set[str]] = {}
    for training in planned:
        graphs.setdefault(training.method, set()).add(training.graph)
    conditions = [{"name": method, "method": method, "data": sorted(data)} for method, data in graphs.items()]
    scored = [claim.protocol for claim in planned if isinstance(claim, published.Cell) and claim.protocol]
    return {"conditions": conditions, "comparisons": [], "protocols": scored}


def filled(claims: Iterable[Mapping[str, Any]], ks: Iterable[int]) -> list[dict[str, Any]]:
    """Return claims with their pairs of conditions; "{k}" in the names stands for each number of negatives."""
    spelt = []
    for claim in map(dict, claims):
        if "pairs" not in claim:
            ends = claim.pop("first"), claim.pop("second")
            claim["pairs"] = [*dict.fromkeys(tuple(end.format(k=k) for end in ends) for k in ks or [0])]
        spelt.append(claim)
    return spelt


FAMILIES = {"negatives": negatives, "switches": switches, "trainings": trainings}
