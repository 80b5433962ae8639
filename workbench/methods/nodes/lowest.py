"""What returns to the weights of the lowest training loss, as DGI and SGRL do."""

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.methods.nodes.batches import NodeMethod
from workbench.randomness import Randomness


class LowestLoss(NodeMethod):
    """`encoder` holds the weights of the epoch of the lowest loss so far, `online` those that are trained.

    `waited` counts the epochs since.
    """

    online: Any
    lowest: Tensor
    waited: Tensor

    def __init__(self, config: Any, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        assert self.encoder is not None
        self.online = copy.deepcopy(self.encoder)
        self.encoder.requires_grad_(False)
        self.losses = list[Tensor]()  # of the epoch so far
        self.register_buffer("lowest", torch.tensor(torch.inf))
        self.register_buffer("waited", torch.tensor(0))

    def seen(self, loss: Tensor) -> None:
        """Take down the loss of a batch, and after the epoch's last one keep the weights where it is the lowest."""
        self.losses.append(loss.detach())
        if len(self.losses) < len(self.batches()):
            return
        mean = torch.stack(self.losses).mean()
        self.losses.clear()
        if mean < self.lowest:
            assert self.encoder is not None
            self.encoder.load_state_dict(self.online.state_dict())
            self.lowest.copy_(mean)
            self.waited.zero_()
        else:
            self.waited += 1
