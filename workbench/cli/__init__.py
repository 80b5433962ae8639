"""The command line: what is said of a wrong word, and the exit code.

Each module of this package is a command that has `add(option)`, which declares its arguments, and `run(args)`, which
returns the exit code, None where all is fine. The first line of its docstring is its help, and `KEPT` says what an
interruption leaves. It takes --json unless its `JSON` is false. Nothing heavy is imported before a command runs.
"""

import argparse
import importlib
import os
import pkgutil
import re
import sys
import warnings
from dataclasses import fields
from typing import NoReturn

import workbench as wb
from workbench import endings
from workbench.cli.output import FINE, INTERRUPTED, USER_MISTAKE
from workbench.errors import Notice, UserError, nearest, unknown
from workbench.text import visible

UNCHANGED = "nothing was changed"


class Parser(argparse.ArgumentParser):
    """A parser that raises its complaint as a UserError."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint, with the command that explains itself."""
        raise UserError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run the command of some words, None for those of the process, and return the exit code.

    It is 0 where all is fine, 1 where a notebook or a training failed, 2 for a mistake of the person, 130 after Ctrl-C,
    143 after SIGTERM, 129 where its terminal went.
    """
    with endings.listening(for_good=argv is None) as asked, warnings.catch_warnings():
        warnings.showwarning = _told
        try:
            code = _run(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
            return endings.code_after(asked, code)
        except KeyboardInterrupt:  # as the last words were written
            return endings.code_after(asked, _interrupted("the command had ended"))
        except BrokenPipeError:  # the reader, e.g. `head`, has what it wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FINE


def parsers() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the whole command line, and that of each command by name."""
    top = Parser(prog="workbench", description="Contrastive learning on graphs, from the shell.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=wb.__version__)
    top.set_defaults(run=lambda _: top.parse_args(["--help"]), kept=UNCHANGED, command=None)
    added = top.add_subparsers(metavar="COMMAND", dest="command", title="commands")
    by_name: dict[str, Parser] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        if hasattr(module, "run"):
            about = (module.__doc__ or "").partition("\n")[0].rstrip(".")
            parser = by_name[name] = added.add_parser(name, help=about, description=f"{about}.", allow_abbrev=False)
            parser.set_defaults(run=module.run, kept=getattr(module, "KEPT", UNCHANGED))
            if getattr(module, "JSON", True):
                parser.add_argument("--json", action="store_true", help="print the result as JSON")
            module.add(parser.add_argument)
    return top, by_name


def _run(argv: list[str]) -> int:
    kept = UNCHANGED
    try:
        args = _parse(argv)
        kept = args.kept
        return args.run(args) or FINE
    except UserError as error:
        print("workbench:", visible(" ".join(str(error).split())), file=sys.stderr)
        if caret := getattr(error, "caret", None):  # a formula shows the place
            print(caret, file=sys.stderr)
        return USER_MISTAKE
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk that is full, a file that may not be read, a name that no file can have
        place = f": {str(error.filename)[:80]!r}" if error.filename else ""
        print("workbench:", visible(f"{error.strerror or error}{place}"), file=sys.stderr)
        return USER_MISTAKE
    except KeyboardInterrupt:
        return _interrupted(kept)
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except Exception:
        if not endings.asked:
            raise
        return _interrupted(kept)  # which a library has made something else of


def _interrupted(kept: str) -> int:
    print(f"\nworkbench: interrupted; {kept}", file=sys.stderr)
    return INTERRUPTED


def _told(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    """Show a warning: what was written for a person as a sentence, any other with its place."""
    if issubclass(category, Notice) or (category is UserWarning and "workbench" in filename):
        print("workbench:", visible(" ".join(str(message).split())), file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno), end="", file=sys.stderr)


def _parse(argv: list[str]) -> argparse.Namespace:
    top, by_name = parsers()
    word = next((word for word in argv if not word.startswith("-")), None)
    if word is not None and word not in by_name:
        raise unknown("command", word, by_name)
    args, extra = top.parse_known_args(argv)
    if extra:
        parser = by_name[args.command] if args.command else top
        flag = next((word for word in extra if word.startswith("-")), None)
        if flag is None:
            raise UserError(f"{extra[0]!r} is one word too many; see {parser.prog} --help")
        raise _unknown_option(flag.split("=")[0], parser, args)
    return args


def _unknown_option(flag: str, parser: Parser, args: argparse.Namespace) -> UserError:
    options = ["--help", *re.findall(r"--[\w-]+", parser.format_usage())]
    if hasattr(args, "method") and hasattr(args, "settings"):
        # A setting typed as an option: its value has then been taken for the method or the graph.
        chosen = [args.method] if args.method in wb.methods.names() else wb.methods.names()
        settings = {field.name for name in chosen for field in fields(wb.methods.get(name).Config)}
        word = flag.lstrip("-").replace("-", "_")
        guess = nearest(word, [*settings, *(option.lstrip("-") for option in options)])
        if guess in settings:
            given = f"a method's setting is given as -p {guess}=VALUE"
            return UserError(f"unknown option {flag!r} of {parser.prog}; {given}")
    return unknown("option", flag, options, f"of {parser.prog}")
