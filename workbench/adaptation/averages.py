"""Controls of averaging experts: full tuning with a moving average of the weights, or with dropout."""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from workbench.adaptation.base import PLANS, Plan
from workbench.adaptation.blocks import blocks_of, within


@PLANS.register("moving-average")
class MovingAverage(Plan):
    """All weights of the encoder are trained, and what is kept is their exponential moving average.

    Args:
        decay: weight of the average at each step, in [0, 1]; it begins at the weights after the first step.

    Raises:
        UserError: a decay outside its limits.
    """

    def __init__(self, decay: float = 0.98):
        super().__init__()
        within("decay", decay, 0, 1)
        self.decay = decay

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Train everything."""
        encoder.requires_grad_(True)
        self.average = AveragedModel(encoder, multi_avg_fn=get_ema_multi_avg_fn(self.decay)).requires_grad_(False)

    def after_update(self, encoder: nn.Module, step: int, steps: int) -> None:
        """Move the average."""
        self.average.update_parameters(encoder)

    def finish(self, encoder: nn.Module) -> None:
        """Take the average for the weights."""
        encoder.load_state_dict(self.average.module.state_dict())


@PLANS.register("dropout")
class Dropout(Plan):
    """All weights of the encoder are trained, hidden numbers of some feed-forward units being dropped meanwhile.

    Args:
        blocks: whose units, see `blocks_of`.
        rate: share of the hidden numbers that is dropped, in [0, 1].

    Raises:
        UserError: a rate outside its limits.
    """

    def __init__(self, blocks: str = "even", rate: float = 0.1):
        super().__init__()
        within("rate", rate, 0, 1)
        self.blocks, self.rate = blocks, rate

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Train everything, and drop what the second layers are given."""
        encoder.requires_grad_(True)
        units = [block.feed_forward for block in blocks_of(encoder, self.blocks).values()]
        self._hooks = [unit.down.register_forward_pre_hook(self._dropped) for unit in units]

    def _dropped(self, layer: nn.Module, hidden: tuple[Tensor]) -> Tensor:
        return dropout(hidden[0], self.rate, layer.training)

    def finish(self, encoder: nn.Module) -> None:
        """Leave the plain units."""
        for hook in self._hooks:
            hook.remove()
