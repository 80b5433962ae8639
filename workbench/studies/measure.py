"""What a study measures of a training, as rows of the long table."""

from collections.abc import Iterable
from typing import Any

import torch
from torch_geometric.data import Data

from workbench.contrast.negatives import selection
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import BASELINES, evaluate, lens, protocols
from workbench.studies.study import Study
from workbench.training.run import Run

LARGE = 10_000  # items from which on `Study.large_splits` counts
LENS = {
    "accuracy": "accuracy",
    "spread over splits": "accuracy_std",
    "low": "low",
    "high": "high",
    "macro F1": "macro_f1",
    "splits": "splits",
    "training seeds": "training_seeds",
    "seconds": "scoring_seconds",
}


def rows(facts: dict[str, Any], study: Study, run: Run, data: Data, asked: int) -> list[dict[str, Any]]:
    """Return what a training came to: its scores where it is complete, whether it is, and what its negatives were.

    Args:
        facts: columns that all rows have: study, condition, kind, data, seed, preset.
        study: how to score. run: the training. data: with the labels. asked: epochs that were asked for.
    """
    costs = {"seconds": run.seconds, "peak_mib": run.peak_mib, "epochs": run.epochs, "device": run.device}
    facts = {**facts, **costs}
    if facts["kind"] != "trained":
        return _scores(run, study, data, facts)
    measured = {"finished": float(run.complete), "asked_epochs": float(asked)}
    if run.complete and run.epochs > 1:
        measured["ms_an_epoch"] = 1000 * float(run.history["seconds"].diff().median())
    if run.complete and run.contrast is not None and len(run.projections):
        measured["negatives"] = _listed(run)
    scored: list[dict[str, Any]] = []
    if run.complete and study.snapshots:
        for epoch, embeddings in run.snapshots.items():
            seconds = float(run.history["seconds"].loc[epoch]) if epoch else 0.0
            scored += _scores(embeddings.float(), study, data, {**facts, "epochs": epoch, "seconds": seconds})
    elif run.complete and not study.lens:
        scored = _scores(run, study, data, facts)
    return [*scored, *({**facts, "metric": name, "value": value} for name, value in measured.items())]


def baseline(facts: dict[str, Any], study: Study, data: Data) -> list[dict[str, Any]]:
    """Return the scores of what needs no training; arguments as for `rows`."""
    return _scores(BASELINES.get(facts["condition"]).embed(data), study, data, facts)


def through_lens(study: Study, runs: Iterable[Run], data: Data, condition: str) -> list[dict[str, Any]]:
    """Return the scores of runs that differ in the seed, taken together, by every protocol: rows without a seed."""
    scores = lens([*runs], data, list(study.protocols) or None, splits=study.splits, progress=False)
    numbers = scores.rename(columns=LENS).melt(["protocol", "normalised"], list(LENS.values()), "metric")
    facts = {"study": study.name, "condition": condition, "kind": "trained", "data": str(data.name)}
    return [{**facts, **row} for row in numbers.astype({"value": float}).to_dict("records")]


def check_negatives(config: Any, data: Data) -> None:
    """Choose negatives for one anchor as configured, so that what doesn't fit the data is refused at once."""
    sampler = getattr(config, "negatives", None)
    if sampler is not None and sampler.name != "all":
        context, k = selection.context_of(data, anchors=0), int(getattr(config, config.count))
        if k >= context.size:
            raise UserError(
                f"k={k} negatives were asked for; a graph of {context.size} nodes gives 1 to {context.size - 1}"
            )
        selection.choose(context, sampler.name, k, **dict(sampler.options))


def _scores(scored: Any, study: Study, data: Data, facts: dict[str, Any]) -> list[dict[str, Any]]:
    items = sum(kind_of(data).sizes(data).values())
    splits = study.large_splits if study.large_splits and items >= LARGE else study.splits
    rows = []
    for protocol in _allowed(study, data):
        solver = study.solver if study.solver in protocols.get(protocol).solvers else None
        scores = evaluate(scored, data, protocol, splits=splits, solver=solver, progress=False)
        metrics = [name for name in scores.measures if name in scores.per_split]
        long = scores.per_split.rename_axis("split").reset_index().melt("split", metrics, "metric")
        rows += [{**facts, "protocol": protocol, **row} for row in long.to_dict("records")]
    return rows


def _allowed(study: Study, data: Any) -> list[str]:
    """Return the protocols of a study that data allow; raise the first one's error where they allow none.

    Where none is for data of this kind, it is the kind's own.
    """
    if not study.protocols:
        return []
    kind = kind_of(data)
    of_kind = [name for name in study.protocols if kind.name in protocols.get(name).kinds] or [kind.protocol]
    refusals = {name: protocols.get(name).refusal(data) for name in of_kind}
    allowed = [name for name, refusal in refusals.items() if refusal is None]
    if not allowed:
        raise next(refusal for refusal in refusals.values() if refusal)
    return allowed


def _listed(run: Run) -> float:
    """Return how many nodes an anchor lists as negatives, on average."""
    assert run.contrast is not None
    listed, anchors = run.contrast.candidates, len(run.projections[0])
    if listed is None or listed.dim() == 1:
        return float(anchors - 1 if listed is None else len(listed))
    return float((listed != torch.arange(anchors)[:, None]).sum() / anchors)
