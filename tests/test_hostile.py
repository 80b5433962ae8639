"""Malformed and extreme input from the shell and from Python: a right result or one sentence, in bounded time.

`make hostile` prints each input with what came of it.
"""

import ast
import contextlib
import io
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch_geometric.data import Data

import workbench as wb
from workbench.cli import main
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.scenarios import noisy
from workbench.errors import UserError

SECONDS, MIB = 60, 600  # more than any row takes on a slow machine
LONG, DEEP = "n" * 5_000, "not " * 3_000 + "degree(v) > 1"
FILES = {
    "edges.csv": "a,b\nb,c\nc,a\n",
    "empty.csv": "",
    "one.csv": "a\nb\n",
    "ragged.csv": "a,b\nb,c,1,2\n",
    "half.csv": "a,b\nc,\n",
    "binary.csv": "\x00\x01\x02",
    "bomb.graphml": '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><graphml>&b;</graphml>',
    "cut.graphml": "<graphml><graph",
    "cut.gml": "graph [ node [ id",
    "list.pt": "not a pickle",
    "g.npz": "not a zip",
    "x.toml": "title = ",
    "study.toml": "title = 3",
}
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("",), ("\x00",), (LONG,), ("--",), ("-p",), ("fit",), ("fit", "grace"), ("--unknown",), ("fit", "--seed"),
    ("fit", LONG, "karate"), ("fit", "grace", LONG), ("fit", "grace", "\x00"), ("fit", "grace", "../.."),
    ("fit", "grace", "../../etc/passwd"), ("fit", "grace", "karate", "-p"), ("fit", "grace", "karate", "-p", ""),
    ("fit", "grace", "karate", "-p", "="), ("fit", "grace", "karate", "-p", "epochs"),
    ("fit", "grace", "karate", "-p", "epochs=-1"), ("fit", "grace", "karate", "-p", "epochs=1e400"),
    ("fit", "grace", "karate", "-p", "epochs=NaN"), ("fit", "grace", "karate", "-p", "dim=0"),
    ("fit", "grace", "karate", "-p", "dim=100000000"), ("fit", "grace", "karate", "-p", "lr=-1"),
    ("fit", "grace", "karate", "-p", "tau=0"), ("fit", "grace", "karate", "-p", "epochs=1", "-p", "epochs=2"),
    ("fit", "grace", "karate", "-p", "__class__=1"), ("fit", "grace", "karate", "-p", f"{LONG}=1"),
    ("fit", "grace", "karate", "-p", "negatives={\"name\":[]}"), ("fit", "grace", "karate", "-p", "negatives=[]"),
    ("fit", "grace", "karate", "--seed", "-1"), ("fit", "grace", "karate", "--seed", "1e9"),
    ("fit", "grace", "karate", "--preset", LONG), ("fit", "grace", "karate", "--preset", "../../x"),
    ("fit", "grace", "karate", "--device", "gpu9"), ("fit", "grace", "karate", "--stop", "luck"),
    ("fit", "grace", "karate", "--protocol", "\x00"), ("fit", "lightgcn", "karate"), ("fit", "infograph", "karate"),
    ("fit", "classifier", "digits-placed:classes=5-12"), ("fit", "grace", "karate:svd=99999"),
    ("fit", "adapt", "digits-placed:classes=5-9", "-p", "plan=lorra"),
    ("fit", "adapt", "digits-placed:classes=5-9", "-p", "plan=lora", "-p", "plan.rank=0"),
    ("fit", "adapt", "digits-placed:classes=5-9", "-p", "base=../.."), ("fit", "adapt", "karate", "-p", "labels=99"),
    ("fit", "grace", "planted:"), ("fit", "grace", "planted:-5"), ("fit", "grace", "planted:0"),
    ("fit", "grace", "planted:1e9"), ("fit", "grace", "planted:99999999999999999999"),
    ("forecast", "grace", "karate", "-p", "k=1e999"), ("forecast", "lightgcn", "karate"),
    ("recommend", LONG, "0"), ("recommend", "", "-1"), ("recommend", "lightgcn/tastes", "1e9"),
    ("evaluate", LONG), ("evaluate", "../../x"), ("evaluate", "grace/\x00"), ("evaluate", ""),
    ("encode", "grace/karate", "karate", "--out", "/nowhere/x.csv"), ("export", "nothing", "--out", "x"),
    ("select", "uniform", "karate", "--k", "0"), ("select", "uniform", "karate", "--k", "-3"),
    ("select", "uniform", "karate", "--k", "99999999999"), ("select", "uniform", "karate", "--anchor", "34"),
    ("select", "uniform", "karate", "--anchor", "-1"), ("select", LONG, "karate"),
    ("select", "uniform", "karate", "--rows", "0"), ("select", "hop-far", "karate", "-p", "hops=-1"),
    ("rules", "eval", "(", "karate"), ("rules", "eval", DEEP, "karate"), ("rules", "eval", "\x00", "karate"),
    ("rules", "eval", "__import__('os').system('true')", "karate"),
    ("rules", "eval", "forall u: degree(u) > 1", "karate"),
    ("rules", "eval", "(" * 5_000, "karate"), ("rules", "eval", "degree(v) > " + "9" * 5_000, "karate"),
    ("rules", "eval", LONG, "karate"), ("rules", "eval", "ntsc", "karate", "--explain", "99"), ("rules", "nothing"),
    ("study", "run", "../../x"), ("study", "run", LONG), ("study", "run", "x.toml"), ("study", "run", "study.toml"),
    ("study", "run", "quality", "--seeds", "1000000000"), ("sweep", "grace", "--graphs", "karate", "--seeds", "0"),
    ("sweep", "grace", "--graphs", "karate", "--seeds", "9" * 30),
    ("notebooks", "../../x"), ("notebooks", LONG), ("runs", "--root"), ("quality", "nothing"), ("graphs", LONG),
    *(("fit", "grace", name) for name in FILES if not name.startswith("edges") and not name.endswith(".toml")),
)  # fmt: skip
RIGHT: tuple[tuple[str, ...], ...] = (
    ("--version",), ("graphs", "edges.csv"), ("fit", "grace", "edges.csv", "--preset", "small", "-p", "epochs=1"),
    ("fit", "grace", "karate", "--preset", "small", "-p", "epochs=0"), ("select", "uniform", "karate", "--k", "33"),
    ("rules", "eval", "degree(v) > 1e15", "karate"), ("forecast", "grace", "edges.csv"), ("runs",),
)  # fmt: skip


