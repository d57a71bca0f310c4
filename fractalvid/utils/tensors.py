"""What PyTorch's tensors need in many places: copies that nobody waits for, and work on some clips of a batch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def upload(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """An array as a tensor on a device: on the CPU it shares the memory, to a GPU a copy is queued.

    The copy is made from pinned memory. From other memory, CUDA would copy by way of a buffer, and wait until all that
    is queued is done.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def rows_of(values: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """A copy of the rows `rows` (R,) of a tensor."""
    return values.index_select(0, upload(rows, values.device))


def on_active(video: Tensor, active: NDArray[np.bool_], effect: Callable[..., Tensor], *others: Tensor) -> Tensor:
    """`at_rows` for the clips that a mask (B,) marks as active."""
    return at_rows(video, np.flatnonzero(active), effect, *others)


def at_rows(video: Tensor, rows: NDArray[np.int64], effect: Callable[..., Tensor], *others: Tensor) -> Tensor:
    """Replace some clips of a batch by what an effect makes of them.

    Args:
        video: (B, ...); it stays as it is.
        rows: (R,), which clips, in any order, none of them twice. Where there are none, the result is `video` itself.
        effect: is called with the clips (R, ...), `rows`, and the rows of each of `others`. It may change the clips in
            place, since they are a copy.
        others: (B, ...), further tensors that the effect needs.
    """
    if not len(rows):
        return video
    everyone = np.arange(len(video))
    place = upload(rows, video.device)
    result = effect(video.index_select(0, place), rows, *(other.index_select(0, place) for other in others))
    if np.array_equal(rows, everyone):
        return result.contiguous()
    if video.device.type != "cpu":
        return video.index_copy(0, place, result)
    order = everyone.copy()
    order[rows] = len(video) + np.arange(len(rows))
    # On a CPU this copies whole clips, where writing to rows of a tensor would go byte by byte.
    return rows_of(torch.cat((video, result)), order)
