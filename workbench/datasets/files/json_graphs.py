"""Graphs in JSON: node-link as networkx, D3 and Sigma write it, Cytoscape's, and Neo4j's of one object per line."""

import json
from pathlib import Path
from typing import Any

import networkx

from workbench.datasets.files.content import decoded, read_bytes
from workbench.datasets.files.report import Report, listed
from workbench.errors import UserError

CYTOSCAPES = {"SUID", "selected", "shared_name", "shared name", "shared_interaction", "shared interaction"}


def read_json(path: Path, report: Report) -> networkx.Graph:
    """Read a graph in JSON; ends of edges are ids, or places in the list where nodes have none.

    Raises:
        UserError: it holds no nodes and edges, or an edge has an end that is no node.
    """
    text = decoded(read_bytes(path), path, report)
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError:
        if (lines := _lines(text)) is None:
            raise
        loaded = _of_neo4j(lines, path)
    if not isinstance(loaded, dict):
        raise UserError(f"{path} holds a {type(loaded).__name__}, not an object with nodes and links")
    if isinstance(loaded.get("elements"), dict | list):
        nodes, ends = _elements(loaded["elements"], path)
        if not _by_value(nodes, ends):
            loaded = _of_cytoscape(nodes, ends, report)
        else:
            graph = networkx.cytoscape_graph({"data": [], "directed": False, "multigraph": True} | loaded)
            for node, attributes in graph.nodes(data=True):  # networkx writes a node's name there once more
                if attributes.get("value") == node:
                    del attributes["value"]
            return graph
    edges = next((key for key in ("links", "edges") if isinstance(loaded.get(key), list)), None)
    if edges is None or not isinstance(loaded.get("nodes"), list):
        raise UserError(f"{path} has no nodes and links (or edges), but {listed([*map(str, loaded)])}")
    return _of_lists(loaded, edges, path, report)


def _of_lists(loaded: dict[str, Any], edges: str, path: Path, report: Report) -> networkx.Graph:
    """Return the graph of a list of nodes and one of edges, which is called `edges`."""
    if loaded["nodes"] and not any(isinstance(node, dict) for node in loaded["nodes"]):
        loaded["nodes"] = [{"id": node} for node in loaded["nodes"]]
    for part in ("nodes", edges):  # Sigma and Graphology keep what belongs to one in an object of its own
        loaded[part] = [
            {k: v for k, v in one.items() if k != "attributes"} | one["attributes"]
            if isinstance(one, dict) and isinstance(one.get("attributes"), dict)
            else one
            for one in loaded[part]
        ]
    key = next((key for key in ("id", "key", "name") if all(key in node for node in loaded["nodes"])), "id")
    ids = [node.get(key, place) for place, node in enumerate(loaded["nodes"])]
    known = {str(name): name for name in ids}
    ends = [edge.get(end) for edge in loaded[edges] if isinstance(edge, dict) for end in ("source", "target")]
    if (
        ends
        and not any(str(end) in known for end in ends)
        and all(type(end) is int and 0 <= end < len(ids) for end in ends)
    ):
        loaded[edges] = [edge | {end: ids[edge[end]] for end in ("source", "target")} for edge in loaded[edges]]
        report.add("read", "ends of edges are the places of their nodes in the list", len(ids))
    for place, edge in enumerate(loaded[edges]):
        for end in ("source", "target"):
            if not isinstance(edge, dict) or end not in edge:
                raise UserError(f"{path}: number {place} of its {edges} has no {end}")
            if str(edge[end]) not in known:
                raise UserError(f"{path}: number {place} of its {edges} has the {end} {edge[end]!r}, which is no node")
    if len(known) == len(ids):  # 1 and "1" are then the same node, and networkx would make two of them
        loaded[edges] = [edge | {end: known[str(edge[end])] for end in ("source", "target")} for edge in loaded[edges]]
    loaded.setdefault("multigraph", True)
    return networkx.node_link_graph(loaded, edges=edges, name=key)


def _lines(text: str) -> list[dict[str, Any]] | None:
    """Return the objects of a text that has one per line; None where it is something else."""
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError:
        return None
    return lines if lines and all(isinstance(line, dict) for line in lines) else None


def _of_neo4j(lines: list[dict[str, Any]], path: Path) -> dict[str, Any]:
    """Return nodes and links of what Neo4j's apoc.export.json writes; its relationships have a direction."""
    if not {str(line.get("type")) for line in lines} <= {"node", "relationship"}:
        raise UserError(
            f"{path} holds one object per line that are not Neo4j's nodes and relationships; save edges as .csv instead"
        )
    for place, line in enumerate(lines):
        for end in ("start", "end") if line["type"] == "relationship" else ():
            if not isinstance(line.get(end), dict):
                raise UserError(f"{path}: line {place + 1} of it has no {end}")
    nodes, links = ([line for line in lines if line["type"] == kind] for kind in ("node", "relationship"))
    named = [
        {"labels": ";".join(map(str, node.get("labels") or []))} | node.get("properties", {}) | {"id": node.get("id")}
        for node in nodes
    ]
    ends = (("source", "start"), ("target", "end"))
    joined = [
        {"type": link.get("label")} | link.get("properties", {}) | {end: link[word].get("id") for end, word in ends}
        for link in links
    ]
    return {"directed": True, "nodes": named, "links": joined}


def _elements(elements: Any, path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the data of nodes and of edges from two lists, or from one of both, as Cytoscape.js has it."""
    every = [*elements.get("nodes", []), *elements.get("edges", [])] if isinstance(elements, dict) else elements
    if wrong := [one for one in every if not isinstance(one, dict) or not isinstance(one.get("data"), dict)]:
        raise UserError(f"{path}: each of Cytoscape's elements is an object with data, not {str(wrong[0])[:60]!r}")
    data = [one["data"] for one in every]
    return [one for one in data if "source" not in one], [one for one in data if "source" in one]


def _by_value(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> bool:
    """Return whether it is what networkx writes: each node is what its "value" says, and that edges name."""
    if not all("value" in node for node in nodes):
        return False
    ids = {str(node.get("id")) for node in nodes}
    named = all(str(edge.get(end)) in ids for edge in edges for end in ("source", "target"))
    return not named or all(str(node["value"]) == str(node.get("id")) for node in nodes)


def _of_cytoscape(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], report: Report) -> dict[str, Any]:
    """Return nodes and links without what Cytoscape keeps in each for itself."""
    if own := sorted(CYTOSCAPES.intersection(*[{key for one in (*nodes, *edges) for key in one}])):
        report.add("left out", f"what Cytoscape keeps for itself: {listed(own)}", len(own))
    cleaned = ([{key: one[key] for key in one if key not in CYTOSCAPES} for one in part] for part in (nodes, edges))
    return dict(zip(("nodes", "links"), cleaned, strict=True))