def outcome(words: tuple[str, ...]) -> tuple[int | str, str, float, float]:
    """Run a command here: its exit code, or the error that escaped, what it wrote, seconds and peak MiB."""
    out, err, began = io.StringIO(), io.StringIO(), time.perf_counter()
    tracemalloc.start()
    code: int | str
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = main([*words])
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return code, out.getvalue() + err.getvalue(), time.perf_counter() - began, peak


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(words: tuple[str, ...]) -> str:
    return ascii(" ".join(word if len(word) < 60 else f"{word[:20]}...{len(word)}" for word in words))


@pytest.mark.parametrize("words", COMMANDS, ids=named)
def test_a_hostile_command_is_refused_in_a_sentence(words: tuple[str, ...], here: Path) -> None:
    code, said, seconds, peak = outcome(words)
    assert code == 2, (code, said[:500])
    assert said.startswith("workbench: ") and "Traceback" not in said and len(said) < 3_000, said[:300]
    assert seconds < SECONDS and peak < MIB
    assert sorted(here.iterdir()) == sorted(here / name for name in FILES), "nothing was written"
    print(f"refused  {named(words)}: {said.strip()[:150]}")


@pytest.mark.parametrize("words", RIGHT, ids=named)
def test_an_extreme_command_that_makes_sense_is_done(words: tuple[str, ...], here: Path) -> None:
    code, said, seconds, peak = outcome(words)
    assert code == 0 and seconds < SECONDS and peak < MIB, (code, said[:500])
    print(f"right    {named(words)}")


RING = torch.stack([torch.arange(9), torch.arange(9).roll(1)])
ODD: dict[str, Any] = {
    "one node": lambda: Data(x=torch.ones(1, 3), edge_index=torch.empty(2, 0, dtype=torch.long)),
    "no edges": lambda: Data(x=torch.rand(9, 3), edge_index=torch.empty(2, 0, dtype=torch.long)),
    "loops only": lambda: Data(x=torch.rand(9, 3), edge_index=torch.arange(9).expand(2, 9).clone()),
    "one edge 500 times": lambda: Data(x=torch.rand(9, 3), edge_index=torch.tensor([[0], [1]]).repeat(1, 500)),
    "zeros": lambda: Data(x=torch.zeros(9, 3), edge_index=RING),
    "constant": lambda: Data(x=torch.full((9, 3), 7.0), edge_index=RING),
    "one column": lambda: Data(x=torch.rand(9, 1), edge_index=RING),
    "tiny numbers": lambda: Data(x=torch.full((9, 3), 1e-40), edge_index=RING),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("method", ["grace", "dgi", "bgrl", "deepwalk", "e2neg", "str-gcl", "scgc"])
def test_an_odd_graph_is_learned_on_or_refused(method: str, case: str) -> None:
    torch.manual_seed(0)
    finite_or_told(method, ODD[case]())


def finite_or_told(method: str, data: Data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run = wb.fit(method, data, "small", epochs=1, progress=False, fresh=True)
        except UserError as error:
            assert str(error) and "\n" not in str(error)
            return
    assert run.embeddings.shape[0] == len(data.x) and run.embeddings.isfinite().all()


NONE = torch.empty(2, 0, dtype=torch.long)
COMPLETE = torch.cat([pairs := torch.combinations(torch.arange(4)).T, pairs.flip(0)], 1)
ODD_GRAPHS: dict[str, Any] = {
    "one node": lambda: Data(x=torch.ones(1, 4), edge_index=NONE),
    "no node": lambda: Data(x=torch.ones(0, 4), edge_index=NONE),
    "in pieces": lambda: Data(x=torch.ones(5, 4), edge_index=torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])),
    "complete": lambda: Data(x=torch.ones(4, 4), edge_index=COMPLETE),
    "loops only": lambda: Data(x=torch.ones(3, 4), edge_index=torch.arange(3).expand(2, 3).clone()),
    "directed": lambda: Data(x=torch.ones(3, 4), edge_index=torch.tensor([[0, 1], [1, 2]])),
    "nan": lambda: Data(x=torch.full((3, 4), torch.nan), edge_index=NONE),
    "other columns": lambda: Data(x=torch.ones(3, 5), edge_index=NONE),
}


