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
# They make or open something for good, run whole trainings of what is stored, or take any object by design.
LEFT_OUT = {"dark", "save", "run", "claim", "training_panel", "runs_table", "leaderboard", "first_look", "tune", "load"}
FUNCTIONS = [
    pytest.param(getattr(module, name), id=f"{where}.{name}")
    for where, module in MODULES.items()
    for name in module.__all__
    if inspect.isfunction(getattr(module, name)) and name not in LEFT_OUT
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_type_is_told_or_makes_sense(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    needed = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    for wrong in WRONG[:-1]:
        try:
            function(**dict.fromkeys(needed, wrong))
        except UserError as error:
            assert len(str(error).splitlines()) <= 3
