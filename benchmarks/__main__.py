"""Run benchmarks, keep their figures, write the page of them: python -m benchmarks [--check] [NAME ...].

Figures go to docs/results/performance.json and docs/performance.md. `--check` keeps nothing: it runs what has a stored
ratio and fails where one is lost.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, machine
from workbench.errors import unknown

DOCS = Path(__file__).parents[1] / "docs"
STORED, PAGE = DOCS / "results" / "performance.json", DOCS / "performance.md"
LOST = 0.7  # a ratio below this share of the stored one is more than a busy machine
TIMES = ("before_seconds", "after_seconds", "ratio", "floor_seconds", "must", "met")
PICTURES = {
    "million": "![An epoch against the number of nodes](pictures/nodes.png)",
    "memory-budget": "![Time against the memory that tiles may keep](pictures/budget.png)",
}
HEAD = """# What the computations cost

Written by `make bench` from [results/performance.json](results/performance.json). *Before* is the plain computation, or
what the package did once, restated in `benchmarks/`; *after* is what it does. Both ran in turn in one process, and the
least time of each counts. The *floor* is what the multiplications, or the bytes that must be moved, take at the rates
that were measured on the same machine. `make bench-check` runs what has a ratio again and fails where one fell below
70 % of the stored one.
"""


def measured(names: list[str]) -> dict[str, Any]:
    """Run benchmarks and return their rows, and the machine's rates, by name."""
    results = {}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = {
            "what": str(BENCHMARKS.get(name).__doc__),
            "machine": machine(),
            "rows": BENCHMARKS.get(name)(),
        }
    return results


def lost(stored: Rows, again: Rows) -> list[str]:
    """Return a sentence on each case whose ratio fell."""
    new = {row["case"]: row for row in again}
    both = ((row["case"], row["ratio"], new.get(row["case"], {}).get("ratio", 0.0)) for row in stored if "ratio" in row)
    return [f"{case}: {now:.2f}, stored {was:.2f}" for case, was, now in both if now < LOST * was]


def page(results: dict[str, Any]) -> str:
    """Return the page of stored results."""
    lines = [HEAD]
    for name, of in results.items():
        rates = of["machine"]
        fast, moved = rates["multiplications_a_second"] / 1e9, rates["bytes_a_second"] / 1e9
        threads = f"{rates['threads']} thread{'s' if rates['threads'] > 1 else ''}"
        lines += [f"## {name}", "", " ".join(of["what"].split()), ""]
        lines += [f"Torch {rates['torch']}, {threads}: {fast:.0f} G multiplications and {moved:.0f} GB a second.", ""]
        lines += ["| case | before | after | ratio | floor | must become | beside |", "|---|---|---|---|---|---|---|"]
        for row in of["rows"]:
            beside = ", ".join(f"{_words(key)} {_figure(value)}" for key, value in row.items() if key not in _KNOWN)
            met = {True: " ✓", False: " ✗", None: ""}[row.get("met")]
            times = [_seconds(row.get(key)) for key in ("before_seconds", "after_seconds")]
            ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
            cells = [row["case"], *times, ratio, _seconds(row.get("floor_seconds")), row.get("must", "") + met, beside]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", PICTURES[name], ""] if name in PICTURES else [""]
    return "\n".join(lines)


_KNOWN = {"case", "share_of_floor", *TIMES}


def _words(key: str) -> str:
    return key.replace("_mib", "_MiB").replace("_", " ")


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def main(words: list[str] | None = None) -> None:
    """Run what the words say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS.names()))
    parser.add_argument("--check", action="store_true", help="compare ratios with the stored ones, keep nothing")
    args = parser.parse_args(words)
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    for name in args.names:
        if name not in (known := list(stored) if args.check else BENCHMARKS.names()):
            parser.error(str(unknown("stored benchmark" if args.check else "benchmark", name, known)))
    with_ratio = [name for name, of in stored.items() if any("ratio" in row for row in of["rows"])]
    again = measured(args.names or (with_ratio if args.check else BENCHMARKS.names()))
    if args.check:
        failed = [f"{name}, {fell}" for name, of in again.items() for fell in lost(stored[name]["rows"], of["rows"])]
        if failed:
            sys.exit("\n".join(["slower than the stored ratios:", *failed]))
        return
    stored = dict(sorted((stored | again).items()))
    STORED.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(stored))
    print(page(again).removeprefix(HEAD))


if __name__ == "__main__":
    main()
