"""Members of a soup or a merger: stored adaptations of one base, held by name and by the hash of their weights."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.adaptation.base import PLANS
from workbench.adaptation.members import Member
from workbench.config import options_of
from workbench.datasets import load_graph
from workbench.datasets.kinds import content_hash, kind_of
from workbench.errors import UserError
from workbench.training import bases, stored
from workbench.training import store as runs

Names = Sequence[str] | None


def adopted(config: Any, data: Any, store: str | Path | None) -> tuple[Any, list[Member]]:
    """Return a configuration with the full names of its members and of their base, and the members.

    Args:
        config: of an adaptation. data: to which they are to serve. store: folder of runs.

    Raises:
        UserError: fewer than two members, one that can't be one, or members of different bases.
    """
    plan = config.plan
    if "members" not in options_of(PLANS, plan.name):
        return config, []
    words = [word.strip() for word in str(dict(plan.options).get("members", "")).split(",") if word.strip()]
    if len(words) < 2:
        told = f"plan {plan.name!r} takes two members or more, stored adaptations of one base: plan.members=RUN,RUN"
        raise UserError(told, parameter="plan.members")
    if config.input == "new":
        raise UserError(f"plan {plan.name!r} takes the input layers of its members; input='new' is for others")
    found = [_read(word, store) for word in words]
    (first, name), *others = found
    for run, other in others:
        if run.config.base != first.config.base:
            begun = f"{name} began with {_called(first.config.base)}, {other} with {_called(run.config.base)}"
            raise UserError(f"{begun}; only encoders that began with the same weights can be averaged", kind="base")
    base = bases.again(first.config.base, store)
    if config.base not in ("", base.name) and bases.read(runs.find(config.base, store)).name != base.name:
        told = f"the members began with {_called(base.name)}, not with {_called(config.base)}"
        raise UserError(told, parameter="base")
    members = [_member(run, name, base, data) for run, name in found]
    options = {**dict(plan.options), "members": ",".join(member.name for member in members)}
    plan = dataclasses.replace(plan, options=tuple(sorted(options.items())))
    return dataclasses.replace(config, plan=plan, base=base.name), members


def _called(name: str) -> str:
    return name.partition("@")[0]


def _read(word: str, store: str | Path | None) -> tuple[Any, str]:
    """Return the adaptation that a word names, and its full name."""
    folder, _, digits = word.partition("@")
    path = runs.find(folder, store)
    run: Any = runs.load(path)
    name = f"{path.name}@{stored.read(path)[stored.FILES][bases.WEIGHTS][1][: bases.DIGITS]}"
    if digits and name != word:
        raise UserError(f"the run {folder} has other weights than the member that is asked for, {word}", kind="base")
    if not getattr(run.config, "base", ""):
        told = "an adaptation without a base" if run.method == "adapt" else f"a run of {run.method}"
        raise UserError(
            f"{path.name} is {told}; members are adaptations of a stored base, `workbench fit adapt` with base=RUN",
            parameter="plan.members",
        )
    return run, name


def _member(run: Any, name: str, base: bases.Base, data: Any) -> Member:
    """Return a member of an adaptation to data."""
    state = run.encoder.state_dict()
    shapes, wanted = ({key: tuple(value.shape) for key, value in part.items()} for part in (state, base.weights))
    if shapes != wanted:
        told = "has an input layer or an architecture of its own"
        raise UserError(f"{_called(name)} ({run.config.plan}) {told}; members have the form of their base")
    same = run.graph_hash == content_hash(data)

    def seen() -> Any:
        own = data if same else _again(run, name)
        return kind_of(own).inputs(own)

    weight, bias = run.weights["head.weight"], run.weights["head.bias"]
    classes = torch.arange(len(bias))
    if not same:
        classes = numbered(_again(run, name).get("class_names"), data.get("class_names"), len(bias))
    return Member(name, state, weight, bias, classes, run.details["labelled"] if same else None, seen)


def numbered(theirs: Names, ours: Names, count: int) -> Tensor:
    """Return the number that each class of a member has among ours [count]: by its name, else the same.

    A class that we don't have gets a number behind ours.
    """
    if theirs is None or ours is None:
        return torch.arange(count)
    numbers = {name: number for number, name in enumerate(ours)}
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in theirs[:count]])


def _again(run: Any, name: str) -> Any:
    """Return the data that a member was trained on, by their name."""
    try:
        data = load_graph(run.graph)
    except UserError as error:
        raise UserError(f"{_called(name)} was trained on {run.graph!r}, which can't be loaded again: {error}") from None
    if content_hash(data) != run.graph_hash:
        raise UserError(f"{_called(name)} was trained on other data than {run.graph!r} are now")
    return data
