"""Networks whose outputs depend on all that is in them, for comparisons of one with another."""

from typing import TypeVar

import torch
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)


def drawn(network: N, example: Tensor) -> N:
    """The network in evaluation mode, its norms with scales and shifts of their own and the statistics of `example`.

    A fresh network in evaluation mode would squash its input, and hide what its later layers do.
    """
    generator = torch.Generator().manual_seed(0)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)]
    for norm in norms:
        norm.weight.data = torch.rand(norm.weight.shape, generator=generator) + 0.5
        norm.bias.data = torch.rand(norm.bias.shape, generator=generator) - 0.5
        norm.momentum = 1.0  # the statistics of the next batch, and nothing else
    with torch.no_grad():
        network.train()(example)
    for norm in norms:
        norm.momentum = 0.1
    network.eval()
    return network
