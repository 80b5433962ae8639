"""Named rules: each is a formula, what commonsense it states, and where that comes from."""

import re
from dataclasses import dataclass

from workbench.errors import UserError
from workbench.registry import Registry
from workbench.rules.language import parse
from workbench.rules.syntax import Node
from workbench.rules.vocabulary import TERMS


@dataclass(frozen=True)
class Rule:
    """A rule by name.

    Attributes:
        name: e.g. "ntsc". formula: in the rule language. says: the commonsense in one line.
        source: where it comes from; "" where it is ours. note: what to know when reading it.
    """

    name: str
    formula: str
    says: str
    source: str = ""
    note: str = ""


AnyRule = str | Rule | Node
RULES: Registry[Rule] = Registry("rule")


def name_of(rule: object) -> str | None:
    """Return the name of a rule that is given by its name, however that is written ("NTSC"); None for anything else."""
    word = rule.name if isinstance(rule, Rule) else rule.strip().casefold() if isinstance(rule, str) else None
    return word if word in RULES.names() else None


def get(name: str) -> Rule:
    """Return a named rule; upper and lower case don't matter, and a UserError gives the nearest name."""
    return RULES.get(str(name).casefold())


def formula(rule: AnyRule) -> Node:
    """Return the syntax tree of a rule by its name ("ntsc", "NTSC"), as text or as a tree; or raise a FormulaError."""
    if isinstance(rule, Node):
        return rule
    if isinstance(rule, Rule):
        return parse(rule.formula)
    if not isinstance(rule, str):
        raise UserError(f"a rule is a name or a formula, not {type(rule).__name__}")
    word = rule.strip()
    # A formula has brackets; "true", numbers and terms aside, a word without any is meant as a name.
    if re.fullmatch(r"[A-Za-z][\w-]*", word) and word not in TERMS and word.casefold() not in ("true", "false"):
        return parse(get(word).formula)
    return parse(rule)


_RELEASE = "He et al., Str-GCL, WWW 2025"
_SUM = "sum(total_degree(u) for u in N({0}) if u != {0})"
_LOCAL = "mean(cos(u, {0}, pca=8) for u in N({0}) if cos(u, {0}, pca=8) != 0)"
_DELTA = _LOCAL + " - mean(cos({1}, {0}, pca=8) for {1} in V)"
_OURS = "The source states the idea; the numbers are ours."
_UNKNOWN_NAME = "The release gives the acronym only. "
_STORED = "An edge that is stored more than once is one edge here, and an edge of a node to itself is none."

for _rule in (
    Rule("ntsc", f"{_SUM.format('v')} <= 6",
         "A node of few neighbours that have few neighbours themselves is hard to learn.",
         f"{_RELEASE}, read from compiled code in its repository",
         _UNKNOWN_NAME + "It counts both directions of an undirected edge, so 6 stands for a sum of 3 plain degrees."),
    Rule("ntsc-soft", f"max(ln(1 + {_SUM.format('w')}) for w in V) - ln(1 + {_SUM.format('v')})",
         "The fewer neighbours a node and its neighbours have, the harder it is to learn; a score.",
         f"{_RELEASE}, released code", _UNKNOWN_NAME),
    Rule("lgtc", f"abs({_DELTA.format('v', 'w')}) < 0.01",
         "A node that is as similar to its neighbours as to the average node is ambiguous.",
         f"{_RELEASE}, read from compiled code in its repository", _UNKNOWN_NAME),
    Rule("lgtc-soft", f"(max({_DELTA.format('w', 't')} for w in V) - ({_DELTA.format('v', 'w')})) / 2",
         "The less a node resembles its neighbours compared with the average node, the harder it is to learn; a score.",
         f"{_RELEASE}, released code",
         _UNKNOWN_NAME + "It does not relax the hard form: that asks for a difference near 0, this rewards negative "
         "ones. An edge that is stored twice counts twice in this formula and once in the release."),
    Rule("third-rule",
         "degree(v) <= 2 and max(degree(u) for u in N(v)) >= 10 and "
         "max(cos(v, w) for w in N2(v)) >= max(cos(v, u) for u in N(v)) and exists w in N2(v): true",
         "A node of few neighbours beside a hub with no less similar a node two steps away is hard to learn.",
         f"{_RELEASE}, from compiled code in its repository; never used",
         "The release's two degree thresholds are not known; 2 and 10 are ours."),
    Rule("homophily", "degree(v) > 0 and mean(cos(u, v) for u in N(v)) > mean(cos(w, v) for w in V)",
         "A node resembles its neighbours more than it resembles the average node.",
         "McPherson, Smith-Lovin, Cook, Birds of a Feather, 2001"),
    Rule("bridge",
         # More stored edges than lead to any one neighbour: at least two neighbours, however often an edge is stored.
         "count(u in N(v) if u != v) > max(multiplicity(v, u) for u in N(v) if u != v) and triangles(v) = 0",
         "A node whose neighbours don't know each other spans a structural hole.",
         "Burt, Structural Holes, 1992", _STORED),
    Rule("hub-periphery", "degree(v) <= 2 and exists u in N(v): degree(u) >= 10",
         "A node of few neighbours that hangs on a hub belongs to the periphery.",
         "Borgatti, Everett, Models of Core/Periphery Structures, 2000", _OURS),
    Rule("degree-assortative",
         "degree(v) > 0 and forall u in N(v): degree(u) <= 2 * degree(v) and degree(v) <= 2 * degree(u)",
         "A node is linked to nodes of about its own degree only.",
         "Newman, Assortative Mixing in Networks, 2002", _OURS),
    Rule("dense-core", "core(v) >= max(core(w) for w in V) and degree(v) > 0",
         "A node of the highest core number lies in the dense middle of the graph.",
         "Seidman, Network Structure and Minimum Degree, 1983"),
    Rule("weak-tie",
         # Each end has an edge that leads to neither of both.
         "exists u in N(v): u != v and common_neighbours(u, v) = 0 and "
         "degree(u) > multiplicity(u, v) + multiplicity(u, u) and degree(v) > multiplicity(v, u) + multiplicity(v, v)",
         "A node has an edge whose ends share no neighbour: a tie between circles.",
         "Granovetter, The Strength of Weak Ties, 1973", _STORED),
    Rule("triangle-closed",
         "(exists u in N(v): u != v) and forall u in N(v): u = v or common_neighbours(u, v) >= 1",
         "Each of a node's edges is part of a triangle: friends of friends are friends.",
         "Watts, Strogatz, Collective Dynamics of Small-World Networks, 1998", _STORED),
    Rule("attribute-outlier",
         "mean(cos(w, v) for w in V) < mean(mean(cos(t, w) for t in V) for w in V) / 2",
         "A node is less than half as similar to all nodes as nodes are on average.",
         "Akoglu, Tong, Koutra, Graph-Based Anomaly Detection and Description, 2015", _OURS),
    Rule("friendship-paradox", "mean(degree(u) for u in N(v)) > degree(v)",
         "A node's neighbours have more neighbours than it has itself.",
         "Feld, Why Your Friends Have More Friends Than You Do, 1991"),
):  # fmt: skip
    RULES.register(_rule.name)(_rule)
