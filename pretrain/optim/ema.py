"""A moving average of a network's weights: often the better network, at the price of one copy."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Ema:
    """The exponential moving average of a network, BatchNorm's statistics included.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that an average over many steps does not begin with
    the initial weights (as TensorFlow's ExponentialMovingAverage with `num_updates`).

    Attributes:
        network: the averaged one, on the same device.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with the weights as they are.

        Args:
            network: its parameters are followed, not changed.
            decay: what an average keeps of itself in each step, in (0, 1), such as 0.999.
        """

        def average(averages: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
            now = min(decay, (1 + int(count)) / (10 + int(count)))
            get_ema_multi_avg_fn(now)(averages, current, count)  # type: ignore[no-untyped-call]  # torch leaves it untyped

        self._averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
        self._averaged.requires_grad_(False)
        self.network: nn.Module = self._averaged.module

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Follow `network` by one step."""
        self._averaged.update_parameters(network)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self._averaged.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what `state_dict` gave; raises as `nn.Module.load_state_dict` does."""
        self._averaged.load_state_dict(state)
