"""Random numbers as functions of a seed and an index: the same sample comes out on any thread, after any resume."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import uniform64, words64

Floats = NDArray[np.float64]

ORDER, AUGMENT, POLICY, SEGMENTS, SHOTS = 1, 2, 3, 4, 5
"""What is drawn, as domains of the counter. Append only: the numbers belong to what a seed gives."""


def epoch_order(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """The order of `size` samples in an epoch: a permutation that (seed, epoch, size) determine."""
    return np.argsort(words64(seed, ORDER, epoch, size), kind="stable")


def uniform(seed: int, domain: int, indices: NDArray[np.int64], count: int) -> Floats:
    """Numbers (count, B) in [0, 1) for the samples `indices` (B,), a function of the arguments."""
    words = np.stack([words64(seed, domain, int(index), count) for index in indices], axis=1)
    return uniform64(words)
