"""`tune`: search a method's parameters on a graph, by one budget for all methods, and choose on validation parts."""

import json
import math
import re
import textwrap
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from workbench import DISTRIBUTION
from workbench.config import Preset
from workbench.errors import UserError, unknown
from workbench.evaluation.choosing import parts_of, validation
from workbench.evaluation.scores import Measure
from workbench.methods import METHODS, configure, registry
from workbench.methods.presets import changes, file_of
from workbench.training.fit import fit, untrained
from workbench.training.run import Run

FILE = Path(registry.__file__).with_name("search.toml")
START = "quick"  # the preset that trials begin with: what no knob turns stays as it says
SCORED, FAILED = "scored", "failed"


@dataclass(frozen=True)
class Budget:
    """What every search may spend, as `search.toml` says.

    Attributes:
        trials: how many trainings; the first is the preset "quick" as it is. first: of them drawn at random.
        sampler_seed, training_seed: of the draws, and of each training.
        protocol, splits, splits_seed: over whose validation parts accuracy is averaged.
    """

    trials: int
    first: int
    sampler_seed: int
    training_seed: int
    protocol: str
    splits: int
    splits_seed: int

    @property
    def parts(self) -> dict[str, Any]:
        """The validation parts, as arguments of `validation`."""
        return {"protocol": self.protocol, "splits": self.splits, "seed": self.splits_seed}


@dataclass(frozen=True)
class Knob:
    """A parameter that a search turns: among listed values, or from low to high, in steps or on a logarithmic scale."""

    name: str
    among: tuple[Any, ...] = ()
    low: float = math.nan
    high: float = math.nan
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        if bool(self.among) == (self.low < self.high):
            raise UserError(f"knob {self.name!r} is given values by among, or low and a higher high; one of both")

    def turn(self, trial: Any) -> Any:
        """Return the value that a trial of Optuna suggests, numbers to three digits."""
        if self.among:
            return trial.suggest_categorical(self.name, self.among)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return float(f"{trial.suggest_float(self.name, self.low, self.high, log=self.log, step=self.step):.3g}")


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        method, graph: of what. asked: how many trials. budget: what was spent otherwise.
        fixed: settings that all trials share. run: the chosen training.
        trials: one row per trial: method, graph, trial, state ("scored" or "failed"), validation accuracy in percent,
            its std over the parts, seconds of the training, the reason of a failure, and one column per knob, empty in
            the first row, which is "quick" as it is.
        chosen: number of the trial with the highest accuracy, the first of equal ones.
        accuracy, quick, untrained: accuracy on the validation parts in percent of the chosen training, of the preset
            "quick", and of the chosen training's encoder before it.
    """

    method: str
    graph: str
    asked: int
    budget: Budget
    fixed: dict[str, Any]
    run: Run
    trials: pd.DataFrame
    chosen: int
    accuracy: Measure
    quick: Measure
    untrained: Measure

    @property
    def finished(self) -> bool:
        """Whether all trials were made."""
        return len(self.trials) == self.asked

    @property
    def preset(self) -> Preset:
        """What was chosen, as the parameters that differ from the method's defaults."""
        return changes(self.method, "defaults", self.run.config)

    def to_toml(self) -> str:
        """Return the table of the tuned preset, to be pasted into the method's file, below how it was found.

        Where "quick" is the best, or the chosen training no better than its own untrained encoder, there is no table,
        and a comment says so.
        """
        budget, made = self.budget, f"{len(self.trials)} trials"
        if not self.finished:
            made += f" of {self.asked}, unfinished"
        fixed = ", ".join(f"{name}={value}" for name, value in self.fixed.items())
        made += f", {fixed} in all" if fixed else ""
        found = (
            f"A search on {self.graph} ({made}; seed {budget.sampler_seed} of the sampler, {budget.training_seed} of "
            f"the trainings), chosen by accuracy on the validation parts of {budget.protocol}, {budget.splits} splits "
            f"of seed {budget.splits_seed}: {self.accuracy:.1f} %, {START} {self.quick:.1f} %, untrained "
            f"{self.untrained:.1f} %."
        )
        if not self.chosen:
            return _comment(f"{found} No trial was better than {START}.")
        if self.accuracy <= self.untrained:
            return _comment(f"{found} The chosen training is no better than its own untrained encoder.")
        name = self.graph if re.fullmatch(r"[\w-]+", self.graph, re.ASCII) else json.dumps(self.graph)
        lines = [f"{key if key.isidentifier() else json.dumps(key)} = {json.dumps(value)}"
                 for key, value in self.preset.changed.items()]  # fmt: skip
        return "\n".join([_comment(found) + f"[tuned.{name}]", *lines]) + "\n"

    def __str__(self) -> str:
        return self.to_toml()


def budget() -> Budget:
    """Return the budget of every search."""
    return Budget(**_written(FILE)["budget"])


