"""load_graph: one call for data by name, from a file, or that are already in memory."""

import os
import re
from pathlib import Path
from typing import Any, Literal, cast

import networkx
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.utils import coalesce, to_undirected

from workbench.datasets.arrays import Rows
from workbench.datasets.attributes import Attributes, AttributesOnDisk, blocks, in_memory, is_sparse, unit_sums
from workbench.datasets.columns import rows_of
from workbench.datasets.door import admitted, as_computed
from workbench.datasets.files.named import load_files
from workbench.datasets.files.own import (
    SUFFIXES,
    Features,
    Labels,
    from_data,
    from_matrix,
    from_networkx,
    read_file,
    read_folder,
    with_reading,
)
from workbench.datasets.files.registry import BUILDERS, FIGURES, facts, names
from workbench.datasets.files.report import Report, clipped
from workbench.datasets.files.tables import Reading
from workbench.datasets.graph_sets import GraphSet, with_attributes
from workbench.datasets.kinds import content_hash, kind_of
from workbench.datasets.links import hold_out_links
from workbench.datasets.scenarios import reduced, scenario, some_rows
from workbench.datasets.synthetic import canvases, counts, embedded  # noqa: F401  (enter their data into the table of builders)
from workbench.errors import UserError, unknown

MOST_PLANTED = 10_000_000  # nodes that a planted graph has, some ten GiB
LINKS = re.compile(r"(.+):links(:(\d{1,9}))?")  # a graph whose links are held out, and by which seed
SVD = re.compile(r"(.+):svd=(\d{1,5})")  # a graph whose attributes are cut to so many singular directions
Normalise = bool | Literal["columns"]


