"""`Run`, the result of training."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from workbench.contrast import Contrast
from workbench.methods import Config


@dataclass
class Run:
    """What training gave: embeddings, how it went, and what exactly was asked for.

    Attributes:
        method, graph, preset, seed: what was asked for; `graph` is the graph's name, and `preset` also names the
            parameters that differ from it.
        graph_hash: hash of the graph's content.
        config: the full configuration, a frozen data class.
        embeddings: float32 [nodes, dim].
        history: one row an epoch; columns "loss" (what was minimised), one per loss term, and "seconds".
        contrast: the contrast that the last step used; None for an untrained encoder.
        seconds: wall seconds of the training loop. peak_mib: peak memory during training and embedding, above what was
            in use before (resident memory on a CPU, allocated memory on a GPU).
        device: what it ran on. versions: of the packages that decide the bits.
        complete: False where training was interrupted; the checkpoint lets the same request go on.
        details: what the method made of the graph besides the embedding, by name.
        projections: what the contrast compared in the last step, a matrix a view [rows, dim]; empty where there was
            none.
        snapshots: embeddings that were kept on the way, float16 [nodes, dim] with rows of unit length, by epoch; 0 is
            the untrained one.
        path: the run's folder; None where it was not stored.
    """

    method: str
    graph: str
    graph_hash: str
    config: Config
    preset: str
    seed: int
    embeddings: Tensor
    history: pd.DataFrame
    contrast: Contrast | None
    seconds: float
    peak_mib: float
    device: str
    versions: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    details: dict[str, Tensor] = field(default_factory=dict)
    projections: tuple[Tensor, ...] = ()
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    path: Path | None = None

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history)

    @property
    def scores(self) -> dict[str, Any]:
        """Scores that have been computed for this run, by file name."""
        folder = self.path / "scores" if self.path else None
        files = sorted(folder.glob("*.json")) if folder and folder.is_dir() else []
        return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}

    def __repr__(self) -> str:
        state = "" if self.complete else f", interrupted after {self.epochs} epochs"
        loss = f", loss {self.history['loss'].iloc[-1]:.4f}" if self.epochs else ", untrained"
        return (
            f"Run({self.method} on {self.graph}, preset {self.preset}, seed {self.seed}: {self.epochs} epochs in "
            f"{self.seconds:.1f} s, peak {self.peak_mib:.0f} MiB on {self.device}{loss}{state})"
        )
