"""What the commands share: how they read settings and print results, and their exit codes."""

import json
import math
import os
import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError, nearest, unknown
from workbench.text import cells, visible

if TYPE_CHECKING:
    import pandas as pd

    import workbench as wb

FINE, FAILED, USER_MISTAKE, INTERRUPTED = 0, 1, 2, 130
Option = Callable[..., object]  # `add_argument` of a command's parser
Action = Callable[[Namespace], int | None]


READING = ("features", "labels", "weights", "directed", "source", "target", "header", "separator", "comment")


def add_reading(option: Option) -> None:
    """Declare how a person's own graph is to be read, see `load_graph`; `load` does it."""
    option(
        "--features",
        metavar="WHAT",
        help="your own graph: a table of nodes, FILE:COLUMN,... of one, columns of the graph's own, degree, core, ...",
    )
    option("--labels", metavar="WHAT", help="your own graph: a column, a table, or one of its columns, FILE:COLUMN")
    option("--weights", metavar="COLUMN", help="your own graph: what holds the weights of edges, or none")
    option("--directed", action="store_true", default=None, help="your own graph: edges keep their direction")
    option("--source", metavar="COLUMN", help="an edge list: where edges begin")
    option("--target", metavar="COLUMN", help="an edge list: where they end")
    option("--header", choices=("yes", "no"), help="an edge list: whether its first line names the columns")
    option("--separator", metavar="SIGN", help="an edge list: comma, semicolon, tab, bar, space or another sign")
    option("--comment", metavar="SIGN", help="an edge list: what a line of comment begins with")


def load(args: Namespace, graph: str) -> Any:
    """Load the data of a name or a file, read as a command's options say."""
    import workbench as wb

    weight = False if args.weights == "none" else args.weights
    options = {"source": args.source, "target": args.target, "separator": args.separator, "comment": args.comment}
    options |= {"header": None if args.header is None else args.header == "yes", "directed": args.directed}
    return wb.load_graph(
        graph, features=_beside(args, "features"), labels=_beside(args, "labels"), weight=weight, **options
    )


def _beside(args: Namespace, name: str) -> Any:
    """Read what --features or --labels takes: a file, words, or a file and columns of it; a path that exists is one."""
    given = getattr(args, name)
    if not given or Path(given).expanduser().exists():
        return given
    files = [given[: colon.start()] for colon in re.finditer(":", given)]
    file = next((file for file in files if Path(file).expanduser().is_file()), None)
    words = [word.strip() for word in (given if file is None else given[len(file) + 1 :]).split(",")]
    if file is not None:
        return file, words
    if lacking := next((file for file in files if re.search(r"\.\w+$", file)), None):
        guess = nearest(lacking, map(str, Path(lacking).expanduser().parent.glob("*.*")))
        raise UserError(f"--{name}: there is no file {lacking!r}" + (f"; did you mean {guess!r}?" if guess else ""))
    return words if len(words) > 1 and name == "features" else given


def read_as(args: Namespace) -> str:
    """Return the options by which a graph was read, as they are typed again."""
    given = {name: getattr(args, name) for name in READING if getattr(args, name) is not None}
    return "".join(f" --{name}" + ("" if value is True else f" {shlex.quote(value)}") for name, value in given.items())


def add_run(option: Option) -> None:
    """Declare the stored run that a command is about."""
    option("run_name", metavar="RUN", help="folder of a run, start of its key, or METHOD/GRAPH for the newest")


def add_graph(option: Option) -> None:
    """Declare where the graph of a stored run is, which `graph_of` loads."""
    option("--graph", metavar="GRAPH", help="where the graph is, if it has no name of its own")
    add_reading(option)


def graph_of(run: "wb.Run", args: Namespace) -> Any:
    """Return the data that a run was trained on, under another name or from a file where one is given."""
    import workbench as wb

    graph, hint = None, "--graph names the graph that the run was trained on"
    try:
        graph = load(args, args.graph or run.graph)
        wb.evaluation.check_same(run, graph)
    except UserError as error:
        if args.graph and (graph is None or args.graph in wb.graphs.names()):
            raise
        hint = "--features, --labels and the like are given as to fit" if args.graph else hint
        raise UserError(f"{error} ({hint})") from None
    return graph


