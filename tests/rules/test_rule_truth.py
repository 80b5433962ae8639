"""The evaluator of rules against an interpreter in plain loops, on random formulas and awkward graphs."""

import math
import random
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError
from workbench.rules import explanation, published, terms
from workbench.rules.syntax import (
    Aggregate,
    Binary,
    Call,
    Compare,
    Domain,
    Node,
    Number,
    Quantifier,
    Text,
    Truth,
    Unary,
    Variable,
)
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

# ---------------------------------------------------------------------------------------- what the words mean, in loops


class Oracle:
    """What a formula says of a node, from the documented meaning of its words: lists and loops, no tensors."""

    def __init__(self, graph: Data, semantics: str = "crisp", steepness: float = 10.0):
        self.graph, self.semantics, self.steepness = graph, semantics, steepness
        self.nodes = range(int(graph.num_nodes or 0))
        self.edges = [(int(a), int(b)) for a, b in graph.edge_index.t().tolist()]
        self.to: list[list[int]] = [[] for _ in self.nodes]
        self.of: list[list[int]] = [[] for _ in self.nodes]
        self.friends: list[set[int]] = [set() for _ in self.nodes]
        for a, b in self.edges:
            self.to[a].append(b)
            self.of[b].append(a)
            if a != b:
                self.friends[a].add(b)
                self.friends[b].add(a)
        self.x = None if graph.x is None else graph.x.to_dense().double().tolist()
        self.free: dict[int, tuple[Node, list[str]]] = {}  # holds the parts, so that no id is given twice
        self.known: dict[tuple[object, ...], float] = {}
        self.components: dict[int, list[list[float]]] = {}

    def values(self, formula: Node) -> list[float]:
        free = rules.free_variables(formula)
        return [self.value(formula, dict.fromkeys(free, node)) for node in self.nodes]

    def value(self, part: Node, at: dict[str, int]) -> float:
        """The truth or number of a part where its free names mean the nodes in `at`."""
        if id(part) not in self.free:
            self.free[id(part)] = part, sorted(rules.free_variables(part))
        key = (id(part), *(at[name] for name in self.free[id(part)][1]))
        if key not in self.known:
            self.known[key] = float(self.compute(part, at))
        return self.known[key]

    def compute(self, part: Node, at: dict[str, int]) -> float:
        if isinstance(part, Number | Truth):
            return part.value
        if isinstance(part, Unary):
            inner = self.value(part.operand, at)
            return 1 - inner if part.operator == "not" else -inner
        if isinstance(part, Binary):
            a, b = self.value(part.left, at), self.value(part.right, at)
            return self.connect(part.operator, a, b) if part.sort == "truth" else self.arithmetic(part.operator, a, b)
        if isinstance(part, Compare):
            if isinstance(part.left, Variable) and isinstance(part.right, Variable):
                same = at[part.left.name] == at[part.right.name]
                return same if part.operator == "=" else not same
            return self.compare(part.operator, self.value(part.left, at), self.value(part.right, at))
        if isinstance(part, Call):
            if part.name in FUNCTIONS:
                return self.function(part.name, *(self.value(one, at) for one in part.arguments))
            argument = next((one.value for one in part.arguments if isinstance(one, Number | Text)), None)
            return self.term(part.name, [at[name] for name in part.variables], argument, dict(part.options).get("pca"))
        if isinstance(part, Quantifier):
            truths = [self.value(part.body, {**at, part.variable: node}) for node in self.domain(part.domain, at)]
            return self.forall(truths) if part.kind == "forall" else 1 - self.forall([1 - truth for truth in truths])
        assert isinstance(part, Aggregate)
        around = [{**at, part.variable: node} for node in self.domain(part.domain, at)]
        held = [1.0 if part.condition is None else self.value(part.condition, inner) for inner in around]
        if part.kind == "count":
            return sum(held)
        assert part.term is not None
        numbers = [self.value(part.term, inner) for inner in around]
        if part.kind in ("max", "min"):
            kept = [number for number, truth in zip(numbers, held, strict=True) if truth >= 0.5]
            return (max if part.kind == "max" else min)(kept, default=0.0)
        total = sum(number * truth for number, truth in zip(numbers, held, strict=True))
        return total if part.kind == "sum" else total / sum(held) if sum(held) > 0 else 0.0

    # -------------------------------------------------------------------------------------------------------- logic

    def both(self, a: float, b: float) -> float:
        if self.semantics == "crisp":
            return a == 1 and b == 1
        return {"product": a * b, "godel": min(a, b), "lukasiewicz": max(0.0, a + b - 1)}[self.semantics]

    def connect(self, operator: str, a: float, b: float) -> float:
        if operator == "and":
            return self.both(a, b)
        if operator == "or":
            return 1 - self.both(1 - a, 1 - b)
        if operator == "implies":
            return 1 - self.both(a, 1 - b)
        return self.both(self.connect("implies", a, b), self.connect("implies", b, a))

    def forall(self, truths: list[float]) -> float:
        whole = 1.0
        for truth in truths:
            whole = self.both(whole, truth)
        return whole

    def compare(self, operator: str, a: float, b: float) -> float:
        if self.semantics == "crisp":
            if operator in ("=", "!="):
                return (a == b) == (operator == "=")
            return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]
        turned = self.steepness * (a - b)
        above = 1 / (1 + math.exp(-turned)) if turned > -700 else 0.0
        if operator in ("=", "!="):
            equal = 4 * above * (1 - above)
            return equal if operator == "=" else 1 - equal
        return above if operator in (">", ">=") else 1 - above

    @staticmethod
    def arithmetic(operator: str, a: float, b: float) -> float:
        if operator == "/":
            return a / b if b != 0 else 0.0
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "^": lambda: a**b}[operator]()

    @staticmethod
    def function(name: str, *numbers: float) -> float:
        known = {"abs": abs, "ln": math.log, "exp": math.exp, "sqrt": math.sqrt, "min": min, "max": max}
        return known[name](*numbers)

    # -------------------------------------------------------------------------------------------------------- terms

    def domain(self, domain: Domain, at: dict[str, int]) -> list[int]:
        if domain.name == "V":
            return list(self.nodes)
        centre = at[domain.centre or ""]
        if domain.name in ("N", "N_in"):
            return (self.to if domain.name == "N" else self.of)[centre]
        assert domain.name == "N2"
        return sorted({w for u in self.to[centre] for w in self.to[u]} - set(self.to[centre]) - {centre})

    def term(self, name: str, at: list[int], argument: float | str | None, pca: int | None) -> float:
        v, w = at[0], at[-1]
        if name in ("degree", "out_degree"):
            return len(self.to[v])
        if name == "in_degree":
            return len(self.of[v])
        if name == "total_degree":
            return len(self.to[v]) + len(self.of[v])
        if name == "isolated":
            return not self.to[v] and not self.of[v]
        if name == "self_loop":
            return (v, v) in self.edges
        if name == "multiplicity":
            return self.edges.count((v, w))
        if name == "common_neighbours":
            return len(self.friends[v] & self.friends[w])
        if name == "triangles":
            return self.triangles(v)
        if name == "clustering":
            pairs = len(self.friends[v]) * (len(self.friends[v]) - 1) / 2
            return self.triangles(v) / pairs if pairs else 0.0
        if name == "core":
            return self.cores[v]
        if name == "pagerank":
            return self.ranks[v]
        if name == "attribute":
            names = getattr(self.graph, "feature_names", None)
            return self.rows(None)[v][names.index(argument) if isinstance(argument, str) else int(argument or 0)]
        a, b = self.rows(pca)[v], self.rows(pca)[w]
        if name == "jaccard":
            here, there = ({i for i, number in enumerate(row) if number != 0} for row in (a, b))
            return len(here & there) / len(here | there) if here | there else 0.0
        product = math.fsum(p * q for p, q in zip(a, b, strict=True))
        lengths = [math.sqrt(math.fsum(p * p for p in row)) for row in (a, b)]
        if name == "cos":
            return product / lengths[0] / lengths[1] if min(lengths) > 1e-12 else 0.0
        return {"dot": product, "norm": lengths[0]}[name]

    def triangles(self, v: int) -> int:
        return sum(w in self.friends[u] for u in self.friends[v] for w in self.friends[v] if u < w)

    def rows(self, pca: int | None) -> list[list[float]]:
        assert self.x is not None
        if pca is None:
            return self.x
        if pca not in self.components:  # checked against scikit-learn elsewhere
            with np.errstate(invalid="ignore"):
                self.components[pca] = published.principal_components(self.graph, pca).double().tolist()
        return self.components[pca]

    @cached_property
    def cores(self) -> list[int]:
        """The largest k for which a node is in a subgraph in which each has k neighbours."""
        found = [0] * len(self.nodes)
        for k in range(1, len(self.nodes)):
            left = set(self.nodes)
            while thin := {v for v in left if len(self.friends[v] & left) < k}:
                left -= thin
            for v in left:
                found[v] = k
        return found

    @cached_property
    def ranks(self) -> list[float]:
        """The chance to find a walker there who follows an edge, or, by 0.15 or for want of one, jumps anywhere."""
        n = len(self.nodes)
        rank, moved = [1 / n] * n, 1.0
        targets = [sorted(set(self.to[v]) - {v}) for v in self.nodes]
        while moved > 1e-15 * n:
            new = [0.15 / n] * n
            for v in self.nodes:
                for w in targets[v] or self.nodes:
                    new[w] += 0.85 * rank[v] / len(targets[v] or self.nodes)
            moved = sum(abs(a - b) for a, b in zip(rank, new, strict=True))
            rank = new
        return rank


