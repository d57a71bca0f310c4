"""The gradient reversal layer (Ganin & Lempitsky 2015, arXiv 1409.7495): identity forward, -lambda backward."""

from typing import Any

import torch
from torch import Tensor


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """`x` as it is; the gradient that comes back through it is multiplied by -`strength`.

    What stands behind it learns to lower a loss, and what stands before it to raise the same loss.
    """
    reversed_: Tensor = _Reversal.apply(x, strength)
    return reversed_
