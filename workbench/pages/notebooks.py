"""Strict headless execution of notebooks: papermill underneath, nothing misspelt passes, failures leave evidence."""

import ast
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from workbench.arguments import guard
from workbench.atomic import whole
from workbench.errors import UserError, nearest, unknown
from workbench.pages.html import FIGURE, as_page

KERNEL = "python3"
# Figures stay data, from which a page is made; any other form repeats them, some with all of plotly.js.
HEADLESS = {"PLOTLY_RENDERER": "plotly_mimetype", "WORKBENCH_HEADLESS": "1"}
_WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook."""

    notebook: str
    path: Path  # the executed notebook, kept whether it failed or not
    html: Path | None  # its page with figures that show offline; None where it failed or none was asked for
    seconds: float  # wall time of the execution, without the page
    results: str = ""  # what the cells tagged "results" showed, as text
    failed_cell: int | None = None  # which cell stopped it, counted from 1 in the notebook as committed
    error: str | None = None  # one line, the type and the last line of the message

    @property
    def ok(self) -> bool:
        """Whether every cell ran."""
        return self.error is None

    @property
    def failure(self) -> str:
        """Where it failed and how, for the end of a sentence; "" where all went well."""
        where = f"in cell {self.failed_cell}" if self.failed_cell else "outside its cells"
        return "" if self.ok else f"failed {where}: {self.error}"

    def __str__(self) -> str:
        """Tell the outcome in one line."""
        if self.ok:
            page = f", {self.html}" if self.html else ""
            return f"{self.notebook}: fine in {self.seconds:.0f} s; {self.path}{page}"
        return f"{self.notebook}: {self.failure}; executed so far: {self.path}"


def folder() -> Path:
    """Return the folder of the notebooks: ./notebooks, else the one beside the package."""
    places = [Path("notebooks"), Path(__file__).parents[2] / "notebooks"]
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise UserError(f"no notebooks found: looked for *.ipynb in {' and '.join(str(p) for p in places)}")


def files() -> dict[str, str]:
    """Return where each notebook is, by name: its path below the folder, e.g. "hetero/30_typed_graphs.ipynb".

    In reading order: the tour and the labs at the top, then the families, a folder each.
    """
    place = folder()
    paths = [
        path.relative_to(place).as_posix() for pattern in ("*.ipynb", "[!.]*/*.ipynb") for path in place.glob(pattern)
    ]
    return {Path(path).stem: path for path in sorted(paths, key=lambda path: ("/" in path, path))}


def names() -> list[str]:
    """Return the name of every notebook, in reading order."""
    return list(files())


def find(notebook: str | Path) -> Path:
    """Return the file of a notebook given by name ("00_tour") or by path; errors name the nearest one."""
    path = Path(notebook)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    name = path.stem if path.suffix == ".ipynb" and path.parent == Path() else str(notebook)
    known = files()
    if name not in known:
        raise unknown("notebook", name, list(known))
    return folder() / known[name]


def parameters(notebook: str | Path) -> dict[str, Any]:
    """Return the parameters of a notebook with their defaults (None for a computed one), read from its tagged cell."""
    path = find(notebook)
    source = "\n".join(cell.source for cell in tagged(read(path), "parameters"))
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise UserError(f"{path}: the cell tagged 'parameters' is not plain Python: {error.msg}") from error
    defaults: dict[str, Any] = {}
    for statement in statements:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            value = _literal(statement.value)
            defaults |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return defaults


def check(notebooks: Sequence[str | Path], values: Mapping[str, Any]) -> None:
    """Refuse a parameter that one of the notebooks doesn't have, or a value of another type than its default."""
    known = {find(notebook).stem: parameters(notebook) for notebook in notebooks}
    for key, value in values.items():
        have = [name for name in known if key in known[name]]
        lack = [name for name in known if key not in known[name]]
        if lack and not have:
            raise unknown("parameter", key, known[lack[0]], f"of notebook {lack[0]!r}")
        if lack:
            hint = f" (nearest there: {guess!r})" if (guess := nearest(key, known[lack[0]])) else ""
            where = f"is known to {', '.join(have)} but not to {', '.join(lack)}{hint}"
            raise UserError(f"parameter {key!r} {where}; name only the notebooks that have it")
        for name in have:
            default = known[name][key]
            # A whole number will do for a float; None doesn't say what it takes.
            wanted = (float, int) if isinstance(default, float) else type(default)
            is_flag = isinstance(value, bool) and not isinstance(default, bool)
            if default is not None and (is_flag or not isinstance(value, wanted)):
                like, other = (f"{of!r} ({type(of).__name__})" for of in (default, value))
                raise UserError(f"parameter {key!r} of notebook {name!r} takes a value like {like}, not {other}")