# ------------------------------------------------------------------------------------------------ graphs and formulas


def awkward_graph(draw: random.Random) -> Data:
    """A graph of 1 to 30 nodes, of any of the kinds that have hurt: see the switches."""
    n = draw.choice([1, 2, 3, 5, 8, 13, 20, 30])
    linked = max(1, n - draw.choice([0, 0, 1, 3]))  # the last ones are isolated
    pairs = [(draw.randrange(linked), draw.randrange(linked)) for _ in range(int(linked * draw.choice([0, 1, 2, 3])))]
    if draw.random() < 0.5:
        pairs = [(a, b) for a, b in pairs if a != b]  # no self-loops
    if draw.random() < 0.5:
        pairs = sorted(set(pairs))  # no repeated edges
    elif pairs:
        pairs += draw.choices(pairs, k=4)
    if draw.random() < 0.5:
        pairs += [(b, a) for a, b in pairs if a != b]
    draw.shuffle(pairs)
    graph = Data(edge_index=torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).t(), num_nodes=n)
    kind = draw.choice(["none", "dense", "sparse", "binary", "double"])
    if kind != "none":
        features = draw.choice([1, 2, 4, 7])
        filled = {"dense": 0.9, "double": 0.9, "sparse": 0.12, "binary": 0.4}[kind]
        # On a grid of quarters sums and products are exact, so that a tie is a tie in whatever order one adds.
        grid = [4.0] if kind == "binary" else [-8.0, -5.0, -3.0, -1.0, 1.0, 2.0, 3.0, 7.0]
        numbers = [
            [draw.choice(grid) / 4 if draw.random() < filled else 0.0 for _ in range(features)] for _ in range(n)
        ]
        for row in draw.sample(range(n), n // 5):
            numbers[row] = [0.0] * features
        graph.x = torch.tensor(numbers, dtype=torch.float64 if kind == "double" else torch.float32)
        if kind == "sparse" and draw.random() < 0.3:
            graph.x = graph.x.to_sparse_csr() if draw.random() < 0.5 else graph.x.to_sparse()
        if draw.random() < 0.5:
            graph.feature_names = [f"colour {i}" for i in range(features)]
    return graph


class Formulas:
    """Draws well-sorted formulas that the evaluator takes, for graphs with or without attributes.

    Numbers come in three kinds. "exact" ones are sums and products of whole numbers and quarters; a "ratio" is one
    division of two of them; both are the same bits however they are computed, so any two may be compared. Of "rough"
    ones (cosines, logarithms, sums of ratios) the last bits are open: they are compared with irrational numbers.
    """

    def __init__(self, draw: random.Random, graph: Data):
        self.draw, self.names = draw, getattr(graph, "feature_names", None)
        self.features = 0 if graph.x is None else graph.x.shape[1]
        self.pca = self.features if int(graph.num_nodes or 0) > 1 else 0

    def formula(self) -> Node:
        """A truth or a score, of node v or of none."""
        near = ("v",) if self.draw.random() < 0.95 else ()
        depth = self.draw.choice([2, 3, 4, 4])
        return self.truth(near, frozenset(near), depth) if self.draw.random() < 0.6 else self.number(
            near, frozenset(near), depth, self.draw.choice(["exact", "ratio", "rough"]))  # fmt: skip

    def truth(self, near: tuple[str, ...], bound: frozenset[str], depth: int, tied: bool = True) -> Node:
        """A truth that speaks of the nodes in `near`; without `tied` no graded comparison is a draw at 1/2."""
        draw = self.draw
        if depth <= 0 or draw.random() < 0.15:
            return self.atom(near, bound, 0, tied)
        kind = draw.choice(["atom", "atom", "not", "join", "join", "around", "around", "all"])
        if kind == "atom":
            return self.atom(near, bound, depth, tied)
        if kind == "not":
            return Unary("not", self.truth(near, bound, depth - 1, tied))
        if kind == "join":
            word = draw.choice(["and", "or", "implies", "iff"])
            return Binary(word, *(self.truth(near, bound, depth - 1, tied) for _ in range(2)))
        new, domain, inner = self.run(near, bound, kind == "all")
        body = self.truth(inner, bound | {new}, depth - 1, tied)
        return Quantifier(new, domain, draw.choice(["forall", "exists"]), body)

    def run(self, near: tuple[str, ...], bound: frozenset[str], over_all: bool) -> tuple[str, Domain, tuple[str, ...]]:
        """A new name, what it runs over, and the names that a formula below may use."""
        new = self.draw.choice([name for name in ("u", "w", "t", "my_node", "s2", "q") if name not in bound])
        if over_all or not near:
            return new, Domain("V"), (new,)
        centre = self.draw.choice(near)
        name = self.draw.choice(["N", "N", "N", "N_in", "N2"])
        return new, Domain(name, centre), (centre, new)

    def atom(self, near: tuple[str, ...], bound: frozenset[str], depth: int, tied: bool) -> Node:
        draw, chance = self.draw, self.draw.random()
        if not near or chance < 0.04:
            return Truth(draw.random() < 0.5)
        if chance < 0.12:
            return Call(draw.choice(["isolated", "self_loop"]), (Variable(draw.choice(near)),))
        if chance < 0.25 and len(near) == 2:
            return Compare(draw.choice(["=", "!="]), Variable(draw.choice(near)), Variable(draw.choice(near)))
        kind = draw.choice(["exact", "ratio", "rough"])
        left = self.number(near, bound, depth - 1, kind)
        other = self.number(near, bound, depth - 1, draw.choice(["exact", "ratio"]))
        if kind == "rough" or not tied:
            other = Number(draw.choice([math.sqrt(7) / 7, math.sqrt(2), math.pi, math.e / 10, math.sqrt(65)]))
        elif draw.random() < 0.5:
            other = Number(float(draw.randrange(5)))
        if draw.random() < 0.3:
            left, other = other, left
        return Compare(draw.choice(["<", "<=", ">", ">=", "=", "!="]), left, other)

    def number(self, near: tuple[str, ...], bound: frozenset[str], depth: int, kind: str) -> Node:
        draw = self.draw
        if kind == "ratio":
            forms = [Binary("/", *(self.number(near, bound, depth - 1, "exact") for _ in range(2)))]
            if depth > 0:
                forms.append(self.aggregate(near, bound, depth, "mean", "exact"))
            if near:
                forms.append(Call("clustering", (Variable(draw.choice(near)),)))
                if self.features:
                    forms.append(Call("jaccard", (Variable(draw.choice(near)), Variable(draw.choice(near)))))
            return draw.choice(forms)
        if depth <= 0 or draw.random() < 0.2:
            return self.leaf(near, kind)
        part = lambda: self.number(near, bound, depth - 1, kind)  # noqa: E731
        rough = kind == "rough"
        form = draw.choice(
            ["leaf", "minus", "join", "join", "least", "abs", "bound", "bound", "bound", "fold", "f", "f", "f"]
        )
        if form == "leaf" or (form == "f" and not rough):
            return self.leaf(near, kind)
        if form == "minus":
            return Unary("-", part())
        if form == "join":
            return Binary(draw.choice("+-*"), part(), part())
        if form == "least":
            return Call(draw.choice(["min", "max"]), (part(), part()))
        if form == "abs":
            return Call("abs", (part(),)) if draw.random() < 0.7 else Binary("^", self.leaf(near, kind), Number(2.0))
        if form == "fold":
            return self.folded(near, bound, kind)
        if form == "bound":
            aggregates = ["sum", "max", "min"] + (["mean"] if rough else ["count"] * 2)
            return self.aggregate(near, bound, depth, draw.choice(aggregates), kind)
        one, size = Number(1.0), Call("abs", (part(),))
        return draw.choice([
            Call("ln", (Binary("+", one, size),)),
            Call("exp", (Call("min", (part(), Number(2.0))),)),
            Call("sqrt", (size,)),
            Binary("/", part(), Binary("+", one, size)),
            Binary("^", Binary("+", one, size), Unary("-", Number(0.5))),
            Binary("+", part(), self.number(near, bound, depth - 1, "ratio")),
        ])  # fmt: skip

    def leaf(self, near: tuple[str, ...], kind: str) -> Node:
        draw = self.draw
        if not near or draw.random() < 0.1:
            return Number(draw.choice([0.0, 1.0, 2.0, 0.5, 0.25]) if kind == "exact" else 0.1)
        options = (("pca", draw.randint(1, self.pca)),) if self.pca and kind == "rough" and draw.random() < 0.3 else ()
        of_two = len(near) == 2 and draw.random() < 0.6
        if kind == "exact":
            names = ["multiplicity", "common_neighbours", *["dot"] * bool(self.features)] if of_two else [
                "degree", "out_degree", "in_degree", "total_degree", "triangles", "core",
                *["attribute"] * 2 * bool(self.features)]  # fmt: skip
        else:
            names = ["cos"] if of_two and self.features else ["pagerank", *["norm"] * 2 * bool(self.features)]
        name = draw.choice(names)
        if name == "attribute":
            column = draw.randrange(self.features)
            named = self.names is not None and draw.random() < 0.7
            return Call(
                name, (Variable(draw.choice(near)), Text(self.names[column]) if named else Number(float(column)))
            )
        used = [Variable(draw.choice(near)) for _ in range(TERMS[name].nodes)]
        return Call(name, tuple(used), options if TERMS[name].options else ())

    def aggregate(self, near: tuple[str, ...], bound: frozenset[str], depth: int, word: str, kind: str) -> Node:
        new, domain, inner = self.run(near, bound, self.draw.random() < 0.2)
        term = None if word == "count" else self.number(inner, bound | {new}, depth - 1, kind)
        condition = None
        if self.draw.random() < (0.8 if word == "count" else 0.4):
            condition = self.truth(inner, bound | {new}, depth - 1, tied=word not in ("max", "min"))
        return Aggregate(new, domain, word, term, condition)

    def folded(self, near: tuple[str, ...], bound: frozenset[str], kind: str) -> Node:
        """A sum or mean over V of products of a cosine or inner product with terms of one node: of order nodes."""
        if not near or not self.features:
            return self.leaf(near, kind)
        draw, rough = self.draw, kind == "rough"
        new, v = next(name for name in ("u", "w", "t") if name not in bound), draw.choice(near)

        def product() -> Node:
            nodes = [Variable(new), Variable(v)]
            draw.shuffle(nodes)
            options = (("pca", draw.randint(1, self.pca)),) if rough and self.pca and draw.random() < 0.3 else ()
            factors: list[Node] = [Call(draw.choice(["cos", "dot"]) if rough else "dot", tuple(nodes), options)]
            factors += [self.leaf((draw.choice([new, v]),), "exact") for _ in range(draw.randrange(3))]
            draw.shuffle(factors)
            whole = factors[0]
            for factor in factors[1:]:
                whole = Binary("*", whole, factor)
            if rough and draw.random() < 0.3:
                whole = Binary("/", whole, self.leaf((draw.choice([new, v]),), "exact"))
            return Unary("-", whole) if draw.random() < 0.2 else whole

        term = product()
        if draw.random() < 0.4:
            term = Binary(draw.choice("+-"), term, product() if draw.random() < 0.5 else self.leaf((new,), "exact"))
        return Aggregate(new, Domain("V"), draw.choice(["sum", "mean"]) if rough else "sum", term)


SEEDS, GRAPHS, EACH = 32, 16, 8
GRADED = ("product", "godel", "lukasiewicz")


def cases(seed: int, graphs: int = GRAPHS, each: int = EACH) -> Iterator[tuple[Data, rules.Terms, Node]]:
    """Random graphs, with some formulas for each that share its terms."""
    draw = random.Random(seed)
    for _ in range(graphs):
        graph = awkward_graph(draw)
        shared = rules.Terms(graph)
        for _ in range(each):
            yield graph, shared, Formulas(draw, graph).formula()


def close(found: list[float], meant: list[float]) -> bool:
    return all(abs(a - b) <= 1e-9 * max(1.0, abs(b)) for a, b in zip(found, meant, strict=True))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_values_equal_those_of_plain_loops(seed: int) -> None:
    for number, (graph, shared, formula) in enumerate(cases(seed)):
        semantics = rules.SEMANTICS[number % 4]
        meant = Oracle(graph, semantics, 3.0).values(formula)
        found = rules.evaluation(str(formula), shared, semantics, 3.0).result().tolist()
        exact = semantics == "crisp" and formula.sort == "truth"
        assert found == meant if exact else close(found, meant), f"{semantics}: {formula} on {graph}"


def test_the_cases_speak_of_everything() -> None:
    """Each word in many cases, and most cases tell nodes apart."""
    said: dict[str, int] = {}
    telling = 0
    for seed in range(4):
        for _, shared, formula in cases(seed):
            for part in rules.subformulas(formula):
                words = {getattr(part, name, None) for name in ("name", "operator", "kind")} - {None}
                words |= {part.domain.name} if isinstance(part, Quantifier | Aggregate) else set()
                for word in words:
                    said[word] = said.get(word, 0) + 1
            telling += len(set(rules.evaluate(formula, shared).tolist())) > 1
    needed = [*TERMS, *FUNCTIONS, *DOMAINS, *"+-*/^", "and", "or", "not", "implies", "iff", "forall", "exists"]
    needed += ["sum", "mean", "max", "min", "count", "<", "<=", ">", ">=", "=", "!="]
    assert not [word for word in needed if said.get(word, 0) < 5], said
    assert telling > 0.25 * 4 * GRAPHS * EACH


def test_every_word_is_computed_and_every_computed_word_is_known() -> None:
    assert {name for name, term in TERMS.items() if term.nodes == 1} == {*terms.NODE_TERMS, "attribute", "norm"}
    assert {name for name, term in TERMS.items() if term.nodes == 2} == set(terms.PAIR_TERMS)
    graph = path()
    for name, term in TERMS.items():
        whole = term.example if term.nodes == 1 else f"sum({term.example} for u in N(v))"
        for text in whole.replace('"name"', '"0"').split(" or "):
            assert rules.evaluate(text, graph).shape == (4,), name
        for option in term.options:
            text = f"{name}(v, {option}=1)" if term.nodes == 1 else f"sum({name}(u, v, {option}=1) for u in N(v))"
            assert rules.evaluate(text, graph).shape == (4,)
    for name, function in FUNCTIONS.items():
        assert rules.evaluate(f"{name}({', '.join(['degree(v) + 1'] * function.arguments)})", graph).shape == (4,)
    for name, domain in DOMAINS.items():
        assert rules.evaluate(f"count(u in {name}{'(v)' * domain.around})", graph).shape == (4,)


def path() -> Data:
    """0 - 1 - 2 and 3 alone, with attributes of which node 3 has none."""
    x = torch.tensor([[1.0, 0.0], [1.0, 2.0], [0.0, 3.0], [0.0, 0.0]])
    return Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), x=x, feature_names=["0", "1"], num_nodes=4)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("sum(degree(u) for u in N(v))", [2, 2, 2, 0]),
        ("mean(degree(u) for u in N(v) if u = v)", [0, 0, 0, 0]),
        ("max(degree(u) for u in N(v))", [2, 1, 2, 0]),
        ("min(-degree(u) for u in N(v))", [-2, -1, -2, 0]),
        ("count(w in V if degree(w) = 1)", [2, 2, 2, 2]),
        ("forall u in N(v): false", [0, 0, 0, 1]),
        ("exists u in N(v): true", [1, 1, 1, 0]),
        ("1 / degree(v)", [1, 0.5, 1, 0]),
        ("count(w in N2(v))", [1, 0, 1, 0]),
        ('attribute(v, "1")', [0, 2, 3, 0]),
        ("max(cos(u, v) for u in N(v))", [1 / math.sqrt(5), 2 / math.sqrt(5), 2 / math.sqrt(5), 0]),
        ("cos(v, v) + jaccard(v, v)", [2, 2, 2, 0]),
        ("true", [1, 1, 1, 1]),
        ("-2 ^ 2", [-4, -4, -4, -4]),
        ("2 ^ 3 ^ 2", [512, 512, 512, 512]),
    ],
)
def test_values_by_hand(text: str, values: list[float]) -> None:
    assert rules.evaluate(text, path()).tolist() == pytest.approx(values)
    assert Oracle(path()).values(rules.parse(text)) == pytest.approx(values)


