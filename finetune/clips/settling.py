"""BatchNorm's statistics estimated anew on clips of the data at hand, whose labels nobody looks at."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn


def settle(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the statistics of all BatchNorm layers by the mean of those of `batches`, float32 (B, 3, T, H, W).

    Weights, the mode of the network and torch's generators are left as they were.
    """
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[]):
        update_bn(batches, network, device)
