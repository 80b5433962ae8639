"""The parts of a degree-corrected block model: word shares, expected degrees, and edges drawn in bulk."""

import numpy as np

WORDS_PER_NODE = 60


def word_shares(
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


def expected_degrees(generator: np.random.Generator, count: int, exponent: float | None) -> np.ndarray:
    """Draw relative expected degrees [count] from a power law, cut off where a node would get too many repeats."""
    if exponent is None:
        return np.ones(count)
    return np.minimum((1 - generator.random(count)) ** (-1 / (exponent - 1)), np.sqrt(count))


class Blocks:
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
            keys = np.union1d(keys, edge_keys(first, self.partners(first), len(self.y)))
            if len(keys) >= count:
                keys = np.delete(keys, self.generator.choice(len(keys), len(keys) - count, replace=False))
                break
        return np.stack(np.divmod(keys, len(self.y)))


def edge_keys(first: np.ndarray, second: np.ndarray, nodes: int) -> np.ndarray:
    """Return one number an undirected edge, smaller end first; self-loops are left out."""
    kept = first != second
    return np.minimum(first, second)[kept] * nodes + np.maximum(first, second)[kept]