def load_graph(
    graph: "str | os.PathLike[str] | Data | HeteroData | list[Data] | networkx.Graph | sp.sparray",
    root: "str | os.PathLike[str] | None" = None,
    normalise: Normalise = True,
    *,
    features: Features = None,
    labels: Labels = None,
    directed: bool | None = None,
    source: str | int | None = None,
    target: str | int | None = None,
    weight: str | int | bool | None = None,
    header: bool | None = None,
    separator: str | None = None,
    comment: str | None = None,
) -> Any:
    """Load a graph, or data of another kind, by name, from a file of yours, or from an object in memory.

    Args:
        graph: a name of names(); "planted:100000" for a planted graph of that size; a path to an edge list (.csv, .tsv,
            .txt, .edges, also .gz, .parquet), .adjlist, .graphml, .gexf, .gml, .json (node-link, Cytoscape), .mtx, .net
            (Pajek), .pt or .npz; a folder with x.npy and edge_index.npy, and perhaps y.npy and masks, whose attributes
            stay on disk; a networkx graph; a scipy sparse matrix of links; a PyG Data or HeteroData; or a list of Data.
            Behind the name of a set of graphs stands its scenario, "mutag:noise=0.1,seed=3" or "mutag:imbalance=0.2",
            see `workbench.datasets.scenarios`, behind that of rows of an array the classes that are kept of it or that
            it is "inverted", "digits-placed:classes=5-9,inverted". Behind the name or path of a single graph ":svd=64"
            cuts its attributes to the 64 largest singular directions, and ":links" holds out 15 % of its links to be
            predicted, ":links:3" by seed 3, see `hold_out_links`.
        root: where the files of named graphs lie; default: env WORKBENCH_DATA, else the folder data/. It may be
            read-only. Missing files are downloaded into it by the PyG dataset class.
        normalise: of a single graph; other data stay as they are. True divides each row of the attributes by its sum,
            exactly as PyG's NormalizeFeatures does (the smallest entry of the whole matrix is subtracted first, which
            matters only where it isn't 0; a row that sums to less than 1 is left alone, so a zero row stays zero).
            False leaves them as they are. "columns" normalises rows, then standardises each column over all nodes
            (population deviation; a constant column becomes 0), as E2Neg's release does for Wiki-CS.
        features: your own graph only: a table of nodes (a file, the node in its first column or the one called id), a
            pair of such a table and a list of columns, an array [nodes, features], the name or names of columns of the
            nodes (numbers as they are, words one-hot, texts as TF-IDF), or of what any graph has: "degree", "identity"
            and "core" one-hot, "pagerank" in sixteenths, "walks" (chances to be back after 1 to 16 steps).
        labels: your own graph only: a file of labels, an array [nodes], or the name of a column of the nodes. A node
            without a label, or with one below 0, has y = -1. Several columns of 0 and 1 are several labels per node.
        directed: None keeps what the source says (an edge list counts as undirected); False stores each edge both ways.
        source, target: of an edge list, the columns with the ends, by name or number; None finds them by their names,
            or takes the first two where there is no header.
        weight: the column or edge attribute with weights, False for none; None finds it by its name. Weights become
            edge_weight; no method here reads them.
        header, separator, comment: of an edge list: whether its first line names the columns, what stands between them,
            and what a line of comment begins with ("" for none); None finds out.

    Returns:
        x float32 [nodes, features], edge_index int64 [2, edges] without repeats and sorted, y int64 [nodes], masks,
        class_names, node_names and feature_names where they are known, name, and of a graph of yours edge_weight where
        it has weights, node_ids where a file tells nodes apart by other words than it calls them by, and `report`, what
        was read, changed and left out. Of other kinds: a list of Data, whose attributes are one-hot degrees where the
        set has none, or a HeteroData.

        x is a sparse CSR tensor where it comes sparse, takes more than 512 MiB dense and less than a twenty-fifth of it
        isn't 0: of the named graphs only "physics"; x.to_dense() is the other form of the same graph, of the same hash.
        Encoders of graph convolutions, samplers, rules and probes keep it sparse; GraphMAE's attention and GIN layers
        make a dense copy, and so do a rule that reads cosines by "pca" of few columns and normalise="columns". Of a
        folder x is an `AttributesOnDisk`, PyG's FeatureStore over the file: methods that take batch_size read the rows
        of a batch only, and what would take all of it at once is refused.

    Raises:
        UserError: unknown name, missing or damaged file, or something in a graph of yours that can't be trained on.
    """
    if normalise not in (True, False, "columns"):
        raise unknown("value of normalise", normalise, ("True", "False", "columns"))
    reading = with_reading(
        source=source, target=target, weight=weight, header=header, separator=separator, comment=comment
    )
    options: dict[str, Any] = {"features": features, "labels": labels, "directed": directed, **vars(reading)}
    if isinstance(graph, str) and (asked := LINKS.fullmatch(graph)):
        whole = load_graph(asked[1], root, normalise, **options)
        if kind_of(whole).name != "nodes":
            raise UserError(f"{asked[1]!r} is no single graph; links are held out of one by ':links'")
        return hold_out_links(whole, seed=int(asked[3] or 0)).update({"name": f"{whole.name}:links{asked[2] or ''}"})
    if isinstance(graph, str) and (asked := SVD.fullmatch(graph)):
        whole = load_graph(asked[1], root, normalise, **options)
        if kind_of(whole).name != "nodes":
            raise UserError(f"{asked[1]!r} is no single graph; ':svd=' cuts the attributes of one")
        return reduced(whole, int(asked[2])).update({"name": f"{whole.name}:svd={asked[2]}"})
    data, name = _fetch(graph, root, features, labels, directed, reading)
    report: Report | None = data.get("report") if isinstance(data, Data) else None
    if isinstance(data, Data) and not isinstance(data, Rows):
        if normalise == "columns" and "planted_lgtc" in data:
            raise UserError(f'graph {name!r}: normalise="columns" would change which nodes the planted rules flag')
        if name != "planted":  # comes normalised, and its planted nodes belong to these very attributes
            varied = _varied(data.x) if report else False
            if report and normalise is not False and isinstance(data.x, Tensor):
                before, rows = data.pop("rows", None), rows_of(data.x) if normalise is True else None
                # Rows that were normalised before stay as they are, and so does what was done to them.
                same = rows and before and features is None and not rows.least and bool((rows.divisor < 1 + 1e-5).all())
                if kept := before if same else rows:
                    data.rows = kept
                if normalise == "columns" or (before and not same):  # what was divided can't be told from x any more
                    data.pop("text_columns", None)
            data.x = _normalised(data.x.float(), normalise)
            if report and varied and not _varied(data.x):
                lost = "normalise=True made the attributes of all nodes alike: rows are divided by their sums"
                report.add("changed", f'{lost}; normalise="columns" or False keeps what they tell', warn=True)
        if not report:
            data.edge_index = coalesce(data.edge_index, num_nodes=data.x.size(0))
            if directed is False:
                data.edge_index = to_undirected(data.edge_index, num_nodes=data.x.size(0))
        else:
            report.warn()
    data.name = name
    if isinstance(graph, str) and graph in names():
        _compare_with_facts(name, data, directed)
    if name == "pydocs":  # its content depends on what is installed
        data.content_hash = content_hash(data)
    return data


