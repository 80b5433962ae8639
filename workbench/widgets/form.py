"""The form in which a training is asked for, what stands in it, and what is said of a method's parameters."""

import dataclasses
import html
import inspect
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import ipywidgets as ipw
from torch_geometric.data import Data
from traitlets import Instance

from workbench.config import Preset, option_types, options_of
from workbench.datasets.files.registry import names as data_names
from workbench.datasets.files.registry import usable
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.methods import METHODS, Config, configure, preset_names
from workbench.methods import names as method_names
from workbench.methods.presets import changes
from workbench.randomness import Randomness
from workbench.widgets.live import Controls
from workbench.widgets.shell import complaint, look

WORDS = tuple[str, ...]
LABEL = 108  # pixels of what stands before a control
CONTROLS = {bool: ipw.Checkbox, int: ipw.IntText, float: ipw.FloatText, str: ipw.Text}
SHOWN = {"nodes": "nodes of a graph", "arrays": "rows of an array"}  # kinds of data that are trained on in a panel
CALLED = {"nodes": "graph", "arrays": "data"}  # in the form
SHOWS = f"the training panel shows {' or '.join(SHOWN.values())}"
LIMITS = {"low": "at least", "above": "above", "below": "below"}


@dataclass(frozen=True)
class Request:
    """What is to be trained.

    Attributes:
        graph: the graph, or what `load_graph` loads it by. label: what it is called. method: its name.
        preset: with the parameters that differ from it. epochs: how many in all. seed: the master seed.
        supervised: whether it learns from labels.
    """

    graph: Data | str
    label: str
    method: str
    preset: Preset
    epochs: int
    seed: int
    supervised: bool = False

    def __str__(self) -> str:
        return f"{self.method} on {self.label}, preset {self.preset}, seed {self.seed}"


def kind_shown(graph: Data | str, label: str = "this") -> str:
    """Return which of `SHOWN` data are; a name that is no array's is taken for a graph's until it is loaded.

    Args:
        graph: the data, or a name. label: what they are called.

    Raises:
        UserError: data of another kind.
    """
    if isinstance(graph, str):
        return "arrays" if graph.partition(":")[0] in data_names("arrays") else "nodes"
    if (kind := kind_of(graph)).name not in SHOWN:
        raise UserError(f"{SHOWS}, and {label} is {kind.words}; use fit")
    return kind.name


def checked(
    graph: Data | str, method: str, preset: str | None, seed: int, parameters: dict[str, Any]
) -> tuple[Request, Config]:
    """Check what is asked for, as for `fit`, without loading the graph; return it, and the configuration that it means.

    Parameters that are as the preset has them count as not given.
    """
    Randomness(seed)  # refuses what is no seed
    kind, chosen = kind_shown(graph), METHODS.get(method)
    if not {*chosen.kinds} & {*SHOWN}:
        raise UserError(f"{SHOWS}, on which {method!r} does not learn; use fit")
    if kind not in chosen.kinds:
        raise UserError(f"{method!r} does not learn on {SHOWN[kind]}; those that do: {', '.join(method_names(kind))}")
    label = graph if isinstance(graph, str) else str(graph.get("name") or f"your {CALLED[kind]}")
    full_name, config = configure(method, preset, label, parameters)
    asked = changes(method, full_name, config)
    return Request(graph, label, method, asked, config.epochs, seed, chosen.supervised(config)), config


def explained(config_class: type[Config]) -> dict[str, str]:
    """Return what is said of each parameter of a configuration class: its docstrings' words, and the limits."""
    about: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        _, _, section = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for names, text in re.findall(r"^    ([\w, ]+): (.+(?:\n {5,}.+)*)", section, re.MULTILINE):
            about |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    for field in dataclasses.fields(config_class):
        limits = ", ".join(f"{word} {field.metadata[key]:g}" for key, word in LIMITS.items() if key in field.metadata)
        about[field.name] = " · ".join(filter(None, [about.get(field.name, field.name), limits]))
    return about