@pytest.mark.filterwarnings("ignore:.*the embedding collapsed", "ignore:Unable to accurately infer")
@pytest.mark.parametrize("case", ODD_GRAPHS)
@pytest.mark.parametrize("count", [1, 9])
def test_an_odd_graph_in_a_set_or_a_set_of_them_is_learned_on_or_refused(case: str, count: int) -> None:
    odd = [ODD_GRAPHS[case]() for _ in range(count)]
    for data in ([*wb.load_graph("rings")[:8], *odd], odd):
        for method in ("infograph", "graphcl", "d-sla"):
            try:
                run = wb.fit(method, data, "small", epochs=1, progress=False, fresh=True)
            except UserError as error:
                assert case in ("nan", "other columns") or len(data) == 1 or (case == "no node" and data is odd)
                assert str(error) and "\n" not in str(error)
            else:
                assert len(run.embeddings) == len(data) and run.embeddings.isfinite().all()
                assert run.history.notna().all().all() and case != "nan"
        if case not in ("nan", "other columns"):
            after = noisy(GraphSet(data), 0.3)
            assert [graph.num_nodes for graph in after] == [graph.num_nodes for graph in data]


@st.composite
def graphs(draw: st.DrawFn) -> Data:
    nodes, columns = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    ends = st.integers(0, nodes - 1)
    pairs = draw(st.lists(st.tuples(ends, ends), max_size=30))
    values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e3, 1e3, width=32), st.just(0.0))
    x = draw(st.lists(values, min_size=nodes * columns, max_size=nodes * columns))
    edge_index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T.contiguous()
    return Data(x=torch.tensor(x).reshape(nodes, columns), edge_index=edge_index)


@pytest.mark.parametrize("method", wb.methods.names("nodes"))
def test_any_small_graph_is_learned_on_or_refused(method: str) -> None:
    @settings(max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(graphs())
    def holds(data: Data) -> None:
        finite_or_told(method, data)

    holds()


def star(leaves: int) -> Data:
    """A hub that is joined to all others: its neighbours make leaves² pairs."""
    ends = torch.stack([torch.zeros(leaves, dtype=torch.long), torch.arange(1, leaves + 1)])
    x = torch.rand(leaves + 1, 8, generator=torch.Generator().manual_seed(0))
    return Data(x=x, edge_index=torch.cat([ends, ends.flip(0)], 1), name="star")


class Largest(TorchDispatchMode):
    """Takes note of the largest tensor that is made."""

    entries = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in filter(torch.is_tensor, tree_leaves(made)):
            self.entries = max(self.entries, tensor._nnz() if tensor.layout != torch.strided else tensor.numel())
        return made


@pytest.mark.parametrize("method", ["costa", "e2neg", "homogcl", "mvgrl", "pot", "str-gcl"])
def test_no_method_looks_at_the_pairs_of_a_hubs_neighbours(method: str) -> None:
    with Largest() as largest:
        run = wb.fit(method, star(600), "small", epochs=1, progress=False, store=None, fresh=True)
    assert run.embeddings.isfinite().all()
    assert 8 * 600 < largest.entries < 300_000, "all pairs of nodes go by blocks; all of the hub's would be 360,000"


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
ALLOWED: set[tuple[str, str]] = set()  # files of the package and what each may do all the same


def dangers(source: str) -> list[str]:
    """Return what in a source runs code from elsewhere: unpickling, eval and exec, loaders with their guard off."""
    met = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            met += [name for name in names if name.split(".")[0] in FORBIDDEN]
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            plain = isinstance(node.func, ast.Name)
            met += [called] if called in ("eval", "exec", "compile") and plain else []
            unsafe = {("weights_only", False), ("allow_pickle", True), ("shell", True)}
            for given_ in node.keywords:
                value = getattr(given_.value, "value", None)
                met += [f"{given_.arg}={value}"] if (given_.arg, value) in unsafe else []
            guarded = any(given_.arg == "weights_only" for given_ in node.keywords)
            is_torch = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "torch"
            met += ["torch.load without weights_only"] if called == "load" and is_torch and not guarded else []
    return met


def test_nothing_in_the_package_runs_code_from_a_file() -> None:
    package = Path(wb.__file__).parent
    met = {
        (str(file.relative_to(package)), danger)
        for file in package.rglob("*.py")
        for danger in dangers(file.read_text(encoding="utf-8"))
    }
    assert met == ALLOWED


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import load", "eval('1')", "np.load(f, allow_pickle=True)", "torch.load(f)",
     "torch.load(f, weights_only=False)", "run(x, shell=True)"],
)  # fmt: skip
def test_the_audit_sees_each_danger(source: str) -> None:
    assert dangers(source) and not dangers("np.load(f, allow_pickle=False)\ntorch.load(f, weights_only=True)")