def add_settings(option: Option, about: str) -> None:
    """Declare -p KEY=VALUE, which `settings_of` reads."""
    option("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help=about)


def code_of(outcomes: Iterable["wb.studies.worker.Outcome"]) -> int:
    """Return the exit code: fine where no training failed or was cut short."""
    return FINE if all(outcome.state in ("stored", "trained") for outcome in outcomes) else FAILED


def act(
    args: Namespace, actions: Mapping[str, tuple[Action, str]], runs: Callable[[], str] | None = None
) -> int | None:
    """Do what the first word of a command says.

    Args:
        args: with "command", "action" and the other "words".
        actions: by name what does it, and the words that it takes, e.g. "RULE [GRAPH ...]".
        runs: returns what there is to run, said to who names nothing.
    """
    if args.action not in actions:
        raise unknown("action", args.action, actions, f"of workbench {args.command}")
    do, takes = actions[args.action]
    words, needed = re.findall(r"[A-Z]+", takes), re.findall(r"[A-Z]+", takes.partition("[")[0])
    if len(args.words) < len(needed) or (len(args.words) > len(words) and "..." not in takes):
        wanted = f"workbench {args.command} {args.action} takes {takes or 'nothing more'}"
        number = f"{len(args.words)} word{' was' if len(args.words) == 1 else 's were'} given"
        hint = runs() if args.action == "run" and runs else f"see workbench {args.command} --help"
        raise UserError(f"{wanted}, and {number}; {hint}")
    return do(args)


def settings_of(pairs: Iterable[str], own: Iterable[str] = ()) -> dict[str, Any]:
    """Read key=value words; `own` are names that are given in another way."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (equals and key.replace(".", "_").isidentifier()):
            raise UserError(f"-p {pair!r} is not of the form key=value")
        if key in settings:
            raise UserError(f"-p {key}=... is given twice")
        if key in own:
            raise UserError(f"{key!r} is not given by -p; the command's --help shows how")
        settings[key] = parse_value(text)
    return settings


def check_out(file: str | Path | None) -> None:
    """Refuse a file that can't be written before anything is computed for it."""
    if file and not Path(file).resolve().parent.is_dir():
        raise UserError(f"--out {str(file)!r} lies in a folder that does not exist")
    if file and Path(file).is_dir():
        raise UserError(f"--out {str(file)!r} is a folder; name a file in it")


def write_table(table: "pd.DataFrame", file: str | Path) -> None:
    """Write a table as CSV, whole or not at all."""
    from workbench import atomic

    with atomic.whole(Path(file)) as draft:
        cells(table).to_csv(draft, index=False, float_format="%.6g")


def parse_value(text: str) -> Any:
    """Read a value: as JSON has it (50, 0.4, 1e-3, [1, 2], "50"), true, false and none in any spelling, else a word."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.strip().casefold() in words:
        return words[text.strip().casefold()]
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


def plain(value: Any) -> Any:
    """Turn a result into what JSON holds; a number that is not finite becomes null, a table its rows."""
    if hasattr(value, "notna") and hasattr(value, "columns"):
        value = _records(value)
    if hasattr(value, "tolist"):  # numpy and torch
        value = value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return list(map(plain, value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def keep_places() -> None:
    """Let kernels, which start in the folder of their notebook, have runs and data where the other commands do."""
    for name, place in (("WORKBENCH_RUNS", "runs"), ("WORKBENCH_DATA", "data")):
        os.environ.setdefault(name, str(Path.cwd() / place))


def print_json(value: Any) -> None:
    """Print a result as JSON."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def show(args: Namespace, result: Any, text: object) -> None:
    """Print a result as JSON where that is asked for, else as text."""
    print_json(result) if args.json else say(text)


def say(text: object) -> None:
    """Print a text, in which what people called things does nothing to the terminal."""
    print(visible(text, "\n"))


def show_table(table: "pd.DataFrame | list[dict[str, Any]]", as_json: bool = False) -> None:
    """Print a table in columns, or as JSON: a list of rows."""
    rows: list[dict[Any, Any]] = table if isinstance(table, list) else _records(table)
    if as_json:
        print_json(rows)
        return
    lines = [list(map(visible, rows[0] if rows else ["nothing"])), *(list(map(_word, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def show_facts(facts: Mapping[str, Any], as_json: bool = False) -> None:
    """Print named facts a line each, or as JSON."""
    width = max(map(len, facts))
    lines = [f"{visible(name).ljust(width)}  {_word(value)}" for name, value in plain(facts).items()]
    print_json(facts) if as_json else print("\n".join(lines))


def facts_of(run: "wb.Run") -> dict[str, Any]:
    """Return what is printed of a run as JSON."""
    last = run.history.iloc[-1].to_dict() if run.epochs else {}
    facts = {name: getattr(run, name) for name in ("method", "graph", "preset", "seed", "config", "epochs", "seconds")}
    facts |= {"losses": {name: value for name, value in last.items() if name != "seconds"}}
    return facts | {name: getattr(run, name) for name in ("peak_mib", "device", "complete", "path", "supervision")}


def _records(table: "pd.DataFrame") -> list[dict[Any, Any]]:
    """Return the rows of a table; what is missing is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _word(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return visible("; ".join(map(str, value)) if isinstance(value, list) else str(value))
