"""Work on some clips of a batch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.utils.upload import rows_of, upload


def on_rows(video: Tensor, active: NDArray[np.bool_], effect: Callable[..., Tensor], *others: Tensor) -> Tensor:
    """Clips (B, ...), of which those that are active (B,) become `effect` of them and their numbers.

    Where there are `others` (B, ...), it is given their rows, too. `effect` may change what it is given, which is a
    copy. Where none is active, the result is `video` itself.
    """
    return on_these(video, np.flatnonzero(active), effect, *others)


def on_these(video: Tensor, rows: NDArray[np.int64], effect: Callable[..., Tensor], *others: Tensor) -> Tensor:
    """The same of the clips at `rows`, in any order, none of them twice."""
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
    # On a CPU, whole clips are copied here, which writing to rows of a tensor would do byte by byte.
    return rows_of(torch.cat((video, result)), order)
