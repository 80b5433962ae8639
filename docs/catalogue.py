"""Print the tables of data/README.md, made from the facts that the package has of each named graph."""

from typing import Any

from workbench.datasets.files import registry


def markdown() -> str:
    """Return the tables of data/README.md, so that page and registry can't drift apart."""
    rows = registry.rows()
    lines = [
        "| name | graph | nodes | edges | features | classes | directed | files below the root |",
        "|---|---|---|---|---|---|---|---|",
    ]
    single = {name: row for name, row in rows.items() if registry.kind_of_row(row) == "nodes"}
    for name, row in single.items():
        figures = (f"{row[key]:,}" if key in row else "" for key in ("nodes", "edges", "features", "classes"))
        cells = [f"`{name}`", row["title"], *figures, "yes" if row["directed"] else "no", _place(row)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Other kinds of data", "", "| name | data | kind | figures | files below the root |"]
    lines += ["|---|---|---|---|---|"]
    for name, row in rows.items():
        if name not in single:
            figures = (f"{row[key]:,} {key.replace('_', ' ')}" for key in registry.FIGURES if key in row)
            cells = [f"`{name}`", row["title"], registry.kind_of_row(row), ", ".join(figures), _place(row)]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Source, citation, licence and use", ""]
    lines += ["| name | source | cite | licence | used by | note |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        used = "; ".join(row["used_by"])
        cells = [f"`{name}`", row["source"], row["citation"], row.get("licence", ""), used, row.get("note", "")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Checksums of the published files (SHA-256)", "", "| file | sha256 |", "|---|---|"]
    for row in rows.values():
        folder = row["npz"].rpartition("/")[0] if "npz" in row else f"{row.get('folder')}/raw"
        lines += [f"| `{folder}/{file}` | `{digest}` |" for file, digest in row.get("sha256", {}).items()]
    return "\n".join(lines) + "\n"


def _place(row: dict[str, Any]) -> str:
    places = [f"`{row['folder']}/{'' if 'reader' in row else 'raw/'}`"] if "folder" in row else []
    places += [f"`{row['npz']}`"] if "npz" in row else []
    return " or ".join(places) or "none needed"


if __name__ == "__main__":
    print(markdown(), end="")
