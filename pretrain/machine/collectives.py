"""Tensors and values that the processes of one run exchange; every process has to call each of these.

In a run of one process they exchange nothing, and return what they were given.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fractalvid.pretrain.machine.processes import rank, world_size

T = TypeVar("T")


class _Gather(torch.autograd.Function):
    """All ranks' tensors; each rank's gradient is the sum of the gradients that all ranks have for its part."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        summed = total(grad[0].contiguous())
        return summed[rank() * ctx.rows : (rank() + 1) * ctx.rows]


def gather(x: Tensor) -> Tensor:
    """`x` (B, ...) of all ranks, concatenated in rank order: (R B, ...), with gradient.

    B has to be the same on all ranks. Where each rank has a loss of the gathered tensor, gradients that are averaged
    over the ranks are those of the mean of these losses.
    """
    if world_size() == 1:
        return x
    gathered: Tensor = _Gather.apply(x.contiguous())
    return gathered


def mean(x: Tensor) -> Tensor:
    """The mean of `x` over all ranks, without gradient."""
    if world_size() == 1:
        return x
    return total(x) / world_size()


def total(x: Tensor) -> Tensor:
    """The sum of `x` over all ranks, without gradient."""
    if world_size() == 1:
        return x
    summed = x.detach().clone()
    dist.all_reduce(summed)
    return summed


def in_turns(own: Sequence[tuple[Tensor, ...]]) -> Sequence[tuple[Tensor, ...]]:
    """Merge the sequences of all ranks by turns: first of rank 0, first of rank 1, ..., second of rank 0, ...

    The tensors come to lie on the device of this rank's own, or on the CPU where it has none.
    """
    if world_size() == 1:
        return own
    device = own[0][0].device if own else torch.device("cpu")
    theirs = all_of([tuple(tensor.cpu() for tensor in tensors) for tensors in own])
    rounds = zip_longest(*theirs, fillvalue=())
    return [tuple(tensor.to(device) for tensor in tensors) for turn in rounds for tensors in turn if tensors]


@torch.no_grad()
def share_buffers(module: nn.Module) -> None:
    """Give every rank the buffers that `module` has on rank 0, such as running statistics."""
    for buffer in module.buffers() if world_size() > 1 else ():
        dist.broadcast(buffer, 0)


def any_of(flag: bool) -> bool:
    """Whether `flag` holds on any rank."""
    return flag if world_size() == 1 else float(mean(torch.tensor(float(flag)))) > 0


def all_of(value: T) -> list[T]:
    """`value` of every rank, in rank order."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values