# --------------------------------------------------------------------------------------------- graded truths, gradients


def random_graph(seed: int, nodes: int = 9, features: int = 4) -> Data:
    g = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(nodes - 1, (2, 2 * nodes), generator=g)
    x = torch.randn(nodes, features, generator=g, dtype=torch.float64)
    return Data(x=x, edge_index=edge_index, num_nodes=nodes)


GRADED_FORMULAS = [
    "forall u in N(v): cos(u, v) > 0.2 implies attribute(u, 1) <= 0.37",
    "exists u in N(v): norm(u) > 1.3 and not (dot(u, v) < 0.71 or attribute(v, 0) = 0.1)",
    "mean(cos(u, v) for u in N(v) if dot(u, v) > 0.3) > 0.1 iff max(norm(w) for w in V) >= 1.9",
    "mean(cos(w, v) * norm(w) for w in V) != 0.13 or count(u in N_in(v) if attribute(u, 2) > 0.4) > 1.2",
    "exists w in N2(v): forall u in N(w): dot(w, u) < 0.5",
    "sum(dot(w, v) / norm(w) for w in V) / 10 - min(jaccard(u, v) * cos(u, v) for u in N(v))",
]


@pytest.mark.parametrize("semantics", GRADED)
@pytest.mark.parametrize("text", GRADED_FORMULAS)
def test_gradients_are_those_of_finite_differences(text: str, semantics: str) -> None:
    graph = random_graph(3)

    def by_attributes(x: Tensor) -> Tensor:
        changed = Data(x=x, edge_index=graph.edge_index, num_nodes=graph.num_nodes)
        return rules.evaluation(text, changed, semantics, 1.5).result()

    assert torch.autograd.gradcheck(by_attributes, graph.x.clone().requires_grad_())
    places = rules.thresholds(rules.parse(text))
    if places:
        moved = torch.tensor([place.value + 0.05 for place in places], dtype=torch.float64, requires_grad=True)
        shared = rules.Terms(graph)
        assert torch.autograd.gradcheck(
            lambda values: rules.evaluation(text, shared, semantics, 1.5, values).result(), moved
        )


