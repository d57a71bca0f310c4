"""Work on some clips of a batch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.emulate.upload import rows_of, upload


def on_rows(video: Tensor, active: NDArray[np.bool_], effect: Callable[[Tensor, NDArray[np.int64]], Tensor]) -> Tensor:
    """Clips (B, ...), of which those that are active (B,) become `effect` of them and their numbers.

    `effect` may change what it is given, which is a copy. Where none is active, the result is `video` itself.
    """
    rows = np.flatnonzero(active)
    if not len(rows):
        return video
    place = upload(rows, video.device)
    result = effect(video.index_select(0, place), rows)
    if len(rows) == len(active):
        return result.contiguous()
    if video.device.type != "cpu":
        return video.index_copy(0, place, result)
    order = np.arange(len(active))
    order[rows] = len(active) + np.arange(len(rows))
    # On a CPU, whole clips are copied here, which writing to rows of a tensor would do byte by byte.
    return rows_of(torch.cat((video, result)), order)