def execute(
    notebook: str | Path,
    parameters: Mapping[str, Any] | None = None,
    out_dir: str | Path = "build/notebooks",
    *,
    html: bool = True,
    timeout: int | None = None,
    told: Callable[[str], object] | None = None,
) -> Outcome:
    """Execute a notebook from top to bottom in a fresh kernel, in the current folder.

    A cell that fails is told in the outcome, not raised.

    Args:
        notebook: name or path. parameters: values for names in its cell tagged "parameters".
        out_dir: folder for the executed notebook and its page; made where missing.
        html: also write a page whose figures show offline.
        timeout: seconds that one cell may take; None: as long as it likes.
        told: called after each cell that ran, with its id; a bar of progress is shown where there is none.

    Raises:
        UserError: unknown notebook or parameter, a value of the wrong type, or `out_dir` holds the source itself.
    """
    import papermill
    from nbclient.exceptions import CellControlSignal, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    source, values = find(notebook), dict(parameters or {})
    check([source], values)
    target = Path(out_dir) / source.name
    if target.resolve() == source.resolve():
        raise UserError(f"the executed notebook would overwrite its source {source}; choose another output folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    page = target.with_suffix(".html")
    for stale in (target, page):  # nobody shall read an earlier result as this one's
        stale.unlink(missing_ok=True)

    start, error = time.perf_counter(), None
    try:
        with environment(**HEADLESS):
            papermill.execute_notebook(
                str(source),
                str(target),
                parameters=values,
                kernel_name=KERNEL,
                progress_bar=told is None and sys.stderr.isatty(),
                execution_timeout=timeout,
                # A kernel warns that its loopback connection is not encrypted, each time.
                extra_arguments=["--IPKernelApp.log_level=40"],
                on_cell_executed=lambda cell, **_: told(cell.id) if told else None,
            )
    except PapermillExecutionError as failure:
        error = _last_line(f"{failure.ename}: {failure.evalue}")
    except (CellControlSignal, DeadKernelError) as failure:
        error = _last_line(f"{type(failure).__name__}: {str(failure).strip().splitlines()[0]}")
    seconds = time.perf_counter() - start

    executed = read(target)
    # A widget is dead without its kernel, and stores megabytes of JavaScript in the metadata.
    executed.metadata.pop("widgets", None)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _WIDGET not in output.get("data", {})]
    with whole(target) as draft:
        nbformat.write(executed, draft)
    if error is not None:
        return Outcome(source.stem, target, None, seconds, "", _failed_cell(read(source), executed), error)
    if html:
        with whole(page) as draft:
            draft.write_text(as_page(executed, source.stem), encoding="utf-8")
    return Outcome(source.stem, target, page if html else None, seconds, _results(executed))


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """Return the cells with a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def read(path: Path) -> NotebookNode:
    """Return what a file holds; a UserError where it can't be read as a notebook."""
    try:
        return nbformat.read(Path(path), as_version=4)  # a number would be taken for an open file, and waited for
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise UserError(f"{path} can't be read as a notebook: {_last_line(str(error))}") from error


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _last_line(text: str) -> str:
    first, *rest = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    return f"{first.split(':')[0]}: {rest[-1]}" if rest else first


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables, which a kernel inherits, and put the old ones back."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _failed_cell(source: NotebookNode, executed: NotebookNode) -> int | None:
    """Return the place, from 1, in the source of the cell that was started last."""
    places = {cell.get("id"): place for place, cell in enumerate(source.cells, start=1)}
    started = [cell for cell in executed.cells if cell.metadata.get("papermill", {}).get("start_time")]
    return places.get(started[-1].get("id")) if started else None


def _results(notebook: NotebookNode) -> str:
    """Return the text that the cells tagged "results" showed, figures left out."""
    texts = []
    for output in (output for cell in tagged(notebook, "results") for output in cell.get("outputs", [])):
        if output.output_type == "stream" and output.name == "stdout":
            texts.append(output.text)
        elif FIGURE not in output.get("data", {}):
            texts.append(output.get("data", {}).get("text/plain", ""))
    return "\n".join(text.rstrip("\n") for text in texts if text)


guard(globals(), ("find", "parameters", "execute", "read"))
