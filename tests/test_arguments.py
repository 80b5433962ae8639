"""Whatever stands where an argument belongs, a public function gives a result or one sentence, never an inner error."""

import inspect

import numpy as np
import pytest
import torch

import workbench as wb
from workbench import plots, rules, widgets
from workbench.errors import UserError

WRONG = (None, "nonsense", 3, 2.5, [], {}, [1, 2], {"a": 1}, np.zeros((2, 2, 2)), torch.zeros(3), object())
MODULES = {
    "wb": wb,
    "plots": plots,
    "rules": rules,
    "widgets": widgets,
    "studies": wb.studies,
    "evaluation": wb.evaluation,
}
# They run whole trainings, draw for seconds each time, or take any object by design.
LEFT_OUT = {"run", "save", "leaderboard", "claim"}
FUNCTIONS = [
    pytest.param(getattr(module, name), id=f"{where}.{name}")
    for where, module in MODULES.items()
    for name in module.__all__
    if inspect.isfunction(getattr(module, name)) and name not in LEFT_OUT
]
FUNCTIONS += [pytest.param(getattr(wb.runs, name), id=f"runs.{name}") for name in ("save", "load", "find", "table")]
READING = ("find", "parameters", "execute", "read")
FUNCTIONS += [pytest.param(getattr(wb.notebooks, name), id=f"notebooks.{name}") for name in READING]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_type_is_told_or_makes_sense(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    needed = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    first = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind != parameter.VAR_POSITIONAL
    ][:1]
    for wrong in WRONG:
        try:  # one that needs nothing is given the first that it takes, and only what is wrong beyond doubt
            if needed or wrong is not None:
                function(**dict.fromkeys(needed or first, wrong))
        except UserError as error:
            assert len(str(error).splitlines()) <= 3


NODES = 100
SHAPES = {
    "one row more": torch.rand(NODES + 1, 4),
    "one dimension": torch.rand(NODES),
    "three dimensions": torch.rand(NODES, 2, 2),
    "no rows": torch.zeros(0, 4),
    "no columns": torch.zeros(NODES, 0),
    "a scalar": torch.tensor(1.0),
    "NaN": torch.full((NODES, 4), float("nan")),
    "infinite": np.full((NODES, 4), np.inf),
    "complex": torch.ones(NODES, 4) * 1j,
    "texts": np.full((NODES, 4), "a"),
    "ragged": [[1.0], [1.0, 2.0]],
}
TAKING = {
    "evaluate": lambda x, run, graph: wb.evaluate(x, graph, splits=1, progress=False),
    "compare": lambda x, run, graph: wb.compare([run, x], graph, splits=1, baselines=False, progress=False),
    "quality": lambda x, run, graph: wb.quality(x, graph),
    "quality of another": lambda x, run, graph: wb.quality(run, graph, x),
    "neighbours": lambda x, run, graph: wb.neighbours(x, 1, graph=graph),
    "agreement": lambda x, run, graph: wb.evaluation.agreement(run, x, graph),
    "clustering": lambda x, run, graph: wb.evaluation.clustering(x, graph, repeats=1),
    "lens": lambda x, run, graph: wb.evaluation.lens(x, graph, splits=1, progress=False),
    "neighbours of labels": lambda x, run, graph: wb.evaluation.neighbours(x, graph),
    "validation": lambda x, run, graph: wb.evaluation.validation(x, graph, splits=1),
    "audit": lambda x, run, graph: wb.audit(wb.negatives.select("uniform", graph, k=3), graph, x),
    "select": lambda x, run, graph: wb.negatives.select("hardest", graph, embedding=x),
    "map": lambda x, run, graph: plots.embedding_map(x, graph=graph, method="pca"),
    "colour": lambda x, run, graph: plots.embedding_map(run, x, graph, "pca"),
    "stars": lambda x, run, graph: plots.stars(x, graph),
    "losses": lambda x, run, graph: plots.loss_curves(x),
    "comparison": lambda x, run, graph: widgets.comparison(run, x, graph, method="pca"),
    "explorer": lambda x, run, graph: widgets.embedding_explorer(x, graph, method="pca"),
    "microscope": lambda x, run, graph: widgets.microscope(graph, embedding=x),
    "rules": lambda x, run, graph: widgets.rule_explorer(graph, embedding=x),
    "moved": lambda x, run, graph: rules.evaluate("degree(v) > 3", graph, moved=x),
    "dark": lambda x, run, graph: plots.dark(x),
    "save": lambda x, run, graph: plots.save(x, "x.png"),
}
RIGHT = {("colour", "one dimension"), ("losses", "a run of another graph")}  # what makes sense


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    store = tmp_path_factory.mktemp("runs")
    given = [wb.load_graph("planted:100"), wb.load_graph("karate")]
    runs = [wb.fit("grace", one, "small", epochs=1, progress=False, store=store) for one in given]
    return given[0], *runs


@pytest.mark.parametrize("taking", TAKING)
def test_an_embedding_that_is_none_of_the_graph_is_told(taking, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graph, run, foreign = trained
    for called, x in {**SHAPES, "a run of another graph": foreign}.items():
        try:
            TAKING[taking](x, run, graph)
        except UserError as error:
            assert "\n" not in str(error), called
        else:
            assert (taking, called) in RIGHT, f"{called} was taken for an embedding"
