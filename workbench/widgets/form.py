"""The form in which a training is asked for: its fields are those of the method's configuration class."""

import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import ipywidgets as ipw
from torch_geometric.data import Data
from traitlets import Instance

from workbench.config import options_of
from workbench.datasets.files.registry import usable
from workbench.errors import UserError
from workbench.methods import METHODS, Config, configure, preset_names
from workbench.methods import names as method_names
from workbench.widgets.live import Controls
from workbench.widgets.request import Request, checked, explained
from workbench.widgets.shell import complaint, look

WORDS = tuple[str, ...]
LABEL = 108  # pixels of what stands before a control


def control(name: str, kind: Any, value: Any, config_class: type[Config], about: str) -> ipw.Widget | None:
    """Make the control of a parameter; None for a type that has none.

    Numbers are typed into boxes that take any, since a bounded box would change what was typed without a word.
    """
    common = {"value": value, "description": name, "tooltip": about}
    if name in config_class.parts():
        return ipw.Dropdown(options=config_class.parts()[name].names(), **common | {"value": value.name})
    if get_origin(kind) is Literal:
        return ipw.Dropdown(options=get_args(kind), **common)
    if kind == WORDS:
        return ipw.Textarea(rows=2, placeholder="one a line", **common | {"value": "\n".join(value)})
    made = {bool: ipw.Checkbox, int: ipw.IntText, float: ipw.FloatText, str: ipw.Text}.get(kind)
    return made and made(**common)


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
        here = usable(Path(os.environ.get("WORKBENCH_DATA") or "data").expanduser(), "nodes")
        names = sorted({*here} - {asked.label})
        self._graphs = {asked.label: graph} | {name: name for name in names}
        self.problem, self.fields, self.complaints = "", dict[str, Any](), dict[str, ipw.HTML]()
        common = look(LABEL, "auto")
        self.graph = ipw.Dropdown(options=list(self._graphs), description="graph", **common)
        self.method = ipw.Dropdown(options=method_names("nodes"), value=method, description="method", **common)
        presets = ["defaults", *preset_names(method)]
        self.preset = ipw.Dropdown(options=presets, value=asked.preset, description="preset", **common)
        self.seed = ipw.IntText(value=seed, description="seed", **common)
        self.summary, self._without = ipw.HTML(), ipw.HTML()
        self._name("training", "graph", "method", "preset", "seed", "summary")
        columns = "repeat(auto-fill, minmax(215px, 1fr))"
        grid = ipw.Layout(grid_template_columns=columns, grid_gap="2px 14px", width="100%")
        self._main, self._more = (ipw.GridBox(layout=grid) for _ in range(2))
        self._folded = ipw.Accordion([ipw.VBox([self._more, self._without])], titles=["more parameters"])
        self.children = [self._main, self._folded, self.summary]
        self._make_fields(config)
        self._observe(self._choose_graph, self.graph)
        self._observe(self._choose_method, self.method)
        self._observe(self._fill, self.preset)
        self._observe(self._read, self.seed)
        self._read()

    def _make_fields(self, config: Config) -> None:
        """Make a field for each parameter of a configuration, those of its `main` first and the others folded."""
        kind, about, types = type(config), explained(type(config)), type(config).types()
        gone = (*self._main.children[3:], *self._more.children, *self.fields.values(), *self.complaints.values())
        made = {name: control(name, type_, getattr(config, name), kind, about[name]) for name, type_ in types.items()}
        self.fields = {name: field for name, field in made.items() if field is not None}
        self.complaints = {"seed": ipw.HTML()}
        cells = {name: self._cell(name, field) for name, field in self.fields.items()}
        self._observe(self._choose_part, *(self.fields[name] for name in kind.parts()))
        fixed = [self.graph, self.method, self.preset, ipw.VBox([self.seed, self.complaints["seed"]])]
        self._main.children = [*fixed, *(cells[name] for name in kind.main if name in cells)]
        self._more.children = [cell for name, cell in cells.items() if name not in kind.main]
        without = [name for name, field in made.items() if field is None]
        self._without.value = f"Set in code only: {', '.join(without)}." if without else ""
        self._options: dict[str, ipw.VBox] = {}
        self._make_options(config.flat())
        for widget in gone:
            widget.close()

    def _cell(self, name: str, field: ipw.Widget) -> ipw.VBox:
        """Return a field with the place for what is wrong with it."""
        field.style.description_width, field.layout.width = f"{LABEL}px", "auto"
        field.add_class(f"training-field-{name.replace('.', '-')}")
        self._observe(self._read, field)
        self.complaints[name] = ipw.HTML()
        return ipw.VBox([field, self.complaints[name]])

    def _make_options(self, values: Mapping[str, Any]) -> None:
        """Make a field for each option of the parts that are chosen, with its value by flat name or its default."""
        kind = METHODS.get(self.method.value).Config
        kept = [cell for cell in self._main.children if cell not in self._options.values()]
        for name, cell in self._options.items():
            self.fields.pop(name).close()
            self.complaints.pop(name).close()
            cell.close()
        self._options, self._usual = {}, dict[str, Any]()
        for part, registry in kind.parts().items():
            for option, default in options_of(registry, self.fields[part].value).items():
                name, about = f"{part}.{option}", f"option of {self.fields[part].value}, by default {default}"
                field = control(name, type(default), values.get(name, default), kind, about)
                assert field is not None
                self.fields[name], self._options[name], self._usual[name] = field, self._cell(name, field), default
        self._main.children = [*kept, *self._options.values()]

    def _choose_method(self) -> None:
        full_name, config = configure(self.method.value, None, self.graph.value, {})
        with self._quietly():
            self.preset.options = ["defaults", *preset_names(self.method.value)]
            self.preset.value = full_name
        self._make_fields(config)
        self._read()

    def _choose_part(self) -> None:
        """Show the options of the parts that are chosen now."""
        self._make_options({})
        self._read()

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
            self._make_options(config.flat())
        self._read()

    def _values(self) -> dict[str, Any]:
        """Return what stands in the fields; options that are as their part has them count as not given."""
        types, values = METHODS.get(self.method.value).Config.types(), {}
        for name, field in self.fields.items():
            if types.get(name) == WORDS:
                values[name] = tuple(filter(None, map(str.strip, field.value.splitlines())))
            elif name not in self._usual or field.value != self._usual[name]:
                values[name] = field.value
        return values

    def _read(self) -> None:
        """Read what is asked for, or say what is wrong with it."""
        graph, method = self._graphs[self.graph.value], self.method.value
        asked, self.problem, parameter = None, "", None
        try:
            asked, _ = checked(graph, method, self.preset.value, self.seed.value, self._values())
        except UserError as error:
            self.problem, parameter = str(error), error.fields.get("parameter")
        blamed = [name for name in self.complaints if name == parameter]
        for name, beside in self.complaints.items():
            beside.value = complaint(self.problem if name in blamed else "")
        if set(blamed) - {"seed", *METHODS.get(method).Config.main, *self._options}:
            self._folded.selected_index = 0  # or the sentence would not be seen
        self.summary.value = html.escape(asked.parameters) if asked else complaint("" if blamed else self.problem)
        self.asked = asked
