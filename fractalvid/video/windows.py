"""Which frames of a video make a clip."""

import numpy as np
from numpy.typing import NDArray


def effective_stride(length: int, clip_len: int, stride: int) -> int:
    """The stride that fits: a clip shorter than the window is seen with a smaller stride, down to 1."""
    if clip_len == 1:
        return 1
    return int(np.clip((length - 1) // (clip_len - 1), 1, stride))


def window(length: int, clip_len: int, stride: int, position: float) -> NDArray[np.int64]:
    """Frame numbers (clip_len,) of a window at `position` in [0, 1) of the room it has.

    Where even stride 1 does not fit, the last frame repeats, as the field does.
    """
    step = effective_stride(length, clip_len, stride)
    room = max(0, length - 1 - (clip_len - 1) * step)
    start = int(position * (room + 1))
    chosen: NDArray[np.int64] = np.minimum(start + step * np.arange(clip_len), length - 1)
    return chosen
