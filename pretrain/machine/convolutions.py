"""Convolutions on a CPU whose kernels are larger than their video: computed without what sees nothing of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class FittedKernels(TorchFunctionMode):
    """Inside, 3D convolutions leave out the parts of their kernels that see padding alone; the same but for rounding.

    Short clips are down to a frame or two in the late stages, which hold most weights: of 3 x 3 x 3 weights on a single
    frame two thirds see nothing, and cost as much as the others.

    In bfloat16, padding is written out where a kernel is larger than its video even so. By itself, oneDNN's gradients
    of such weights are wrong: not inexact but made of memory that was never written, and sometimes written out of
    bounds (seen in torch 2.15 without AMX). A test compares all convolutions of every network with float32.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`, or what stands in for it."""
        kwargs = kwargs or {}
        if func is torch.conv3d:
            convolution = Convolution(*args, **kwargs)
            if convolution.reaches_beyond():
                return convolution.fitted()
        return func(*args, **kwargs)


@dataclass(frozen=True)
class Convolution:
    """What `torch.conv3d` takes."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] | str = 0
    dilation: int | tuple[int, ...] = 1
    groups: int = 1

    def reaches_beyond(self) -> bool:
        """Whether its kernel is larger than the video along any axis."""
        return any(have < need for have, need in zip(self.input.shape[-3:], self.weight.shape[2:], strict=True))

    def fitted(self) -> Tensor:
        """What it gives, with a kernel that fits."""
        if isinstance(self.padding, str) or _three(self.dilation) != (1, 1, 1):
            return self.in_float32()
        video, kernel = self.input.shape[-3:], self.weight.shape[2:]
        sides = zip(video, kernel, _three(self.stride), _three(self.padding), strict=True)
        axes = [_fit(*side, written=torch.is_autocast_enabled("cpu")) for side in sides]
        weight = self.weight[(slice(None), slice(None), *(axis.taps for axis in axes))]
        written = [many for axis in reversed(axes) for many in axis.written]
        padded = F.pad(self.input, written) if any(written) else self.input
        padding = tuple(axis.padding for axis in axes)
        return torch.conv3d(padded, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def in_float32(self) -> Tensor:
        """What it gives where it is not taken apart."""
        with torch.autocast("cpu", enabled=False):
            return torch.conv3d(
                self.input.float(), self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
            )


@dataclass(frozen=True)
class _Axis:
    """How a convolution is computed along an axis: by which taps, with padding written out before and after, or not."""

    taps: slice
    written: tuple[int, int]
    padding: int


def _fit(have: int, kernel: int, stride: int, padding: int, *, written: bool) -> _Axis:
    """Of `have` frames, rows or columns; padding is `written` out where the taps that are left don't fit them."""
    outputs = (have + 2 * padding - kernel) // stride + 1
    if have >= kernel or outputs < 1:
        return _Axis(slice(None), (0, 0), padding)
    # Output o sees by tap t what lies at o * stride + t - padding.
    first, last = max(0, padding - (outputs - 1) * stride), min(kernel, have + padding)
    taps, before = slice(first, last), padding - first
    after = (outputs - 1) * stride + last - first - have - before
    alike = (have + 2 * before - (last - first)) // stride + 1 == outputs
    if alike and not (written and last - first > have):
        return _Axis(taps, (0, 0), before)
    return _Axis(taps, (before, after), 0)


def _three(values: int | tuple[int, ...]) -> tuple[int, ...]:
    """A value for each axis."""
    return (values,) * 3 if isinstance(values, int) else tuple(values)