def knobs(method: str) -> list[Knob]:
    """Return what a search turns of a method: the shared knobs that it has, and its own, which replace equal names.

    Raises:
        UserError: no such method, or a knob of its own file that is none of its parameters.
    """
    config, own = METHODS.get(method).Config, file_of(method)
    made = {entry["name"]: _knob(entry, FILE) for entry in _written(FILE)["knob"] if _has(config, entry["name"])}
    for entry in _written(own).get("knob", []) if own.exists() else []:
        if not _has(config, entry["name"]):
            raise unknown("knob", entry["name"], config.types(), f"in {own.name} of method {method!r}")
        made[entry["name"]] = _knob(entry, own)
    return [*made.values()]


def tune(
    method: str,
    data: Any,
    trials: int | None = None,
    *,
    deadline: float | None = None,
    store: str | Path | None = None,
    progress: bool = True,
    **fixed: Any,
) -> Search:
    """Search a method's parameters on a graph, by Optuna's seeded TPE sampler, and choose on validation parts.

    The first trial is the preset "quick"; the others turn the knobs of `knobs`. Each is a stored run, so the same call
    goes on where an earlier one was interrupted, and ends with the same. Training sees no label, and of the labels
    those of test parts are never looked at; since the splits are not those that tables report, a node may be in a
    validation part here and in a test part there.

    Args:
        method: name of the method. data: a graph with labels.
        trials: how many, the first included; None for the budget's, by which methods can be compared.
        deadline: minutes from now after which no trial begins, and the one under way ends after its epoch.
        store: folder of runs. progress: show a bar over the trials.
        **fixed: parameters that no trial turns, e.g. negatives="uniform".

    Raises:
        UserError: a mistake in what was asked, no Optuna, data without labels to choose by, or a deadline before the
            first trial was scored.
    """
    spent = budget()
    trials = spent.trials if trials is None else trials
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise UserError(f"trials is {trials!r}; it must be a whole number, 1 or more", parameter="trials")
    if deadline is not None and not deadline > 0:
        raise UserError(f"deadline is {deadline!r} minutes; it must be above 0", parameter="deadline")
    turned = [knob for knob in knobs(method) if knob.name not in fixed]
    name = str(getattr(data, "name", None) or "graph")
    if METHODS.get(method).supervised(configure(method, START, name, fixed)[1]):
        raise UserError(f"{method!r} so configured learns from labels, those by which a search chooses among them")
    parts_of(data, **spent.parts)
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(seed=spent.sampler_seed, n_startup_trials=spent.first)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    until = math.inf if deadline is None else time.time() + 60 * deadline
    scored, rows = dict[int, tuple[Measure, Run]](), list[dict[str, Any]]()
    for number in tqdm(range(trials), f"{method} on {name}", unit="trial", disable=not progress):
        trial = study.ask() if number else None
        values = {knob.name: knob.turn(trial) for knob in turned} if trial else {}
        row = {"method": method, "graph": name, "trial": number, "state": SCORED}
        try:
            options: dict[str, Any] = {"callback": lambda told: time.time() < until, "store": store, "progress": False}
            if time.time() >= until:
                break
            run = fit(method, data, START, spent.training_seed, **options, **fixed, **values)
            if not run.complete:
                break
            found = validation(run, data, **spent.parts)
            scored[number] = found, run
            row |= {"validation": float(found), "std": found.std, "seconds": run.seconds, "reason": ""}
        except UserError as error:
            if trial is None:
                raise
            row |= {"state": FAILED, "reason": str(error)}
        if trial:
            good = row["state"] == SCORED
            study.tell(trial, row["validation"]) if good else study.tell(trial, state=optuna.trial.TrialState.FAIL)
        rows.append(row | values)
    if not scored:
        raise UserError("the search ended before its first trial was scored; the same call goes on")
    chosen = max(scored, key=lambda number: (float(scored[number][0]), -number))
    accuracy, run = scored[chosen]
    before = validation(untrained(run, data), data, **spent.parts)
    table = pd.DataFrame(rows)
    return Search(method, name, trials, spent, fixed, run, table, chosen, accuracy, scored[0][0], before)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        wanted = f"pip install '{DISTRIBUTION}[tune]' brings it"
        raise UserError(f"a search needs Optuna, which is not installed here; {wanted}") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _written(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _has(config: Any, name: str) -> bool:
    """Return whether a parameter is one of a method's; an option of a part is named with its part."""
    return name.partition(".")[0] in config.types()


def _knob(entry: dict[str, Any], file: Path) -> Knob:
    known = Knob.__dataclass_fields__
    if wrong := next((word for word in entry if word not in known), None):
        raise unknown("word", wrong, known, f"of knob {entry['name']!r} in {file.name}")
    values: dict[str, Any] = {key: tuple(value) if key == "among" else value for key, value in entry.items()}
    return Knob(**values)


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 118))
