"""The law of two linear layers by the spectral contrastive loss, and what is read before and after a head."""

import tempfile
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.encoders.rows import RowEncoder
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import attributes, trained
from workbench.studies.experiments.training import codes as embedded
from workbench.training.fit import fit

FEATURES, STEPS, ROWS, EPOCHS = 8, 2000, 600, 40


def strengths(variance: Tensor, covariance: Tensor, generator: torch.Generator, steps: int = STEPS) -> list[Tensor]:
    """Return how strongly each feature stands before and after a linear head, once trained by small steps.

    Both layers begin as 0.3 times a rotation: with U U' = V' V, which training keeps, neither has more of the gain. The
    loss of f(x) = V U x is -2 E f(x).f(x+) + E (f(x).f(x'))², in closed form over independent features.

    Args:
        variance, covariance: of each feature, and between its two views [features], double.
    """
    size = (len(variance), len(variance))
    drawn = [torch.linalg.qr(torch.randn(size, generator=generator).to(variance))[0] for _ in range(2)]
    layers = [(0.3 * rotation).requires_grad_() for rotation in drawn]
    optimiser = torch.optim.SGD(layers, lr=0.02)
    for _ in range(steps):
        whole = layers[1] @ layers[0]
        loss = -2 * (whole.square() * covariance).sum() + ((whole * variance) @ whole.T).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    before, after = layers[0].detach(), (layers[1] @ layers[0]).detach()
    return [before.norm(dim=0), after.norm(dim=0)]


@EXPERIMENTS.register("projection-head")
def projection_head(seed: int) -> dict[str, float]:
    """Return the slope and the ratio of the law, and the accuracies read before and after a head."""
    g = torch.Generator().manual_seed(seed)
    variance = 0.5 + torch.rand(FEATURES, generator=g).double()
    covariance = variance * (0.3 + 0.7 * torch.rand(FEATURES, generator=g).double())
    before, after = strengths(variance, covariance, g)
    slope = float(np.polyfit(after.log(), before.log(), 1)[0])
    ratio = after * variance / covariance.sqrt()
    law = {
        "slope": slope,
        "one minus the slope": 1 - slope,
        "ratio to the law": float(min(ratio.min(), 1 / ratio.max())),
    }
    return law | _read(seed) | on_cora(seed)


def _read(seed: int) -> dict[str, float]:
    """Return how well ink and digit are read, with views that mask ink and views that don't."""
    digits, draw = load_digits(), np.random.default_rng(seed)
    found: dict[str, float] = {}
    some = draw.permutation(len(digits.target))[:ROWS]
    x = (digits.data[some] / 16).astype(np.float32)
    ink = np.searchsorted(np.quantile(x.sum(1), [0.25, 0.5, 0.75]), x.sum(1))
    data = Rows(x=torch.from_numpy(x))
    for case, scale in (("masked", 0.9), ("not masked", 0.0)):
        with tempfile.TemporaryDirectory() as store:
            options: dict[str, Any] = {"channels": 8, "dim": 32, "projection": 32, "batch_size": 150, "scale": scale}
            run = fit("simclr", data, None, seed, store=store, progress=False, epochs=EPOCHS, **options)
        assert isinstance(run.encoder, RowEncoder)
        with torch.no_grad():
            after = run.encoder.head(run.embeddings).numpy()
        for what, labels in (("ink", ink), ("digit", digits.target[some])):
            codes = {"before": run.embeddings.numpy(), "after": after}
            read = {where: _accuracy(rows, labels) for where, rows in codes.items()}
            read["after and whitened"] = _accuracy(after, labels, whiten=True)
            found |= {f"{what} {where}, {case}": value for where, value in read.items()}
        found[f"lead, {case}"] = found[f"ink before, {case}"] - found[f"ink after, {case}"]
    return found


def on_cora(seed: int, epochs: int = 20) -> dict[str, float]:
    """Return of each head the accuracy before and after it, with views that mask attributes of Cora and that do not."""
    graph, found = load_graph("cora"), dict[str, float]()
    rows, order = attributes(graph), np.random.default_rng(seed).permutation(len(graph.y))
    shared: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": 512,
        "channels": 8,
        "dim": 32,
        "projection": 32,
        "noise": 0.0,
    }
    # Nothing is picked by a grid: what is compared stands before and after the head of one training.
    for case, hide in (("masked", 0.8), ("not masked", 0.0)):
        for head in ("linear", "mlp", "diagonal"):
            model = trained("simclr", rows, seed, **shared, head=head, hide=hide)
            before = embedded(model, rows)
            with torch.no_grad():
                after = model.encoder.head(before)
            # Codes are scaled as one: a scale of each column would undo the head that is diagonal.
            both, labels = {"before": before, "after": after}, graph.y.numpy()[order]
            read = {where: _accuracy(embedding.numpy()[order], labels) for where, embedding in both.items()}
            found |= {f"Cora: {where} {head}, {case}": value for where, value in read.items()}
            found[f"Cora: lead before {head}, {case}"] = read["before"] - read["after"]
    return found


def _accuracy(codes: np.ndarray, labels: np.ndarray, whiten: bool = False) -> float:
    """Return how many in a hundred of the second half are told by the first half, codes being scaled as one."""
    seen, asked = np.split((codes - codes.mean(0)) / codes.std(), 2)
    if whiten:
        model = PCA(whiten=True).fit(seen)
        seen, asked = model.transform(seen), model.transform(asked)
    known, wanted = np.split(labels, 2)
    return 100 * float(LogisticRegression(max_iter=1000).fit(seen, known).score(asked, wanted))
