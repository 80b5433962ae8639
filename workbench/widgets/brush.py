"""A lasso or a box on a map that is shown: which nodes it selects."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.plots import maps

Ids = NDArray[np.int64]


class Brush:
    """Tells which nodes a hand selects on a map, and marks those that are selected by other means.

    Attributes:
        nodes: the nodes that are marked on the map, int64 [selected].
    """

    def __init__(self, shown: "go.FigureWidget", act: Callable[[Ids], object]):
        """Call `act` with the nodes of each lasso or box on a map, none after a double click."""
        self._shown, self._act, self._wiping = shown, act, False
        self.nodes: Ids = np.empty(0, np.int64)
        shown._config = {**shown._config, "modeBarButtonsToRemove": ["autoScale2d"], "displayModeBar": True}

    def listen(self) -> None:
        """Listen to the traces of the map: once it is there, and again whenever they were made anew."""
        traces = self._traces()
        if traces:  # each event comes to all traces in their order, with or without points
            traces[-1].on_selection(self._selected)
            traces[-1].on_deselect(self._deselected)

    def mark(self, nodes: Ids) -> None:
        """Set nodes off from the others on the map; none leaves all as they are."""
        self.nodes = np.asarray(nodes, np.int64)
        with self._shown.batch_update():
            maps.mark(self._shown, self.nodes if len(self.nodes) else None)

    def _traces(self) -> list[Any]:
        return [trace for trace in self._shown.data if trace.customdata is not None]

    def _selected(self, *_: Any) -> None:
        if self._wiping:
            self._deselected()
            return
        held = [np.asarray(trace.customdata)[list(trace.selectedpoints or ())] for trace in self._traces()]
        self.nodes = np.unique(np.concatenate(held)).astype(np.int64)
        # The outline that a lasso leaves would take the clicks inside it for its own, and would select anew whenever
        # the points move. plotly has no public way to take it away, since Python is never told of it.
        self._wiping = True
        self._shown._send_relayout_msg({"selections": []})
        self._act(self.nodes)

    def _deselected(self, *_: Any) -> None:
        if self._wiping:  # the answer to taking the outline away
            self._wiping = False
            self.mark(self.nodes)
            return
        self.mark(np.empty(0, np.int64))
        self._act(self.nodes)
