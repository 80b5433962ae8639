"""The words of the rule language: terms, functions and domains, with what each means; terms.py computes them."""

from typing import Literal, NamedTuple


class Term(NamedTuple):
    """A number or a truth of one node or of two that the rule ties together.

    Attributes:
        about: what it is, in one line. nodes: how many nodes it takes. sort: "number" or "truth".
        attribute: 1 if it takes the name or number of an attribute besides. options: names of its options.
        latex: how it is printed; "" for its name. example: how it is written.
    """

    about: str
    nodes: Literal[1, 2] = 1
    sort: Literal["number", "truth"] = "number"
    attribute: int = 0
    options: tuple[str, ...] = ()
    latex: str = ""
    example: str = ""


class Function(NamedTuple):
    """A function of numbers."""

    about: str
    arguments: int = 1
    latex: str = ""


class Around(NamedTuple):
    """What a variable may run over."""

    about: str
    around: bool
    latex: str


TERMS = {
    "degree": Term("stored edges that leave v; on an undirected graph its neighbours", latex=r"\deg"),
    "out_degree": Term("the same as degree", latex=r"\deg^{+}"),
    "in_degree": Term("stored edges that reach v", latex=r"\deg^{-}"),
    "total_degree": Term("in_degree + out_degree; on an undirected graph twice the degree", latex=r"\deg^{\pm}"),
    "isolated": Term("no edge leaves or reaches v", sort="truth"),
    "self_loop": Term("v has an edge to itself", sort="truth"),
    "attribute": Term("one attribute of v, by number from 0 or by name", attribute=1, latex="x",
                      example='attribute(v, 0) or attribute(v, "name")'),
    "norm": Term("Euclidean norm of the attributes of v, or of their principal components", options=("pca",)),
    "clustering": Term("clustering coefficient (Watts, Strogatz 1998), directions and self-loops left out", latex="C"),
    "triangles": Term("triangles through v, directions and self-loops left out", latex="T"),
    "core": Term("core number (Seidman 1983), directions and self-loops left out"),
    "pagerank": Term("PageRank (Brin, Page 1998), damping 0.85, repeated edges counted once and self-loops left out; "
                     "sums to 1", latex=r"\mathrm{PR}"),
    "cos": Term("cosine of two nodes' attributes; 0 if one has none", nodes=2, options=("pca",), latex=r"\cos"),
    "dot": Term("inner product of two nodes' attributes", nodes=2, options=("pca",)),
    "jaccard": Term("Jaccard index of the sets of non-zero attributes; 0 if both are empty", nodes=2, latex="J"),
    "common_neighbours": Term("neighbours that two nodes share, directions and self-loops left out", nodes=2,
                              latex=r"\mathrm{common}"),
    "multiplicity": Term("how often the edge from the first node to the second is stored", nodes=2),
}  # fmt: skip
TERMS = {
    name: term._replace(example=term.example or f"{name}({'v' if term.nodes == 1 else 'u, v'})")
    for name, term in TERMS.items()
}
FUNCTIONS = {
    "abs": Function("absolute value"),
    "ln": Function("natural logarithm, of a number above 0", latex=r"\ln"),
    "exp": Function("exponential", latex=r"\exp"),
    "sqrt": Function("square root, of a number that is not negative"),
    "min": Function("the smaller of two numbers", 2, r"\min"),
    "max": Function("the larger of two numbers", 2, r"\max"),
}
DOMAINS = {
    "V": Around("all nodes", False, "V"),
    "N": Around("nodes to which v has an edge, each as often as it is stored", True, r"\mathcal{N}"),
    "N_in": Around("nodes that have an edge to v, each as often as it is stored", True, r"\mathcal{N}^{-}"),
    "N2": Around("nodes two edges away and not nearer, each once", True, r"\mathcal{N}_2"),
}
