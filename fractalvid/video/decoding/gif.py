"""Animated GIFs as video: which frame is on screen at equally spaced times.

Each frame of a GIF says how long it stays, in hundredths of a second, and files use that freely: equal frames are
merged into one that stays longer, and the last one often waits before the loop begins again. A network wants frames at
equal spacing in time, and neither 2 of them nor 1,000.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_FRAMES = 9
"""Shorter GIFs are up-sampled to this many frames (Majumdar et al., "Ani-GIFs", Front. Comput. Sci. 2022)."""
MOST_FRAMES = 60
"""Longer ones are sub-sampled to this many (same source)."""

_DEFAULT_DELAY = 10.0
"""Hundredths of a second that browsers show a frame whose delay is one hundredth or less."""
_MAX_DELAY = 100.0
"""Hundredths of a second that a frame counts for at most: what stands still for longer is a pause, not motion."""


def shown_frames(delays: Sequence[float], *, fewest: int = FEWEST_FRAMES, most: int = MOST_FRAMES) -> NDArray[np.int64]:
    """Which frame of a GIF is shown at each of T equally spaced times.

    The spacing is the shortest delay, so that every frame is met; T is brought to `fewest` to `most`. Delays that
    differ by one hundredth at most are a constant rate (30 frames a second are written as 3, 3, 4), and give every
    frame once.

    Args:
        delays: how long each frame stays, in hundredths of a second, as the file says.
        fewest: the least T.
        most: the greatest T.

    Returns:
        frame numbers (T,), never falling. Empty where there is no frame.
    """
    if not delays:
        return np.empty(0, np.int64)
    stays = np.asarray(delays, np.float64)
    stays = np.where(stays <= 1, _DEFAULT_DELAY, np.minimum(stays, _MAX_DELAY))
    if np.ptp(stays) <= 1:
        stays = np.ones_like(stays)
    total = stays.sum()
    count = int(np.clip(np.ceil(total / stays.min()), fewest, most))
    times = (np.arange(count) + 0.5) * (total / count)
    chosen: NDArray[np.int64] = np.searchsorted(np.cumsum(stays), times, side="right").astype(np.int64)
    return np.minimum(chosen, len(stays) - 1)
