"""Shuffling BN (He et al. 2020, arXiv 1911.05722, section 3.3): BatchNorm in groups, and a permutation over them.

Where queries and keys are normalised by the statistics of one and the same batch, a network can tell from these which
belong together, without looking at the clips. So keys are normalised beside other clips than their queries: a
permutation sends them to other processes, and within a process to other groups, as "SplitBatchNorm" in the authors'
demo of MoCo on CIFAR does.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.core.seeds import words64
from fractalvid.pretrain.machine import gather, rank, world_size

MOST_GROUPS = 8
"""Groups of a process, by default: as many as the original has GPUs."""
SMALLEST_GROUP = 8
"""Clips of a group, by default, where a batch has two such groups: statistics of fewer are mostly noise."""
_DOMAIN = 0x62A7C4  # keeps these words apart from others that are drawn from counters


class SplitBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm that in training normalises each of `groups` consecutive parts of its input by the part's statistics.

    Parameters, buffers and names are BatchNorm's, and so is what it does in evaluation. Running statistics take the
    mean over the groups, one update a batch.

    Attributes:
        groups: how many parts; changed by `set_groups`.
    """

    groups: int = 1

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` (N, C, ...); N is a multiple of `groups` in training."""
        if not self.training or self.groups == 1:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        means, variances = (kept.repeat(self.groups, 1) for kept in (self.running_mean, self.running_var))
        parts = [
            F.batch_norm(part, mean, variance, self.weight, self.bias, True, self.momentum, self.eps)
            for part, mean, variance in zip(x.chunk(self.groups), means, variances, strict=True)
        ]
        with torch.no_grad():
            self.running_mean.copy_(means.mean(0))
            self.running_var.copy_(variances.mean(0))
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return torch.cat(parts)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do: networks of frames have four, those of clips five."""


def split_batchnorm(module: nn.Module) -> nn.Module:
    """`module` with every BatchNorm in it made a `SplitBatchNorm` that shares its parameters and buffers, of one group.

    Layers without running statistics, or with a plain mean over all batches as these, stay as they are.
    """
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        if module.running_mean is None or module.momentum is None:
            return module
        split = SplitBatchNorm(module.num_features, module.eps, module.momentum, module.affine)
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "training"):
            setattr(split, name, getattr(module, name))
        return split
    for name, child in module.named_children():
        setattr(module, name, split_batchnorm(child))
    return module


def set_groups(module: nn.Module, groups: int) -> None:
    """Let every `SplitBatchNorm` in `module` normalise in so many groups."""
    for part in module.modules():
        if isinstance(part, SplitBatchNorm):
            part.groups = groups


def groups_for(clips: int, asked: int | None) -> int:
    """In how many groups a process normalises `clips` clips: as asked, or as many as make sense.

    Those are the most, up to `MOST_GROUPS`, that leave `SMALLEST_GROUP` clips or more in each; of a batch too small for
    two such groups, two. One where clips can't be shared out so, or where several processes are groups already.

    Raises:
        ValueError: a number that was asked for, and does not divide the clips.
    """
    if asked is not None:
        if clips % asked:
            raise ValueError(f"{clips} clips can't be normalised in {asked} equal groups")
        return asked
    if world_size() > 1:
        return 1
    fitting = [n for n in range(2, MOST_GROUPS + 1) if clips % n == 0 and clips // n >= SMALLEST_GROUP]
    return max(fitting, default=2 if clips % 2 == 0 and clips >= 4 else 1)


def shuffled_order(number: int, count: int) -> Tensor:
    """A permutation int64 (`count`,) that follows from `number` alone: the same on all processes and after a resume."""
    return torch.from_numpy(np.argsort(words64(0, _DOMAIN, number, count), kind="stable"))


@torch.no_grad()
def encode_shuffled(encode: Callable[[Tensor], Tensor], clips: Tensor, number: int) -> Tensor:
    """What `encode` makes of the clips of all processes, each dealt out anew to processes and groups.

    Args:
        encode: (B, ...) -> (B, D), by BatchNorm of this process, maybe in groups.
        clips: (B, ...), this process's; B is the same on all.
        number: of the batch, the same on all processes: another one, another order.

    Returns:
        (R B, D), those of all processes in their own order, without gradient.
    """
    everyone = gather(clips)
    order = shuffled_order(number, len(everyone)).to(clips.device)
    own = order[rank() * len(clips) :][: len(clips)]
    encoded = gather(encode(everyone[own]))
    restored = torch.empty_like(encoded)
    restored[order] = encoded
    return restored
