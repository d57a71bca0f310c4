"""Random numbers as functions of a seed and an index: the same sample comes out on any thread, after any resume."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ORDER, AUGMENT, POLICY, SEGMENTS, SHOTS = 1, 2, 3, 4, 5
"""What is drawn, as domains of the counter. Append only: the numbers belong to what a seed gives."""


def random_words(seed: int, domain: int, index: int, count: int) -> NDArray[np.uint64]:
    """`count` random words, a function of the arguments: Philox4x64-10 with the index in its counter."""
    key = np.array([seed, domain], dtype=np.uint64)
    counter = np.array([0, 0, index, 0], dtype=np.uint64)
    words: NDArray[np.uint64] = np.random.Philox(key=key, counter=counter).random_raw(count)
    return words


def epoch_order(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """The order of `size` samples in an epoch: a permutation that (seed, epoch, size) determine."""
    return np.argsort(random_words(seed, ORDER, epoch, size), kind="stable")


def uniform(seed: int, domain: int, indices: NDArray[np.int64], count: int) -> Floats:
    """Numbers (count, B) in [0, 1) for the samples `indices` (B,), a function of the arguments."""
    words = np.stack([random_words(seed, domain, int(index), count) for index in indices], axis=1)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