@pytest.mark.parametrize("semantics", rules.SEMANTICS)
def test_moved_thresholds_are_written_thresholds(semantics: str) -> None:
    """Also where two equal parts get different values."""
    text = (
        "degree(v) >= 2 and exists u in N(v): (degree(u) >= 2 or 1 < in_degree(u)) and (degree(v) >= 2 implies u != v)"
    )
    graph = random_graph(0)
    moved = torch.tensor([1.5, 3.5, 0.5, 2.5])
    meant = rules.evaluate(
        "degree(v) >= 1.5 and exists u in N(v): (degree(u) >= 3.5 or 0.5 < in_degree(u)) and "
        "(degree(v) >= 2.5 implies u != v)", graph, semantics)  # fmt: skip
    torch.testing.assert_close(rules.evaluate(text, graph, semantics, moved=moved), meant, rtol=0, atol=1e-6)
    with pytest.raises(UserError, match=r"4 thresholds; values of shape \[3\]"):
        rules.evaluate(text, graph, moved=moved[:3])


def test_moved_thresholds_may_be_any_sequence() -> None:
    text, graph = "attribute(v, 0) >= 0.3 and degree(v) <= 9", path()
    graph.x[0, 0], graph.x = 0.1, graph.x.double()
    graph.x[0, 0] = 0.1  # not the nearest float32
    meant = rules.evaluate("attribute(v, 0) >= 0.1 and degree(v) <= 1", graph)
    assert meant.tolist() == [1, 0, 0, 0]
    for moved in ([0.1, 1], (0.1, 1.0), np.array([0.1, 1]), [torch.tensor(0.1, dtype=torch.float64), 1]):
        assert torch.equal(rules.evaluate(text, graph, moved=moved), meant)
    assert torch.equal(rules.evaluate("degree(v)", graph, moved=[]), rules.evaluate("degree(v)", graph))
    learned = torch.tensor(0.2, requires_grad=True)
    rules.evaluate(text, graph, "product", 1.0, [learned, 1.0]).sum().backward()
    assert learned.grad is not None and learned.grad < 0
    with pytest.raises(UserError, match=r"2 thresholds; values of shape \[1\]"):
        rules.evaluate(text, graph, moved=[1.0])
    with pytest.raises(UserError, match=r"2 thresholds; values of shape \[2, 1\]"):
        rules.evaluate(text, graph, moved=[[1.0], [2.0]])