class Form(Controls, ipw.VBox):
    """Choice of graph, method, preset, seed and parameters; arguments as for `checked`.

    Attributes:
        asked: what stands in the form, None where something is wrong with it. problem: what that is, or "".
        graph, method, preset, seed: the controls. fields: those of the parameters, by name.
        complaints: what is wrong with the seed or a parameter, beside it, by name.
        summary: the preset and what differs from it, or what is wrong with several parameters together.
    """

    asked = Instance(Request, allow_none=True)

    def __init__(self, graph: Data | str, method: str, preset: str | None, seed: int, parameters: dict[str, Any]):
        super().__init__()
        asked, config = checked(graph, method, preset, seed, parameters)
        kind = kind_shown(graph)
        here = usable(Path(os.environ.get("WORKBENCH_DATA") or "data").expanduser(), kind)
        self._graphs = {asked.label: graph} | {name: name for name in sorted({*here} - {asked.label})}
        common = look(LABEL, "auto")
        self.graph = ipw.Dropdown(options=list(self._graphs), description=CALLED[kind], **common)
        self.method = ipw.Dropdown(options=method_names(kind), value=method, description="method", **common)
        presets = ["defaults", *preset_names(method)]
        self.preset = ipw.Dropdown(options=presets, value=asked.preset.name, description="preset", **common)
        self.seed = ipw.IntText(value=seed, description="seed", **common)
        self.summary, self._without = ipw.HTML(), ipw.HTML()
        self._name("training", "graph", "method", "preset", "seed", "summary")
        columns = "repeat(auto-fill, minmax(215px, 1fr))"
        grid = ipw.Layout(grid_template_columns=columns, grid_gap="2px 14px", width="100%")
        self._main, self._more = (ipw.GridBox(layout=grid) for _ in range(2))
        self._folded = ipw.Accordion([ipw.VBox([self._more, self._without])], titles=["more parameters"])
        self.children = [self._main, self._folded, self.summary]
        self.fields, self.complaints = dict[str, ipw.Widget](), {"seed": ipw.HTML()}
        self._cells: dict[str, ipw.VBox] = {}  # a field and the place for what is wrong with it
        self._fixed = self.graph, self.method, self.preset, ipw.VBox([self.seed, self.complaints["seed"]])
        self._make_fields(config)
        self._observe(self._choose_graph, self.graph)
        self._observe(self._choose_method, self.method)
        self._observe(self._fill, self.preset)
        self._observe(self._read, self.seed)

    @property
    def _kind(self) -> type[Config]:
        return METHODS.get(self.method.value).Config

    def _make_fields(self, config: Config) -> None:
        """Make a field for each parameter of a configuration, those of its `main` first and the others folded."""
        kind, about = type(config), explained(type(config))
        self._drop(list(self.fields))
        for name, type_ in kind.types().items():
            self._add(name, type_, getattr(config, name), about[name])
        self._observe(self._make_options, *(self.fields[name] for name in kind.parts()))
        self._more.children = [cell for name, cell in self._cells.items() if name not in kind.main]
        without = [name for name in about if name not in self.fields]
        self._without.value = f"Set in code only: {', '.join(without)}." if without else ""
        self._make_options(config)

    def _make_options(self, config: Config | None = None) -> None:
        """Make a field for each option of the parts that are chosen, set as in a configuration or its default."""
        self._drop([name for name in self.fields if "." in name])
        values, self._usual = config.flat() if config else {}, dict[str, Any]()
        for part, registry in self._kind.parts().items():
            chosen = self.fields[part].value
            types = option_types(registry, chosen)
            for option, default in options_of(registry, chosen).items():
                name, about = f"{part}.{option}", f"option of {chosen}, by default {default}"
                self._usual[name] = default
                self._add(name, types[option], values.get(name, default), about)
        shown = [self._cells[name] for name in (*self._kind.main, *self._usual) if name in self._cells]
        self._main.children = [*self._fixed, *shown]
        self._read()

    def _add(self, name: str, kind: Any, value: Any, about: str) -> None:
        """Add the field of a parameter, with the place for what is wrong with it; none for a type that has no control.

        Numbers are typed into boxes that take any, since a bounded box would change what was typed without a word.
        """
        more: dict[str, Any] = {"value": value}
        if name in self._kind.parts():
            make, more = ipw.Dropdown, {"value": value.name, "options": self._kind.parts()[name].names()}
        elif get_origin(kind) is Literal:
            make, more["options"] = ipw.Dropdown, get_args(kind)
        elif kind == WORDS:
            make, more = ipw.Textarea, {"value": "\n".join(value), "rows": 2, "placeholder": "one per line"}
        elif (make := CONTROLS.get(kind)) is None:
            return
        field = self.fields[name] = make(description=name, tooltip=about, **more, **look(LABEL, "auto"))
        if len(name) > 15:  # as many letters as LABEL has room for
            field.style.description_width = "initial"
        field.add_class(f"training-field-{name.replace('.', '-')}")
        self._observe(self._read, field)
        self.complaints[name] = ipw.HTML()
        self._cells[name] = ipw.VBox([field, self.complaints[name]])

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            for kept in (self.fields, self.complaints, self._cells):
                kept.pop(name).close()

    def _choose_method(self) -> None:
        full_name, config = configure(self.method.value, None, self.graph.value, {})
        with self._quietly():
            self.preset.options = ["defaults", *preset_names(self.method.value)]
            self.preset.value = full_name
        self._make_fields(config)

    def _choose_graph(self) -> None:
        """Take the authors' preset for the graph, unless one was chosen that is for any graph."""
        if "/" in self.preset.value or self.preset.value == "defaults":
            self.preset.value, _ = configure(self.method.value, None, self.graph.value, {})
        self._read()

    def _fill(self) -> None:
        """Take over the values of the preset; the fields stay, since a hand may be in one."""
        _, config = configure(self.method.value, self.preset.value, self.graph.value, {})
        with self._quietly():
            for name in config.types().keys() & self.fields.keys():
                value = getattr(config, name)
                words = "\n".join(value) if isinstance(value, tuple) else getattr(value, "name", value)
                self.fields[name].value = words
            self._make_options(config)

    def _values(self) -> dict[str, Any]:
        """Return what stands in the fields; options that are as their part has them count as not given."""
        types, values = self._kind.types(), {}
        for name, field in self.fields.items():
            if types.get(name) == WORDS:
                values[name] = tuple(filter(None, map(str.strip, field.value.splitlines())))
            elif name not in self._usual or field.value != self._usual[name]:
                values[name] = field.value
        return values

    def _read(self) -> None:
        """Read what is asked for, or say what is wrong with it."""
        graph, method = self._graphs[self.graph.value], self.method.value
        asked, self.problem, blamed = None, "", ""
        try:
            asked, _ = checked(graph, method, self.preset.value, self.seed.value, self._values())
        except UserError as error:
            self.problem, blamed = str(error), str(error.fields.get("parameter"))
        for name, beside in self.complaints.items():
            beside.value = complaint(self.problem if name == blamed else "")
        if self._cells.get(blamed) in self._more.children:
            self._folded.selected_index = 0  # or the sentence would not be seen
        below = "" if blamed in self.complaints else self.problem
        self.summary.value = html.escape(f"preset {asked.preset}") if asked else complaint(below)
        self.asked = asked
