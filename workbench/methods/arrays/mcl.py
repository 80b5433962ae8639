"""MCL: later stages tell apart what earlier ones put into one cluster, and all stages together are the embedding.

Zhang and others: Learning the Unlearned: Mitigating Feature Suppression in Contrastive Learning. 2024, and its released
code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import normalize

from workbench.datasets.arrays import Rows
from workbench.encoders.rows import RowEncoder, StagedEncoder
from workbench.errors import UserError
from workbench.methods.arrays.simclr import SimCLR, SimCLRConfig
from workbench.methods.base import METHODS, at_least
from workbench.randomness import Randomness


@dataclass(frozen=True)
class MCLConfig(SimCLRConfig):
    """Configuration of MCL; the number of clusters is the authors', all else is ours, for small images.

    Attributes:
        stages: encoders that are trained one after another, each in its share of the epochs.
        centres: of the clusters of each stage; with one, later stages are as the first, with a start of their own.
        batch_size: most rows of a step in the first stage. Later, a step's rows are of one cluster, at least so many;
            smaller clusters are skipped.
    """

    main = ("epochs", "lr", "tau", "stages", "centres", "batch_size")

    batch_size: int = at_least(0, 64)
    stages: int = at_least(1, 2)
    centres: int = at_least(1, 10)


@METHODS.register("mcl")
class MCL(SimCLR):
    """SimCLR in stages: the cluster of a row is what all earlier stages say together, a number to the base K.

    Differs from the release, which adapts the last layers of a large model: each stage has an encoder of its own, and
    the rows of a cluster that are left over beside full batches stand in larger ones.
    """

    Config = MCLConfig

    config: MCLConfig
    encoder: StagedEncoder  # type: ignore[assignment]
    cluster: Tensor

    def __init__(self, config: MCLConfig, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.stage, rows = 0, len(inputs.x)
        if config.centres > rows:
            raise UserError(f"{config.centres} clusters were asked for; {rows} rows give 1 to {rows}")
        self.register_buffer("cluster", torch.zeros(rows, dtype=torch.long))

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> StagedEncoder:  # type: ignore[override]
        """Return an encoder for each stage."""
        return StagedEncoder(super(MCL, cls).make_encoder(config, shape) for _ in range(config.stages))

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Go to the stage of an epoch; where it begins, cluster the codes of the one before."""
        stages, epochs = self.config.stages, self.config.epochs
        self.stage = epoch * stages // epochs
        if self.stage > 0 and (epoch - 1) * stages // epochs < self.stage:
            model = KMeans(self.config.centres, n_init=3, random_state=self.randomness.integer("clusters"))
            with torch.no_grad():
                codes = normalize(self._stages(self.stage - 1).embed(self.inputs), dim=1)
            found = torch.from_numpy(model.fit_predict(codes.cpu().numpy())).long()
            self.cluster.copy_(self.cluster * self.config.centres + found.to(self.cluster.device))

    def batches(self) -> Iterator[Rows]:
        """Yield batches of all rows in the first stage, then of one cluster each, all in a new order."""
        if self.stage == 0:
            yield from super().batches()
            return
        generator, kept = self.randomness.generator("batches"), ~self.skipped()
        order = torch.randperm(len(kept), generator=generator).to(kept.device)
        order = order[kept[order]]
        if not len(order):
            most, size = int(self.cluster.bincount().max()), self._size
            raise UserError(f"no cluster of stage {self.stage} has a batch of {size} rows, the largest {most}")
        parts: list[Tensor] = []
        for cluster in self.cluster[kept].unique():
            ids = order[self.cluster[order] == cluster]
            parts += ids.tensor_split(len(ids) // self._size)
        for place in torch.randperm(len(parts), generator=generator).tolist():
            ids = parts[place]
            yield Rows(x=self.inputs.x[ids], n_id=ids, batch_size=len(ids))

    @property
    def _size(self) -> int:
        return min(self.config.batch_size or len(self.cluster), len(self.cluster))

    def skipped(self) -> Tensor:
        """Return which rows are in a cluster that is smaller than a batch [rows]."""
        return self.cluster.bincount()[self.cluster] < self._size

    def project(self, x: Tensor) -> Tensor:
        """Return what the head of this stage makes of the codes of rows [rows, dim]."""
        encoder = self._stages(self.stage)
        projected: Tensor = encoder.head(encoder(x))
        return projected

    def _stages(self, number: int) -> RowEncoder:
        encoder = self.encoder.stages[number]
        assert isinstance(encoder, RowEncoder)
        return encoder

    def details(self) -> dict[str, Tensor]:
        """Return the cluster of each row in the last stage [rows], and which rows it skipped [rows]."""
        return {"cluster": self.cluster, "skipped": self.skipped()}
