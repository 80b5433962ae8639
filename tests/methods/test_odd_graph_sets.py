"""Sets of graphs that a method may not expect: embedded by finite numbers, or refused in a sentence."""

from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.methods import names

NONE = torch.empty(2, 0, dtype=torch.long)


def odd(case: str) -> GraphSet:
    graphs = rings(graphs=12)
    width = graphs[0].num_features
    if case == "one graph":
        return GraphSet(graphs[:1])
    if case == "graphs of one node":
        return GraphSet(Data(x=torch.rand(1, width), edge_index=NONE) for _ in range(12))
    if case == "one node among others":
        graphs[3] = Data(x=torch.ones(1, width), edge_index=NONE)
    if case == "no node among others":
        graphs[3] = Data(x=torch.ones(0, width), edge_index=NONE)
    if case == "no edges":
        for graph in graphs:
            graph.edge_index = NONE
    if case == "disconnected":
        for graph in graphs:
            half = graph.num_nodes // 2
            graph.edge_index = graph.edge_index[:, (graph.edge_index < half).all(0)]
    if case == "all alike":
        graphs = GraphSet(graphs[0].clone() for _ in range(12))
    if case == "loops and repeated edges":
        for graph in graphs:
            loops = torch.arange(graph.num_nodes).repeat(2, 1)
            graph.edge_index = torch.cat([graph.edge_index, graph.edge_index, loops], 1)
    if case == "one direction":
        for graph in graphs:
            graph.edge_index = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    if case == "attributes of zeros":
        for graph in graphs:
            graph.x = torch.zeros_like(graph.x)
    if case == "NaN":
        graphs[5].x = graphs[5].x.clone()
        graphs[5].x[2, 1] = torch.nan
    return graphs


CASES = (
    "one graph", "graphs of one node", "one node among others", "no node among others", "no edges", "disconnected",
    "all alike", "loops and repeated edges", "one direction", "attributes of zeros", "NaN",
)  # fmt: skip


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", names("graph-sets"))
def test_an_odd_set_of_graphs_is_embedded_or_refused_in_a_sentence(method: str, case: str, tmp_path: Path) -> None:
    data = odd(case)
    if case == "NaN" or (case == "one graph" and method != "graphmae"):
        told = (
            "graph 5: the attributes of node 2 hold nan in column 1" if case == "NaN" else "this set has one graph only"
        )
        with pytest.raises(UserError, match=told):
            wb.fit(method, data, "small", store=tmp_path, progress=False, epochs=2)
        return
    run = wb.fit(method, data, "small", store=tmp_path, progress=False, epochs=2)
    assert run.embeddings.shape[0] == len(data) and run.embeddings.isfinite().all()
    assert run.history.notna().all().all()