@pytest.mark.parametrize("moved", [1.0, "ab", ["a", "b"], [None, 1.0], [math.nan, 1.0], [[1.0], [1.0, 2.0]], object()])
def test_moved_thresholds_that_are_no_numbers_are_refused(moved: Any) -> None:
    with pytest.raises(UserError, match="a number for each of the formula's thresholds") as refused:
        rules.evaluate("degree(v) >= 1 and degree(v) <= 9", path(), moved=moved)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 200


def test_a_part_that_stands_in_a_tree_twice_has_two_thresholds() -> None:
    atom = rules.parse("degree(v) >= 2")
    whole = Binary("and", atom, Unary("not", atom))
    found = rules.evaluate(whole, path(), moved=torch.tensor([0.5, 1.5]))
    assert (
        found.tolist() == rules.evaluate("degree(v) >= 0.5 and not degree(v) >= 1.5", path()).tolist() == [1, 0, 1, 0]
    )


@pytest.mark.parametrize("semantics", GRADED)
def test_zero_rows_have_gradients_too(semantics: str) -> None:
    graph = random_graph(1)
    graph.x[2:5] = 0
    graph.x.requires_grad_()
    text = (
        "forall u in N(v): cos(u, v) > 0.2 and norm(u) > 0.1 and norm(v, pca=2) > 0.3 or mean(cos(w, v) for w in V) > 0"
    )
    rules.evaluate(text, graph, semantics).sum().backward()
    assert torch.isfinite(graph.x.grad).all() and 0 < float(graph.x.grad.abs().max()) < 1e3


@pytest.mark.parametrize("semantics", GRADED)
def test_steep_truths_are_crisp_ones(semantics: str) -> None:
    """Where nothing is tied: on numbers at least 1e-3 from what they are compared with."""
    compared = 0
    for graph, shared, formula in cases(100, graphs=30, each=6):
        compares = [part for part in rules.subformulas(formula) if isinstance(part, Compare)]
        if not all(clear(part, graph) for part in compares):
            continue
        compared += bool(compares)
        found = rules.evaluation(formula, shared, semantics, 1e6).result()
        assert close(found.tolist(), Oracle(graph).values(formula)), f"{semantics}: {formula}"
    assert compared > 20


def clear(part: Compare, graph: Data) -> bool:
    """Whether the sides of a comparison stay apart for all nodes they may speak of; nested parts are taken as given."""
    if isinstance(part.left, Variable):
        return True
    oracle, names = Oracle(graph), sorted(rules.free_variables(part))
    for nodes in product(oracle.nodes, repeat=len(names)):
        at = dict(zip(names, nodes, strict=True))
        if abs(oracle.value(part.left, at) - oracle.value(part.right, at)) < 1e-3:
            return False
    return True


def test_pca_of_learned_attributes_is_that_of_fixed_ones() -> None:
    graph = random_graph(2, nodes=30, features=9)
    text = "mean(cos(u, v, pca=3) for u in N(v)) + norm(v, pca=2)"
    fixed = rules.evaluate(text, graph)
    graph.x.requires_grad_()
    torch.testing.assert_close(rules.evaluate(text, graph), fixed, rtol=1e-5, atol=1e-5)


def test_the_same_words_over_other_nodes_are_another_sum() -> None:
    graph = Data(edge_index=torch.tensor([[0, 0, 1, 3], [1, 2, 2, 0]]), num_nodes=4)
    inner = "sum(degree(u) * (multiplicity({0}) + 1) for u in {1}(v))"
    for pair in ("u, v", "v, u"):
        text = " + ".join(f"{10**i} * {inner.format(pair, name)}" for i, name in enumerate(["N", "N_in", "N2"]))
        assert rules.evaluate(text, graph).tolist() == Oracle(graph).values(rules.parse(text)), text


@pytest.mark.parametrize("semantics", GRADED)
def test_a_condition_that_is_half_true_lets_a_node_in(semantics: str) -> None:
    star = Data(edge_index=torch.tensor([[0, 0, 1, 2, 2], [1, 2, 0, 0, 1]]), num_nodes=3)
    text = "max(degree(u) for u in N(v) if degree(u) >= 2)"  # a draw at node 2
    found = rules.evaluate(text, star, semantics)
    assert found.tolist() == Oracle(star, semantics).values(rules.parse(text)) and found[0] == 2


