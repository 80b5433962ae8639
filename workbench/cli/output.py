"""What the commands share: how they read settings and print results, and their exit codes."""

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.training.run import Run

FINE, FAILED, USER_MISTAKE, INTERRUPTED = 0, 1, 2, 130


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare --json, of each command that prints a result."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_settings(parser: argparse.ArgumentParser, about: str) -> None:
    """Declare -p KEY=VALUE, which `settings_of` reads."""
    parser.add_argument("-p", dest="settings", action="append", default=[], metavar="KEY=VALUE", help=about)


def settings_of(pairs: Iterable[str], own: Iterable[str] = ()) -> dict[str, Any]:
    """Read key=value words; `own` are names that are given in another way."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (equals and key.replace(".", "_").isidentifier()):
            raise UserError(f"-p {pair!r} is not of the form key=value")
        if key in found:
            raise UserError(f"-p {key}=... is given twice")
        if key in own:
            raise UserError(f"{key!r} is not given by -p; the command's --help shows how")
        found[key] = parse_value(text)
    return found


def check_out(file: str | None) -> None:
    """Refuse a file that can't be written before anything is computed for it."""
    if file and not Path(file).resolve().parent.is_dir():
        raise UserError(f"--out {file!r} lies in a folder that does not exist")
    if file and Path(file).is_dir():
        raise UserError(f"--out {file!r} is a folder; name a file in it")


def seconds_of(minutes: float | None) -> float | None:
    """Return what --deadline says in seconds, None for no deadline."""
    if minutes is not None and not minutes > 0:
        raise UserError(f"--deadline is {minutes:g} minutes; it must be above 0")
    return None if minutes is None else 60 * minutes


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
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def print_json(value: Any) -> None:
    """Print a result as JSON."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def show_table(table: "pd.DataFrame | list[dict[str, Any]]", as_json: bool) -> None:
    """Print a table in columns, or as JSON: a list of rows."""
    rows: list[dict[Any, Any]] = table if isinstance(table, list) else _records(table)
    if as_json:
        print_json(rows)
        return
    lines = [list(map(str, rows[0] if rows else ["nothing"])), *(list(map(_word, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def show_facts(facts: Mapping[str, Any], as_json: bool) -> None:
    """Print named facts a line each, or as JSON."""
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in plain(facts).items():
        print(f"{name.ljust(width)}  {_word(value)}")


def facts_of(run: "Run") -> dict[str, Any]:
    """Return what is printed of a run as JSON."""
    last = run.history.iloc[-1].to_dict() if run.epochs else {}
    facts = {name: getattr(run, name) for name in ("method", "graph", "preset", "seed", "config", "epochs", "seconds")}
    facts |= {"losses": {name: value for name, value in last.items() if name != "seconds"}}
    return facts | {name: getattr(run, name) for name in ("peak_mib", "device", "complete", "path")}


def _records(table: "pd.DataFrame") -> list[dict[Any, Any]]:
    """Return the rows of a table; what is missing is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _word(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
