"""The command line: which words there are, what is said of a wrong one, and the exit code."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import NoReturn

from workbench import __version__
from workbench.cli import commands
from workbench.errors import UserError, nearest, unknown


class Parser(argparse.ArgumentParser):
    """A parser that raises its complaint as a UserError."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint, with the command that explains itself."""
        raise UserError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: words after the program's name; None takes them from the process.

    Returns:
        The exit code: 0 fine, 1 a notebook failed, 2 a mistake of the person, 130 interrupted.
    """
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, e.g. `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = commands.FINE
    return code


def _run(argv: list[str]) -> int:
    kept = "nothing was changed"
    try:
        args = _parse(argv)
        kept = args.kept
        code: int = args.run(args)
        return code
    except UserError as error:
        print("workbench:", " ".join(str(error).split()), file=sys.stderr)
        if caret := getattr(error, "caret", None):  # a formula shows the place
            print(caret, file=sys.stderr)
        return commands.USER_MISTAKE
    except KeyboardInterrupt:
        print(f"\nworkbench: interrupted; {kept}", file=sys.stderr)
        return commands.INTERRUPTED
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)


def _parse(argv: list[str]) -> argparse.Namespace:
    top, parsers = _parsers()
    word = next((word for word in argv if not word.startswith("-")), None)
    if word is not None and word not in parsers:
        raise unknown("command", word, parsers)
    args, extra = top.parse_known_args(argv)
    if extra:
        parser = parsers[args.command] if args.command else top
        flag = next((word for word in extra if word.startswith("-")), None)
        if flag is None:
            raise UserError(f"{extra[0]!r} is one word too many; see {parser.prog} --help")
        raise _unknown_option(flag.split("=")[0], parser, args)
    return args


def _unknown_option(flag: str, parser: Parser, args: argparse.Namespace) -> UserError:
    options = ["--help", *re.findall(r"--[\w-]+", parser.format_usage())]
    if args.command in ("fit", "forecast"):
        from workbench import methods

        # A setting typed as an option: its value has then been taken for the method or the graph.
        chosen = [args.method] if args.method in methods.names() else methods.names()
        settings = {field.name for name in chosen for field in fields(methods.get(name).Config)}
        word = flag.lstrip("-").replace("-", "_")
        guess = nearest(word, [*settings, *(option.lstrip("-") for option in options)])
        if guess in settings:
            return UserError(
                f"unknown option {flag!r} of {parser.prog}; a method's setting is given as -p {guess}=VALUE"
            )
    return unknown("option", flag, options, f"of {parser.prog}")


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    top = Parser(prog="workbench", description="Contrastive learning on graphs, from the shell.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=__version__)
    top.set_defaults(run=lambda _: top.parse_args(["--help"]), kept="nothing was changed", command=None)
    added = top.add_subparsers(metavar="COMMAND", dest="command", title="commands")
    parsers: dict[str, Parser] = {}

    def command(
        run: Callable[[argparse.Namespace], int], kept: str = "nothing was changed", json: bool = True
    ) -> Callable[..., argparse.Action]:
        name, about = run.__name__, (run.__doc__ or "").rstrip(".")
        parser = parsers[name] = added.add_parser(name, help=about, description=f"{about}.", allow_abbrev=False)
        parser.set_defaults(run=run, kept=kept)
        if json:
            parser.add_argument("--json", action="store_true", help="print the result as JSON")
        return parser.add_argument

    add = command(commands.graphs)
    add("graph", nargs="?", metavar="GRAPH", help="a name or a file; without it, list the names")

    add = command(commands.fit, kept="no run was stored")
    add("method", metavar="METHOD")
    add("graph", metavar="GRAPH", help="a name or a file")
    add("--preset", help="released, as-described, quick, or a graph's name (default: the authors' for this graph)")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="a setting, e.g. -p epochs=50")
    add("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    add("--fresh", action="store_true", help="train even where the same run is stored")
    add("--protocol", help="score the run at once")

    add = command(commands.forecast)
    add("method", metavar="METHOD")
    add("graph", metavar="GRAPH", help="a name or a file")
    add("--preset", help="as for fit")
    add("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="a setting, e.g. -p epochs=50")

    add = command(commands.evaluate, kept="the run is stored as before")
    add("run_name", metavar="RUN", help="folder of a run, start of its key, or METHOD/GRAPH for the newest")
    add("--protocol", default="random-10-10-80", help="default: %(default)s")
    add("--splits", type=int, default=10, help="default: %(default)s")
    add("--seed", type=int, default=0, help="of the splits (default: %(default)s)")
    add("--solver", help="liblinear or fast (default: the protocol's own)")
    add("--floors", action="store_true", help="beside raw and propagated attributes and an untrained encoder")
    add("--graph", metavar="GRAPH", help="where the graph is, if it has no name of its own")

    add = command(commands.runs)
    add("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")

    add = command(commands.select)
    add("strategy", metavar="STRATEGY")
    add("graph", metavar="GRAPH", help="a name or a file")
    add("--k", type=int, help="negatives for each anchor (default: 50, or half of a small graph's nodes)")
    add("--seed", type=int, default=0, help="default: %(default)s")
    add("--anchor", type=int, metavar="NODE", help="choose for this anchor only")
    add("--explain", action="store_true", help="say why in a sentence; with --anchor also what each is like")
    add("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="an option of it, e.g. -p hops=4")
    add("--embedding", metavar="RUN", help="take similarities from this run instead of the attributes")
    add("--rows", type=int, default=20, help="negatives to show (default: %(default)s)")

    add = command(commands.budget, kept="the trainings that were finished are stored; the same command goes on")
    add("graphs", nargs="+", metavar="GRAPH", help="names or files")
    add("--strategies", nargs="+", default=["hop-far", "hop-near"], metavar="STRATEGY",
        help="beside all and uniform; 'every' for each there is (default: hop-far hop-near)")  # fmt: skip
    add("--k", nargs="+", type=int, default=[4, 16, 64, 256], metavar="K", help="numbers (default: 4 16 64 256)")
    add("--objectives", nargs="+", default=["infonce"], metavar="OBJECTIVE", help="infonce, dcl, dclw, cacr")
    add("--seeds", type=int, default=5, help="training seeds of each arm (default: %(default)s)")
    add("--method", default="grace", help="default: %(default)s")
    add("--preset", default="quick", help="default: %(default)s")
    add("--protocol", default="random-10-10-80", help="default: %(default)s")
    add("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="a setting of all, -p epochs=50")
    add("--out", metavar="FILE", help="write each training's row as CSV")

    add = command(commands.claims, kept="the trainings that were finished are stored; the same command goes on")
    add(
        "action",
        metavar="ACTION",
        help="list | run CLAIM ... | switches METHOD GRAPH ... | cost GRAPH ... | lens CLAIM ... | report",
    )
    add("words", nargs="*", metavar="WORD", help="a claim is a published number, e.g. str-gcl/cora")
    add("--seeds", type=int, default=3, help="training seeds (default: %(default)s)")
    add("--workers", type=int, help="run: processes (default: one a core)")
    add("--deadline", type=float, metavar="MINUTES", help="run: stop after this time and keep what was trained")
    add("--results", metavar="FOLDER", help="where results are kept (default: docs/results of the project)")

    add = command(commands.sweep, kept="the trainings that were finished are stored; the same command goes on")
    add("methods", nargs="+", metavar="METHOD")
    add("--graphs", nargs="+", required=True, metavar="GRAPH", help="names or files")
    add("--preset", nargs="+", default=["released"], help="one or several (default: released)")
    add("--seeds", type=int, default=3, help="training seeds of each (default: %(default)s)")
    add("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="a setting of all, -p epochs=50")
    add("--workers", type=int, help="processes (default: one a core)")
    add("--on", metavar="ADDRESS", help="of a Dask scheduler, to train on its workers")
    add("--deadline", type=float, metavar="MINUTES", help="stop after this time and keep what was trained")
    add("--out", metavar="FILE", help="write each training's row as CSV")

    add = command(commands.rules)
    add("action", metavar="ACTION", help="list | show RULE | eval RULE GRAPH | placebo GRAPH ...")
    add("words", nargs="*", metavar="WORD", help="a rule is a name or a formula in quotes, a graph a name or a file")
    add("--top", type=int, default=20, metavar="NODES", help="eval: nodes to show, the highest (default: %(default)s)")
    add("--explain", type=int, metavar="NODE", help="eval: the truth tree of this node")
    add("--semantics", default="crisp", help="eval: crisp, product, godel or lukasiewicz (default: %(default)s)")
    add("--steepness", type=float, default=10.0, help="eval: of graded comparisons (default: %(default)s)")
    add(
        "--rule",
        action="append",
        metavar="RULE",
        help="placebo: train on this one; may be repeated (default: released)",
    )
    add("--seeds", type=int, default=5, help="placebo: training seeds of each arm (default: %(default)s)")
    add("--preset", default="quick", help="placebo: of str-gcl (default: %(default)s)")
    add("--out", metavar="FILE", help="placebo: write each run's row as CSV")

    add = command(commands.notebooks, kept="what was executed lies in the output folder")
    add("names", nargs="*", metavar="NOTEBOOK", help="a name or a path (default: all)")
    add("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="a parameter, e.g. -p graph=cora")
    add("--out-dir", default="build/notebooks", metavar="FOLDER", help="default: %(default)s")
    add("--no-html", action="store_true", help="write no pages")
    add("--gallery", metavar="FOLDER", help="write the pages there, with an index that shows a picture of each")
    add("--timeout", type=int, metavar="SECONDS", help="for each cell (default: none)")

    add = command(commands.bench)
    add("name", nargs="?", metavar="NAME", help="without it, list the names")

    add = command(commands.lab, json=False)
    add("notebook", nargs="?", default="00_tour", metavar="NOTEBOOK", help="default: %(default)s")
    add("--port", type=int, help="default: JupyterLab's")
    add("--no-browser", action="store_true", help="print the address instead of opening it")
    return top, parsers