def _fetch(
    source: Any, root: Any, features: Features, labels: Labels, directed: bool | None, reading: Reading
) -> tuple[Any, str]:
    """Return the data as their source gives them, and their name."""
    base, colon, words = source.partition(":") if isinstance(source, str) else ("", "", "")
    if colon and base in names("graph-sets"):
        graphs = _fetch(base, root, features, labels, directed, reading)[0]
        _compare_with_facts(base, graphs, directed)
        return scenario(graphs, words), str(source)
    if colon and base in names("arrays"):
        return some_rows(_fetch(base, root, features, labels, directed, reading)[0], words), str(source)
    if isinstance(source, str) and (source in names() or source.startswith("planted:")):
        if features is not None or labels is not None or reading != Reading():
            raise UserError(f"features and labels can be given for a graph of your own only, not for {source!r}")
        name, colon, size = source.partition(":")
        if colon and not (size.isdecimal() and int(size) <= MOST_PLANTED):
            raise UserError(f"after 'planted:' comes the number of nodes, at most {MOST_PLANTED:,}, not {size[:30]!r}")
        if name in BUILDERS.names():
            return BUILDERS.get(name)(**{"nodes": int(size)} if size else {}), name
        folder = root or os.environ.get("WORKBENCH_DATA") or "data"
        return load_files(name, Path(folder).expanduser()), name
    report, name = Report(""), ""
    if isinstance(source, networkx.Graph):
        name = str(source.name or "networkx")
        data = from_networkx(source, features, labels, directed, reading, report)
    elif sp.issparse(source):
        data, name = from_matrix(source, features, labels, directed, reading, report), "matrix"
    elif isinstance(source, Data):
        given = as_computed(source)[1]
        data, name = from_data(given, features, labels, report, directed), str(source.get("name") or "data")
    elif isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if any(len(os.fsencode(part)) > 255 for part in path.parts):
            raise unknown("graph", str(source), names())
        report.source = clipped(path.name)
        if str(source) and path.is_dir():
            data, name = read_folder(path, features, labels, directed, report), path.name
        elif isinstance(source, str) and not path.is_file() and not _is_path(source):
            raise unknown("graph", source, names())
        else:
            data = read_file(path, features, labels, directed, reading, report)
            name = path.name[: -len("".join(path.suffixes[-2:]))] if path.suffix == ".gz" else path.stem
    else:
        graphs = kind_of(source).name == "graph-sets"
        data = admitted(with_attributes(GraphSet(graph.clone() for graph in source)) if graphs else source)[1]
        return data, str(getattr(source, "name", None) or "data")
    report.source = report.source or f"graph {clipped(name)!r}"
    data.report = report
    return data, name


def _is_path(source: str) -> bool:
    return Path(source).suffix in SUFFIXES or "/" in source or os.sep in source


def _varied(x: Any) -> bool:
    """Return whether attributes in memory differ between nodes."""
    return isinstance(x, Tensor) and not is_sparse(x) and len(x) > 1 and not bool((x == x[0]).all())


def _normalised(x: Any, how: Normalise) -> Attributes:
    """Normalise attributes [nodes, features]; in place, as a large graph's take hundreds of megabytes."""
    if how is False:
        return cast(Attributes, x)
    if isinstance(x, AttributesOnDisk):
        return x.normalised() if how is True else cast(Attributes, in_memory(x, 'normalise="columns"'))
    if is_sparse(x) and how is True and bool((x.values() >= 0).all()):
        # Sums of dense rows, which have the bits of those that a dense graph is divided by.
        sums = torch.cat([block.sum(dim=-1) for _, block in blocks(x)]).clamp_(min=1.0)
        x.values().div_(sums.repeat_interleave(x.crow_indices().diff()))
        return cast(Attributes, x)
    x = x.to_dense()  # hardly any entry stays 0
    x = unit_sums(x, x.min())
    if how == "columns":
        deviation, mean = torch.std_mean(x.double(), dim=0, correction=0)
        x = ((x - mean) / torch.where(deviation > 0, deviation, 1.0)).float()
    return cast(Attributes, x)


def _compare_with_facts(name: str, data: Any, directed: bool | None) -> None:
    row, kind = facts(name), kind_of(data)
    labels, seen = kind.labels(data), kind.sizes(data) | kind.entries(data) | kind.shape(data)
    seen["classes"] = 0 if labels is None else int(labels.max()) + 1
    if directed is False and row.get("directed"):
        row.pop("edges", None)
    for key in FIGURES:
        if key in row and row[key] != seen.get(key, 0):
            raise UserError(
                f"graph {name!r} should have {row[key]:,} {key}, but the one loaded has {seen.get(key, 0):,}: "
                "its files aren't those of the published graph"
            )
