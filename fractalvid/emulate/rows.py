"""Work on some clips of a batch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def on_rows(video: Tensor, active: NDArray[np.bool_], effect: Callable[[Tensor, NDArray[np.int64]], Tensor]) -> Tensor:
    """Clips (B, ...), of which those that are active (B,) become `effect` of them and their numbers.

    `effect` may change what it is given, which is a copy. Where none is active, the result is `video` itself.
    """
    rows = np.flatnonzero(active)
    if not len(rows):
        return video
    result = effect(video.index_select(0, torch.from_numpy(rows).to(video.device)), rows)
    order = np.arange(len(active))
    order[rows] = len(active) + np.arange(len(rows))
    # Whole clips are copied here, which writing to rows of a tensor would do byte by byte.
    return torch.cat((video, result)).index_select(0, torch.from_numpy(order).to(video.device))
