"""Walks over the syntax tree of a formula."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from workbench.rules.formula import Aggregate, Binary, Compare, Node, Number, Quantifier, Text, Truth

N = TypeVar("N", bound=Node)


def free_variables(node: Node) -> frozenset[str]:
    """Return the names of nodes that a formula speaks of without binding them by a quantifier or an aggregate."""
    inner = frozenset[str]().union(*map(free_variables, node.parts))
    return node.names | (inner - {node.variable} if isinstance(node, Quantifier | Aggregate) else inner)


def walk(node: Node, depth: int = 0) -> Iterator[tuple[Node, int]]:
    """Yield a formula and all its parts with their depth, in reading order."""
    yield node, depth
    for part in node.parts:
        yield from walk(part, depth + 1)


def subformulas(node: Node) -> list[Node]:
    """Return the parts that say something of a node or an edge, the whole first; numbers that are written are not."""
    found = dict.fromkeys(part for part, _ in walk(node) if not isinstance(part, Number | Text | Truth))
    return list(found)


def thresholds(node: Node) -> list[Number]:
    """Return the numbers that a comparison compares with directly, in reading order; they can be moved or learned."""
    found = []
    for part, _ in walk(node):
        if isinstance(part, Compare):
            found += [side for side in (part.left, part.right) if isinstance(side, Number)]
    return found


def rebuilt(node: N, swap: Mapping[int, Node] | None = None) -> N:
    """Return an equal tree in which no part is the same object as another.

    Args:
        node: the tree.
        swap: by its id, which part makes room for another one; its equals stay.
    """
    if swap and id(node) in swap:
        return swap[id(node)]  # type: ignore[return-value]
    made: dict[str, Any] = {}
    for one in fields(node):
        value = getattr(node, one.name)
        if isinstance(value, Node):
            made[one.name] = rebuilt(value, swap)
        elif one.name == "arguments":
            made[one.name] = tuple(rebuilt(part, swap) for part in value)
    return replace(node, **made)


# ------------------------------------------------------------------------------------------------------- printing


def bodies(part: Quantifier | Aggregate) -> list[Node]:
    """Return the body of a quantifier; an aggregate's term, then its condition."""
    if isinstance(part, Quantifier):
        return [part.body]
    return [body for body in (part.term, part.condition) if body is not None]


def factors(term: Node, inverted: bool = False) -> list[tuple[Node, bool]]:
    """Return the factors of a product, and whether each is divided by."""
    if isinstance(term, Binary) and term.operator == "*":
        return factors(term.left, inverted) + factors(term.right, inverted)
    if isinstance(term, Binary) and term.operator == "/":
        # x / 0 is 0, so only a division by one factor may be taken apart.
        return [*factors(term.left, inverted), (term.right, not inverted)]
    return [(term, inverted)]