# ----------------------------------------------------------------------------------------------- terms against networkx


@pytest.mark.parametrize("seed", range(10))
def test_terms_equal_networkx(seed: int) -> None:
    draw = random.Random(seed)
    n = draw.randint(2, 120)
    pairs = [(draw.randrange(n), draw.randrange(n)) for _ in range(n * draw.randint(0, 6))]
    graph = Data(edge_index=torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).t(), num_nodes=n)
    directed = nx.DiGraph([(a, b) for a, b in pairs if a != b])
    directed.add_nodes_from(range(n))
    plain = directed.to_undirected()
    shared = rules.Terms(graph)
    ranks = nx.pagerank(directed, max_iter=1000, tol=1e-15)
    meant = {"clustering": nx.clustering(plain), "triangles": nx.triangles(plain), "core": nx.core_number(plain)}
    for name, numbers in {**meant, "pagerank": ranks}.items():
        found = rules.evaluation(f"{name}(v)", shared).result().tolist()
        assert found == pytest.approx([numbers[v] for v in range(n)], abs=1e-11), name
    assert float(rules.evaluation("sum(pagerank(w) for w in V)", shared).result()[0]) == pytest.approx(1, abs=1e-12)


def test_pairs_are_looked_at_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks give the same, on sparse, dense and learned attributes."""
    texts = ["sum(cos(u, v) for u in N(v))", "sum(dot(u, v) for u in N2(v))", "sum(jaccard(u, v) for u in N(v))",
             "triangles(v)", "sum(common_neighbours(u, v) for u in N2(v))"]  # fmt: skip
    sparse = random_graph(4, 25)
    sparse.x[torch.rand(25, 4, generator=torch.Generator().manual_seed(0)) < 0.9] = 0
    learned = random_graph(5, 25)
    learned.x.requires_grad_()
    graphs = [sparse, learned, random_graph(6, 25)]
    meant = [rules.evaluate(text, graph) for graph in graphs for text in texts]
    monkeypatch.setattr(terms, "BLOCK", 40)
    found = [rules.evaluate(text, graph) for graph in graphs for text in texts]
    torch.testing.assert_close(found, meant)


# -------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exists w in V: degree(w) > degree(v)", "all pairs of nodes; over V a rule may"),
        ("max(cos(w, v) for w in V)", "all pairs of nodes; over V"),
        ("count(w in V if cos(w, v) > 0.5)", "all pairs of nodes; over V"),
        ("mean(cos(w, v) for w in V if degree(w) > 1)", "all pairs of nodes; over V"),
        ("sum(cos(w, v) * cos(v, w) for w in V)", "all pairs of nodes; over V"),
        ("sum(abs(cos(w, v)) for w in V)", "all pairs of nodes; over V"),
        ("sum(1 / cos(w, v) for w in V)", "all pairs of nodes; over V"),
        ("sum(jaccard(w, v) for w in V)", "all pairs of nodes; over V"),
        ("forall w in V: w = v or degree(w) > 1", "all pairs of nodes; over V"),
        ("exists u in N(v): exists w in V: cos(w, u) > cos(w, v)", "all pairs of nodes"),
        ("exists u in N(v): sum(cos(w, v) * degree(u) for w in V) > 1", "all pairs of nodes"),
        ("exists u in N(v): exists w in N(v): cos(u, w) > 0.5", "only v and w are tied by an edge"),
        ("exists u in N(v): exists w in N(u): degree(w) > degree(v)", r"run over N2\(v\)"),
        ("sum(sum(cos(u, w) * degree(v) for w in N(u)) for u in N(v))", r"all paths from v over u to w"),
        ("forall u in N(v): max(cos(t, u) + cos(t, v) for t in N_in(u)) > 1", "speaks of v below"),
    ],
)  # fmt: skip
def test_formulas_that_need_all_pairs_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as refused:
        rules.evaluate(text, path())
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@pytest.mark.parametrize("layout", ["dense", "sparse", "csr", "learned"])
@pytest.mark.parametrize(("number", "told"), [(math.nan, "NaN"), (-math.inf, "infinity")])
def test_attributes_that_are_no_numbers_are_named(layout: str, number: float, told: str) -> None:
    x = random_graph(0, features=5).x.float()
    x[7, 3] = x[8, 3] = x[1, 4] = number
    layouts = {"dense": x, "sparse": x.to_sparse(), "csr": x.to_sparse_csr(), "learned": x.clone().requires_grad_()}
    graph = Data(x=layouts[layout], edge_index=random_graph(0).edge_index, num_nodes=9)
    shared = rules.Terms(graph)
    texts = ["max(cos(u, v) for u in N(v))", "norm(v, pca=2)", "norm(v) > 1", "sum(jaccard(u, v) for u in N(v))",
             "attribute(v, 3) > 1", "mean(dot(w, v) for w in V)"]  # fmt: skip
    for text in texts * 2:
        with pytest.raises(UserError, match=f"attribute column 3 of the graph holds {told}, first at node 7; "):
            rules.evaluate(text, shared)
    graph.feature_names = [*"abc", "age", "e"]
    with pytest.raises(UserError, match=r"attribute column 4 \('e'\) of the graph holds .*, first at node 1"):
        rules.evaluate('attribute(v, "e")', shared)
    for text in ("attribute(v, 0) > 0", "degree(v)"):  # what is not asked for does not matter
        assert torch.isfinite(rules.evaluate(text, shared)).all()


def test_a_refusal_of_a_long_formula_is_short() -> None:
    long = " + ".join(["cos(w, v)"] * 90)
    for text in (f"exists w in V: {long} > degree(v)", f"exists u in N(v): exists w in N(v): {long} > cos(u, w)"):
        with pytest.raises(UserError) as refused:
            rules.evaluate(text, path())
        assert len(str(refused.value)) < 500


def test_two_steps_have_a_limit(monkeypatch: pytest.MonkeyPatch, small_graph: Data) -> None:
    assert rules.evaluate("count(w in N2(v))", small_graph).max() > 1
    monkeypatch.setattr(terms, "MOST_PATHS", 100)
    with pytest.raises(UserError, match="100 are the limit; nest"):
        rules.evaluate("count(w in N2(v))", small_graph)


def test_sums_over_all_nodes_are_taken_apart() -> None:
    texts = [
        "sum(cos(w, v) for w in V)", "mean(dot(v, w) * degree(w) for w in V)", "mean(-cos(w, v, pca=2) for w in V)",
        "sum(dot(w, v) * degree(w) / (1 + degree(w)) * attribute(v, 0) / degree(v) for w in V)",
        "mean(cos(w, v) - 2 * dot(w, v) + 1 for w in V)", "sum(degree(v) for w in V)", "mean(degree(w) for w in V)",
        "sum(norm(w) * degree(v) - degree(w) / norm(v) for w in V)", "sum(3 for w in V)",
        "sum(dot(w, v) * count(u in N(w) if degree(u) > 1) for w in V)",
        "forall u in N(v): mean(cos(w, u) for w in V) <= sum(dot(w, v) * degree(w) for w in V)",
        "mean(mean(cos(t, w) for t in V) for w in V) < mean(cos(w, v) for w in V)",
        "max(sum(dot(t, w) * degree(w) for t in V) for w in V if degree(w) > 1)",
        "sum(cos(w, w) * dot(v, v) for w in V)",
    ]  # fmt: skip
    for seed in range(8):
        graph = random_graph(seed)
        graph.x[seed % 9] = 0
        for text in texts:
            found = rules.evaluation(text, graph).result().tolist()
            assert close(found, Oracle(graph).values(rules.parse(text))), text


# ---------------------------------------------------------------------------------------------------------- keeping


def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count how often each term is computed from now on."""
    calls: dict[str, int] = {}

    def count(name: str, compute: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return compute(*arguments)

        return inner

    for table in (terms.NODE_TERMS, terms.PAIR_TERMS):
        for name, compute in table.items():
            monkeypatch.setitem(table, name, count(name, compute))
    monkeypatch.setattr(terms, "principal_components", count("components", terms.principal_components))
    monkeypatch.setattr(terms, "count_triangles", count("count_triangles", terms.count_triangles))
    return calls


def test_nothing_is_computed_twice(monkeypatch: pytest.MonkeyPatch, small_graph: Data) -> None:
    calls = counted(monkeypatch)
    shared = rules.Terms(small_graph)
    text = (
        "exists u in N(v): cos(u, v) > 0.1 and cos(v, u) < 0.9 and cos(u, v, pca=3) > norm(v, pca=3) - 1 or "
        "clustering(u) > 0.1 or triangles(v) > 2 and common_neighbours(u, v) > 0 or degree(u) > 3 and degree(v) > 3"
    )
    first = rules.evaluate(text, shared)
    once = dict(calls)
    assert once.pop("cos") == 2 and set(once.values()) == {1}  # with and without pca
    for semantics in rules.SEMANTICS:
        rules.evaluate(text, shared, semantics)
        rules.evaluate("mean(cos(t, w) for t in N(w)) + norm(w, pca=3)", shared, semantics)
    assert calls == {**once, "cos": 2} and torch.equal(rules.evaluate(text, shared), first)
    assert torch.equal(rules.evaluate(text, rules.Terms(small_graph)), first) and calls["cos"] == 4


def test_nothing_is_kept_of_attributes_that_are_learned() -> None:
    graph = random_graph(7)
    shared = rules.Terms(graph)
    text = "mean(cos(u, v) for u in N(v)) + norm(v) + norm(v, pca=2) + mean(dot(w, v) for w in V) + attribute(v, 0)"
    graph.x.requires_grad_()
    first = rules.evaluate(text, shared)
    first.sum().backward()
    with torch.no_grad():
        graph.x.mul_(2)
    second = rules.evaluate(text, shared)
    second.sum().backward()
    assert not torch.allclose(first, second)
    assert not any(value.requires_grad for value in shared._kept.values())
    torch.testing.assert_close(second, rules.evaluate(text, random_graph_with(graph, graph.x)))


def random_graph_with(graph: Data, x: Tensor) -> Data:
    return Data(x=x, edge_index=graph.edge_index, num_nodes=graph.num_nodes)


# ------------------------------------------------------------------------------------------------------- named rules


@pytest.mark.parametrize("name", ["cora", "citeseer", "pubmed", "photo"])
def test_published_rules_equal_the_released_ones(real_graph: Callable[[str], Data], name: str) -> None:
    graph = real_graph(name)
    shared = rules.Terms(graph)
    released = {
        "ntsc": (published.neighbour_degree_sum(graph) <= 6).float(),
        "ntsc-soft": published.ntsc_soft(graph),
        "lgtc": (published.local_minus_global(graph).abs() < 0.01).float(),
        "lgtc-soft": published.lgtc_soft(graph),
    }
    for rule, meant in released.items():
        torch.testing.assert_close(rules.evaluate(rule, shared), meant, rtol=0, atol=1e-6)


def evaluates_every_rule(graph: Data) -> None:
    shared = rules.Terms(graph)
    for name in rules.names():
        for semantics in rules.SEMANTICS:
            value = rules.evaluate(name, shared, semantics)
            assert value.shape == (shared.nodes,) and value.dtype == torch.float32, name
            if rules.formula(name).sort == "truth":
                assert bool(((value >= 0) & (value <= 1)).all()), name


def test_every_named_rule_evaluates_on_a_real_graph(real_graph: Callable[[str], Data]) -> None:
    evaluates_every_rule(real_graph("cora"))


def test_every_named_rule_evaluates_on_graphs_without_anything(small_graph: Data) -> None:
    none = torch.zeros(2, 0, dtype=torch.long)
    alone = Data(x=torch.ones(1, 9), edge_index=torch.tensor([[0], [0]]), num_nodes=1)
    assert rules.evaluate("norm(v, pca=1000000000000000)", alone).tolist() == [0]
    edgeless, alike = Data(x=torch.eye(5, 9), edge_index=none, num_nodes=5), Data(x=torch.ones(5, 9), edge_index=none)
    nobody = Data(x=torch.zeros(0, 9), edge_index=none, num_nodes=0)
    for graph in (alone, edgeless, alike, nobody, Data(x=torch.ones(60, 40), edge_index=small_graph.edge_index)):
        evaluates_every_rule(graph)


def test_every_named_rule_equals_plain_loops() -> None:
    draw = random.Random(1)
    for seed in range(6):
        graph = random_graph(seed, nodes=20, features=9)
        graph.edge_index = torch.cat([graph.edge_index, torch.tensor([[0] * 12, [*range(12)]])], dim=1)
        graph.x[draw.sample(range(20), 4)] = 0
        oracle, shared = Oracle(graph), rules.Terms(graph)
        for name in rules.names():
            assert close(rules.evaluation(name, shared).result().tolist(), oracle.values(rules.formula(name))), name


def friends_of(graph: Data) -> list[set[int]]:
    """The neighbours of each node in an undirected graph, without itself."""
    friends: list[set[int]] = [set() for _ in range(int(graph.num_nodes or 0))]
    for a, b in graph.edge_index.t().tolist():
        if a != b:
            friends[a].add(b)
    return friends


@pytest.mark.parametrize("loops", [False, True])
def test_rules_of_triangles_count_a_repeated_edge_once(loops: bool) -> None:
    said = {name: 0 for name in ("bridge", "weak-tie", "triangle-closed")}
    for seed in range(12):
        g = torch.Generator().manual_seed(seed)
        ends = torch.randint(13, (2, 22), generator=g)
        ends = torch.cat([ends, ends[:, torch.randint(22, (15,), generator=g)]], 1)  # some edges several times
        ends = ends if loops else ends[:, ends[0] != ends[1]]
        graph = Data(edge_index=torch.cat([ends, ends.flip(0)], 1), num_nodes=15)
        around = friends_of(graph)
        common = [[len(around[a] & around[b]) for b in range(15)] for a in range(15)]
        meant = {
            "bridge": [len(f) >= 2 and all(common[v][u] == 0 for u in f) for v, f in enumerate(around)],
            "weak-tie": [
                any(common[v][u] == 0 and len(around[u]) >= 2 and len(f) >= 2 for u in f) for v, f in enumerate(around)
            ],
            "triangle-closed": [bool(f) and all(common[v][u] for u in f) for v, f in enumerate(around)],
        }
        for name, truths in meant.items():
            assert rules.evaluate(name, graph).bool().tolist() == truths, (name, seed)
            said[name] += sum(truths)
    assert min(said.values()) > 10


def test_a_pair_that_is_stored_twice_is_no_bridge_and_no_tie() -> None:
    twice = Data(edge_index=torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]]), num_nodes=2)
    for name in ("bridge", "weak-tie", "triangle-closed"):
        assert rules.evaluate(name, twice).tolist() == [0, 0] and "stored more than once" in rules.get(name).note


