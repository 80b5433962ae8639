"""Planted graphs: a degree-corrected block model in which it is known which nodes the commonsense rules flag."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from workbench.errors import UserError

WORDS_PER_NODE = 60
LGTC_COMPONENTS = 8  # principal components of the attributes, whose cosines are compared
LEAST_NEIGHBOURS = 4  # of a node planted for LGTC: each has another neighbour, so their degrees sum to 8 or more
LEAST_SUM = 7  # plain neighbour degrees of every other node sum to at least this
INSIDE, OUTSIDE = 0.004, 0.016  # planted nodes lie this near to zero, every other node this far from it
CANDIDATES, ROUNDS = 64, 60
IMPOSSIBLE = "LGTC can't be planted with these numbers; more nodes, features or signal help, or commonsense=0"
SLICE = 1 << 16


def planted(
    nodes: int = 1000,
    classes: int = 5,
    degree: float = 10.0,
    homophily: float = 0.8,
    features: int = 32,
    signal: float = 1.0,
    degree_exponent: float | None = 2.5,
    commonsense: float = 0.05,
    seed: int = 0,
) -> Data:
    """Draw a degree-corrected block model with class-dependent attributes and planted commonsense.

    Attributes are counts of words, Poisson with a profile of its own for each class, divided by their sum: they come
    row-normalised, and load_graph's normalise=True leaves them as they are.

    A share `commonsense` of the nodes is planted for each of the two hard rules (NTSC and LGTC, old release of
    Str-GCL), with a margin, so that exactly the planted nodes are flagged; two masks, bool [nodes], say which:

    - planted_ntsc: sum over neighbours u of 2·degree(u) <= 6. Planted nodes are islands of two (sum 2); the neighbour
      degrees of every other node sum to at least 7 undoubled, so the rule read with plain degrees gives the same.
    - planted_lgtc: |mean over neighbours u of cos(z_v, z_u) - mean over all nodes w, v included, of cos(z_v, z_w)| <
      0.01, where z are the scores on the first 8 principal components of x, found in double precision. Planted nodes
      have the mean profile of all classes instead of their own, and neighbours chosen to bring the difference below
      0.004; every other node differs by at least 0.016, for which some get further edges.

    Args:
        nodes, classes: how many, at least 20 nodes per class; classes are equally likely.
        degree: mean degree of the ordinary nodes before the planting.
        homophily: probability that an edge of theirs joins two of a class; the planting lowers it by a few points.
        features: number of words. signal: how far the class profiles lie apart: standard deviation of their logarithms.
        degree_exponent: exponent of the power law of expected degrees, above 2; None: all equal.
        commonsense: share of nodes planted for each rule, up to 0.2; 0 plants nothing and adds no planted_ mask.

    Raises:
        UserError: a number out of its range, or numbers at which the rules can't be planted.

    Source: Karrer, Newman, Physical Review E 2011 (the block model); the rules: papers of Str-GCL, hard form.
    """
    rules = (
        (classes >= 2, f"classes must be at least 2, not {classes}"),
        (nodes >= 20 * classes, f"nodes must be at least 20 per class ({20 * classes}), not {nodes}"),
        (3 <= degree <= nodes / 5, f"degree must lie between 3 and a fifth of the nodes ({nodes / 5:g}), not {degree}"),
        (0 <= homophily <= 1, f"homophily must lie between 0 and 1, not {homophily}"),
        (features >= 2, f"features must be at least 2, not {features}"),
        (signal >= 0, f"signal must not be negative, but is {signal}"),
        (degree_exponent is None or degree_exponent > 2, f"degree_exponent must be above 2, not {degree_exponent}"),
        (0 <= commonsense <= 0.2, f"commonsense must lie between 0 and 0.2, not {commonsense}"),
    )
    for holds, sentence in rules:
        if not holds:
            raise UserError(f"planted graph: {sentence}")
    generator = np.random.default_rng(seed)
    y = generator.integers(classes, size=nodes)
    order = generator.permutation(nodes)
    half = round(commonsense * nodes / 2)
    islands, ambiguous, ordinary = order[: 2 * half].reshape(2, half), order[2 * half : 4 * half], order[4 * half :]
    same = generator.random(half) < homophily
    y[islands[1, same]] = y[islands[0, same]]
    x = _word_shares(generator, y, ambiguous, classes, features, signal)
    weight = np.zeros(nodes)
    weight[ordinary] = _expected_degrees(generator, len(ordinary), degree_exponent)
    blocks = _Blocks(generator, y, weight, homophily)
    edges = blocks.edges(round(degree * len(ordinary) / 2))
    if half:
        edges = _Planting(generator, x, blocks, edges).plant(islands, ambiguous, np.sort(ordinary), degree)
    edge_index = to_undirected(torch.from_numpy(edges), num_nodes=nodes)
    data = Data(x=torch.from_numpy(x), edge_index=edge_index, y=torch.from_numpy(y))
    data.class_names = [f"block {label}" for label in range(classes)]
    if half:
        data.planted_ntsc = torch.from_numpy(np.isin(np.arange(nodes), islands))
        data.planted_lgtc = torch.from_numpy(np.isin(np.arange(nodes), ambiguous))
    return data


def _word_shares(
    generator: np.random.Generator, y: np.ndarray, ambiguous: np.ndarray, classes: int, features: int, signal: float
) -> np.ndarray:
    """Draw word shares float32 [nodes, features]; ambiguous nodes have the mean profile of all classes."""
    logits = generator.normal(size=features) + signal * generator.normal(size=(classes, features))
    profiles = np.exp(logits)
    profiles /= profiles.sum(axis=1, keepdims=True)
    profiles = WORDS_PER_NODE * np.vstack([profiles, profiles.mean(axis=0)])
    profile = y.copy()
    profile[ambiguous] = classes
    x = np.empty((len(y), features), dtype=np.float32)
    for rows in np.array_split(np.arange(len(y)), 1 + len(y) // 100_000):
        counts = generator.poisson(profiles[profile[rows]])
        x[rows] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return x


def _expected_degrees(generator: np.random.Generator, count: int, exponent: float | None) -> np.ndarray:
    """Draw relative expected degrees [count] from a power law, cut off where a node would get too many repeats."""
    if exponent is None:
        return np.ones(count)
    return np.minimum((1 - generator.random(count)) ** (-1 / (exponent - 1)), np.sqrt(count))


class _Blocks:
    """Draws the ends of edges: in proportion to weight, within a class with probability `homophily`."""

    def __init__(self, generator: np.random.Generator, y: np.ndarray, weight: np.ndarray, homophily: float):
        self.generator, self.y, self.homophily = generator, y, homophily
        self.by_class = np.argsort(y, kind="stable")
        self.reached = np.concatenate([[0], np.cumsum(weight[self.by_class])])
        bounds = self.reached[np.searchsorted(y[self.by_class], np.arange(y.max() + 2))]
        self.start, self.size = bounds[:-1], np.diff(bounds)

    def _at(self, point: np.ndarray) -> np.ndarray:
        return self.by_class[np.minimum(np.searchsorted(self.reached, point, side="right"), len(self.y)) - 1]

    def partners(self, nodes: np.ndarray) -> np.ndarray:
        """Draw one partner for each of the nodes."""
        label, total = self.y[nodes], self.reached[-1]
        inside = self.generator.random(len(nodes)) < self.homophily
        share = self.generator.random(len(nodes))
        outside = share * (total - self.size[label])
        outside += np.where(outside < self.start[label], 0, self.size[label])
        return self._at(np.where(inside, self.start[label] + share * self.size[label], outside))

    def edges(self, count: int) -> np.ndarray:
        """Draw `count` different edges [2, count] without self-loops (fewer where the graph is too dense for them)."""
        keys = np.empty(0, dtype=np.int64)
        for _ in range(20):
            points = np.sort(self.generator.random(count - len(keys) + 16))  # sorted points are found faster
            first = self._at(points * self.reached[-1])
            keys = np.union1d(keys, _edge_keys(first, self.partners(first), len(self.y)))
            if len(keys) >= count:
                keys = np.delete(keys, self.generator.choice(len(keys), len(keys) - count, replace=False))
                break
        return np.stack(np.divmod(keys, len(self.y)))


def _edge_keys(first: np.ndarray, second: np.ndarray, nodes: int) -> np.ndarray:
    """Return one number an undirected edge, smaller end first; self-loops are left out."""
    kept = first != second
    return np.minimum(first, second)[kept] * nodes + np.maximum(first, second)[kept]


class _Planting:
    """Adds edges until exactly the planted nodes satisfy the two rules, keeping each node's sums up to date."""

    def __init__(self, generator: np.random.Generator, x: np.ndarray, blocks: _Blocks, edges: np.ndarray):
        nodes = len(x)
        self.generator, self.blocks, self.nodes = generator, blocks, nodes
        pca = PCA(min(LGTC_COMPONENTS, x.shape[1]), svd_solver="covariance_eigh")
        scores = pca.fit_transform(x.astype(np.float64))
        self.unit = scores / np.maximum(np.linalg.norm(scores, axis=1, keepdims=True), 1e-12)
        self.everywhere = self.unit @ self.unit.mean(axis=0)  # mean similarity with all nodes
        self.similarity = np.zeros(nodes)  # sum over neighbours
        self.degree = np.zeros(nodes, dtype=np.int64)
        self.edges = np.empty(0, dtype=np.int64)  # their keys, sorted
        self.add(*edges)

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Add edges; those that are there already and self-loops are skipped."""
        keys = np.unique(_edge_keys(first, second, self.nodes))
        places = np.searchsorted(self.edges, keys)
        new = np.append(self.edges, -1)[places] != keys
        self.edges = np.insert(self.edges, places[new], keys[new])
        ends = np.divmod(keys[new], self.nodes)
        alike = self.alike(*ends)
        for end in ends:
            self.similarity += np.bincount(end, alike, self.nodes)
            self.degree += np.bincount(end, minlength=self.nodes)

    def alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return cos(z_first, z_second); in slices, so that nothing of [edges, 8] is kept."""
        cosines = np.empty(len(first))
        for start in range(0, len(first), SLICE):
            part = slice(start, start + SLICE)
            np.einsum("ek,ek->e", self.unit[first[part]], self.unit[second[part]], out=cosines[part])
        return cosines

    def difference(self, nodes: np.ndarray, alike: np.ndarray | float = 0.0, more: int = 0) -> np.ndarray:
        """Return how far local and global mean similarity lie apart, with so many `more` neighbours so `alike`."""
        local = (self.similarity[nodes] + alike) / np.maximum(self.degree[nodes] + more, 1)
        return np.abs(local - self.everywhere[nodes])

    def plant(self, islands: np.ndarray, ambiguous: np.ndarray, ordinary: np.ndarray, degree: float) -> np.ndarray:
        """Return the edges [2, edges] of the whole graph."""
        self._lift_sums(ordinary)
        anchors = np.repeat(ambiguous, self.generator.poisson(degree - 1, len(ambiguous)))
        self.add(anchors, self.blocks.partners(anchors))
        self._bring_to_zero(ambiguous, ordinary)
        self._push_from_zero(ordinary)
        self._join(islands)
        return np.stack(np.divmod(self.edges, self.nodes))

    def _lift_sums(self, ordinary: np.ndarray) -> None:
        """Join each ordinary node whose neighbours have few neighbours with one that has many."""
        for _ in range(ROUNDS):
            first, second = np.divmod(self.edges, self.nodes)
            sums = np.bincount(first, self.degree[second], self.nodes)
            sums += np.bincount(second, self.degree[first], self.nodes)
            low = ordinary[sums[ordinary] < LEAST_SUM]
            if not len(low):
                return
            tries = self.blocks.partners(np.repeat(low, CANDIDATES)).reshape(-1, CANDIDATES)
            tries = np.where(tries == low[:, None], tries[:, :1], tries)
            self.add(low, tries[np.arange(len(low)), self.degree[tries].argmax(axis=1)])
        raise UserError("planted graph: NTSC would flag ordinary nodes as well; a greater degree helps")

    def _tries(self, nodes: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return candidates [nodes, 64] from a pool, and their similarity with each node.

        A node itself or a neighbour may be among them: add() skips it, and the next round tries others.
        """
        tries = pool[self.generator.integers(len(pool), size=(len(nodes), CANDIDATES))]
        return tries, self.alike(np.repeat(nodes, CANDIDATES), tries.ravel()).reshape(tries.shape)

    def _bring_to_zero(self, ambiguous: np.ndarray, ordinary: np.ndarray) -> None:
        """Give ambiguous nodes neighbours until local and global similarity agree."""
        for _ in range(ROUNDS):
            unfinished = (self.difference(ambiguous) > INSIDE) | (self.degree[ambiguous] < LEAST_NEIGHBOURS)
            left = ambiguous[unfinished]
            if not len(left):
                return
            tries, alike = self._tries(left, ordinary)
            best = self.difference(left[:, None], alike, more=1).argmin(axis=1)
            self.add(left, tries[np.arange(len(left)), best])
        raise UserError(f"planted graph: {IMPOSSIBLE}")

    def _push_from_zero(self, ordinary: np.ndarray) -> None:
        """Give ordinary nodes that LGTC would flag by chance a neighbour that is very like or unlike them."""
        near = np.zeros(self.nodes, dtype=bool)
        for _ in range(ROUNDS):
            near[ordinary] = self.difference(ordinary) < OUTSIDE
            left = np.flatnonzero(near)
            if not len(left):
                return
            tries, alike = self._tries(left, ordinary)
            allowed = ~near[tries] & (self.difference(tries, alike, more=1) >= OUTSIDE)
            gain = np.where(allowed, self.difference(left[:, None], alike, more=1), -1)
            best = gain.argmax(axis=1)
            chosen = tries[np.arange(len(left)), best]
            # A partner's own sums were looked at for one new edge, so each takes one a round.
            _, once = np.unique(np.where(gain.max(axis=1) > 0, chosen, -1), return_index=True)
            once = once[gain.max(axis=1)[once] > 0]
            self.add(left[once], chosen[once])
        raise UserError(f"planted graph: {IMPOSSIBLE}")

    def _join(self, islands: np.ndarray) -> None:
        """Join planted nodes two by two, shuffling those pairs that LGTC would flag."""
        first, second = islands.copy()
        for _ in range(ROUNDS):
            alike = self.alike(first, second)
            near = np.minimum(np.abs(alike - self.everywhere[first]), np.abs(alike - self.everywhere[second])) < OUTSIDE
            if not near.any():
                return self.add(first, second)
            near[self.generator.integers(len(near), size=3)] = True  # somebody to swap with
            second[near] = self.generator.permutation(second[near])
        raise UserError(f"planted graph: {IMPOSSIBLE}")