def formulas(count: int) -> dict[str, int]:
    """Evaluate formulas made of random words, and return how many were answered and how many refused."""
    words = ["degree(v)", "exists u in N(v):", "forall u in N2(v):", "and", "or", "not", "(", ")", ">=", "3", "*",
             "-", "sum u in N(v):", "cos(u, v)", "1e308", "ntsc", "x[0]", ",", "implies", "\"", "\x00",
             "attribute(v, 0)"]  # fmt: skip
    draw, graph, came = np.random.default_rng(0), wb.load_graph("karate"), {"answered": 0, "refused": 0}
    for _ in range(count):
        formula = " ".join(draw.choice(words, draw.integers(1, 12)))
        try:
            assert wb.rules.evaluate(formula, graph).shape == (34,)
            came["answered"] += 1
        except UserError:
            came["refused"] += 1
    return came


def test_formulas_at_random_are_answered_or_refused_in_bounded_time() -> None:
    began, graph = time.perf_counter(), wb.load_graph("karate")
    came = formulas(500)
    assert sum(came.values()) == 500 and min(came.values()) > 0
    for bomb in ("not " * 2_000 + "true", "(" * 2_000 + "1" + ")" * 2_000, " and ".join(["degree(v) > 1"] * 2_000)):
        with contextlib.suppress(UserError):
            wb.rules.evaluate(bomb, graph)
    assert time.perf_counter() - began < 2 * SECONDS


def table() -> int:
    """Print each hostile command with what came of it, and return how many came out wrong."""
    import os
    import tempfile

    refused = right = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_DATA"] = str(Path(os.environ.get("WORKBENCH_DATA", "data")).resolve())
        os.environ["WORKBENCH_RUNS"] = str(Path(folder) / "runs")
        for name, content in FILES.items():
            (Path(folder) / name).write_bytes(content.encode())
        os.chdir(folder)
        for words, wanted in [*((words, 2) for words in COMMANDS), *((words, 0) for words in RIGHT)]:
            code, said, seconds, peak = outcome(words)
            good = code == wanted and "Traceback" not in said and seconds < SECONDS and peak < MIB
            refused, right, wrong = refused + (good and code == 2), right + (good and code == 0), wrong + (not good)
            last = ascii(said.strip().splitlines()[-1][:110]) if said.strip() else ""
            print(
                f"{'ok' if good else 'WRONG':6}{code!s:3.30} {seconds:5.1f} s  {named(words):60.60} {last}", flush=True
            )
    for method in wb.methods.names("nodes"):
        began, largest = time.perf_counter(), Largest()
        with largest:
            run = wb.fit(method, star(2_000), "small", epochs=2, progress=False, store=None, fresh=True)
        good, seconds = (
            bool(run.embeddings.isfinite().all()) and largest.entries < 2_000**2,
            time.perf_counter() - began,
        )
        right, wrong = right + good, wrong + (not good)
        print(
            f"{'ok' if good else 'WRONG':6}    {seconds:5.1f} s  a hub of 2,000, {method}: {largest.entries:,} numbers"
        )
    began = time.perf_counter()
    came = ", ".join(f"{number:,} {what}" for what, number in formulas(5_000).items())
    print(f"5,000 random formulas: {came}, none with a traceback, {time.perf_counter() - began:.1f} s", flush=True)
    print(f"{refused + right + wrong} inputs: {refused} refused, {right} right, {wrong} wrong or with a traceback")
    return wrong


if __name__ == "__main__":
    raise SystemExit(min(table(), 1))