def test_every_named_rule_reads_and_says_what_it_says() -> None:
    for name in rules.names():
        rule, parsed = rules.get(name.upper()), rules.formula(name)
        assert rule.name == name and rule.says.endswith(".") and "\n" not in rule.says
        assert rules.parse(rules.to_text(parsed)) == parsed == rules.formula(rule)
        assert rules.to_latex(parsed) and rules.to_tree(parsed)


# ------------------------------------------------------------------------------------------------------ explanations


def agrees(told: rules.Explanation, oracle: Oracle, above: dict[str, int]) -> int:
    """Check each value of an explanation against loops; return how many."""
    at = {**above, **told.nodes}
    assert told.value == pytest.approx(oracle.value(told.part, at), abs=1e-9), str(told)
    count = 1
    for inner in told.inner:
        below = dict(at)
        if isinstance(told.part, Quantifier | Aggregate):
            match = re.match(rf"{told.part.variable} is node (\d+)", inner.note)
            assert match, inner.note
            below[told.part.variable] = int(match[1])
        count += agrees(inner, oracle, below)
    return count


@pytest.mark.parametrize("semantics", rules.SEMANTICS)
def test_explanations_tell_the_values_of_all_parts(semantics: str) -> None:
    checked = 0
    for graph, shared, formula in cases(200, graphs=30, each=5):
        oracle = Oracle(graph, semantics)
        for node in {0, len(oracle.nodes) // 2, len(oracle.nodes) - 1}:
            told = rules.explain(formula, shared, node, semantics)
            checked += agrees(told, oracle, dict.fromkeys(rules.free_variables(formula), node))
            assert str(told).count("\n") >= len(told.inner)
    assert checked > 1000


def test_explanations_count() -> None:
    star = Data(edge_index=torch.tensor([[0, 0, 0, 0, 1, 2, 2], [1, 2, 3, 3, 0, 1, 3]]), num_nodes=5)
    told = rules.explain("forall u in N(v): degree(u) >= 1", star, 0)
    assert told.note == "2 of 4 nodes u fulfil it" and told.shown == "false"
    assert [inner.shown for inner in told.inner] == ["false", "false", "true", "true"]  # what breaks it comes first
    assert told.inner[0].note == "u is node 3; 0 >= 1"
    told = rules.explain("exists u in N(v): degree(u) >= 2", star, 0)
    assert told.note == "1 of 4 nodes u fulfil it" and told.inner[0].note == "u is node 2; 2 >= 2"
    told = rules.explain("count(u in N(v) if degree(u) = 0) >= 2", star, 0)
    assert told.note == "2 >= 2" and told.inner[0].note == "2 of 4 nodes u fulfil it" and told.inner[0].value == 2
    told = rules.explain("sum(degree(u) for u in N(v) if u != v)", star, 0)
    assert told.value == 3 and told.note == "4 of 4 nodes u fulfil it" and sum(i.value for i in told.inner) == 3
    assert rules.explain("-degree(v)", star, 4).shown == "0"
    told = rules.explain("mean(degree(u) for u in N(v))", star, 4)
    assert told.value == 0 and told.note == "over 0 nodes u" and not told.inner
    told = rules.explain("count(w in V if degree(w) = 0) = 2", star, 4)
    assert told.inner[0].note == "over all 5 nodes"


def test_explanations_show_some_neighbours_only(small_graph: Data) -> None:
    hub = int(rules.evaluate("degree(v)", small_graph).argmax())
    many = int(rules.evaluate("degree(v)", small_graph).max())
    told = rules.explain("forall u in N(v): degree(u) >= 0", small_graph, hub)
    assert len(told.inner) == 6 and told.note == f"{many} of {many} nodes u fulfil it, 6 shown"


def test_explanations_of_nested_rules_stay_small() -> None:
    full = Data(edge_index=torch.ones(12, 12).nonzero().t(), num_nodes=12)
    told = rules.explain("exists u in N(v): forall w in N(u): exists t in N(w): degree(t) > 1", full, 0)
    assert [len(told.inner), len(told.inner[0].inner), len(told.inner[0].inner[0].inner)] == [6, 3, 1]
    assert told.inner[5].inner[2].note == "w is node 2; 12 of 12 nodes t fulfil it, 1 shown"
    names = ["v", *(f"x{i}" for i in range(90))]
    deep = "".join(f"exists {new} in N({old}): " for old, new in pairwise(names)) + "true"
    assert str(rules.explain(deep, full, 0)).count("\n") < 2_000


def test_every_named_rule_is_explained_at_every_node(small_graph: Data) -> None:
    shared = rules.Terms(small_graph)
    for name in rules.names():
        values = rules.evaluation(name, shared).result()
        prepared = rules.evaluation(name, shared)
        for node in range(60):
            told = explanation.explain(prepared, node)
            assert told.value == float(values[node]) and str(told)
        assert str(rules.explain(name, shared, 0)) == str(explanation.explain(prepared, 0))


@pytest.mark.parametrize("node", [-1, 60, 1.5, "0", None, True, 10**30, float("nan"), [0]])
def test_a_node_that_is_not_there_is_told(small_graph: Data, node: Any) -> None:
    with pytest.raises(UserError, match=r"there is no node .*; this graph has 60, from 0 to 59"):
        rules.explain("degree(v) > 1", small_graph, node)


def test_nodes_may_be_numbers_of_any_library(small_graph: Data) -> None:
    meant = str(rules.explain("degree(v) > 1", small_graph, 7))
    for node in (np.int64(7), torch.tensor(7)):
        assert str(rules.explain("degree(v) > 1", small_graph, node)) == meant  # type: ignore[arg-type]
    nobody = Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=0)
    with pytest.raises(UserError, match="there is no node 0; this graph has none"):
        rules.explain("true", nobody, 0)
