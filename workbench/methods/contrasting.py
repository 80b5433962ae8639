"""A method that contrasts items, whole or by batches of them, with negatives and positives of one's choice."""

from typing import Any

from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.negatives.sampled import SampledContrast
from workbench.contrast.positives import PositivePairs
from workbench.errors import UserError
from workbench.methods.base import ContrastConfig, Method


class ContrastMethod(Method):
    """A method whose steps may contrast the items of a batch in two views.

    Attributes:
        negatives: what chooses them, of a method that has negatives of one's choice.
        positive_pairs: whom items are pulled to, of one that has positives of one's choice.
    """

    config: Any
    negatives: SampledContrast
    positive_pairs: PositivePairs | None = None

    @property
    def chosen_among(self) -> Data:
        """The graph on which negatives are chosen."""
        graph: Data = self.inputs
        return graph

    @staticmethod
    def sampled_anchors(batch: Data) -> Tensor | None:
        """Return the numbers of a sampled batch's anchors in the data [anchors]; None where it is all of them."""
        ids: Tensor | None = batch.get("n_id")
        return None if ids is None else ids[: batch.batch_size]

    def contrast(self, batch: Data, u: Tensor, v: Tensor) -> Contrast:
        """Return whom the anchors of a batch are compared with: others of its anchors, chosen on the whole data.

        Args:
            batch: the data, or a batch of them.
            u, v: projections of the anchors in both views [anchors, dim].
        """
        anchors = self.sampled_anchors(batch)
        contrast = self.filled(anchors, u, v)
        return contrast if self.positive_pairs is None else self.positive_pairs.into(contrast, anchors)

    def filled(self, anchors: Tensor | None, u: Tensor, v: Tensor) -> Contrast:
        """Return the contrast with its negatives; `anchors` are the numbers of a batch's, None for all items."""
        if anchors is None or self.config.negatives.name == "all":
            return self.negatives(u, v)
        assert isinstance(self.config, ContrastConfig)
        chosen = self.config.sampled(self.negatives.filled, self.chosen_among, self.randomness, anchors)
        chosen.context.links = self.negatives.context.links  # is made once
        chosen.before = self.negatives.steps
        self.negatives.steps += 1
        try:
            return chosen(u, v)
        except UserError as error:
            among = f"negatives of a batch are chosen among its {len(u):,} anchors, and a larger batch_size has more"
            raise UserError(f"{error}; {among}", **error.fields) from None
