"""Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

A number is a function of a 64-bit key and a 128-bit counter, so it does not matter who asks for it, or when.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.kernels.compiled.compile import disk_cached

U32 = np.uint32
U64 = np.uint64

_MULTIPLIER_0 = U64(0xD2511F53)
_MULTIPLIER_1 = U64(0xCD9E8D57)
_WEYL_0 = U32(0x9E3779B9)
_WEYL_1 = U32(0xBB67AE85)
_LOW = U64(0xFFFFFFFF)
_HALF = U64(32)

UNIT = np.float32(2.0**-24)
"""Step of the 24-bit uniforms in [0, 1)."""


@disk_cached
def philox(key0, key1, counter0, counter1, counter2, counter3):
    """Four random uint32 words for a key of two and a counter of four uint32 words (ten rounds)."""
    for _ in range(10):
        product0 = _MULTIPLIER_0 * U64(counter0)
        product1 = _MULTIPLIER_1 * U64(counter2)
        counter0 = U32(U32(product1 >> _HALF) ^ U32(counter1) ^ U32(key0))
        counter1 = U32(product1 & _LOW)
        counter2 = U32(U32(product0 >> _HALF) ^ U32(counter3) ^ U32(key1))
        counter3 = U32(product0 & _LOW)
        key0 = U32(key0 + _WEYL_0)
        key1 = U32(key1 + _WEYL_1)
    return counter0, counter1, counter2, counter3


@disk_cached
def _fill(key, counter, out):
    for i in range(out.shape[0]):
        w = philox(key[i, 0], key[i, 1], counter[i, 0], counter[i, 1], counter[i, 2], counter[i, 3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = w


def philox4x32(key: ArrayLike, counter: ArrayLike) -> NDArray[np.uint32]:
    """Random words for arrays of keys (..., 2) and counters (..., 4), which broadcast; returns uint32 (..., 4)."""
    keys = np.asarray(key, np.uint32)
    counters = np.asarray(counter, np.uint32)
    shape = np.broadcast_shapes(keys.shape[:-1], counters.shape[:-1])
    keys = np.ascontiguousarray(np.broadcast_to(keys, (*shape, 2))).reshape(-1, 2)
    counters = np.ascontiguousarray(np.broadcast_to(counters, (*shape, 4))).reshape(-1, 4)
    out = np.empty((len(counters), 4), np.uint32)
    _fill(keys, counters, out)
    return out.reshape(*shape, 4)


def uniform(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Uniform float32 in [0, 1) from the upper 24 bits of each word."""
    return (words >> np.uint32(8)).astype(np.float32) * UNIT


def seed_words(seed: int) -> NDArray[np.uint32]:
    """The two key words (low, high) of a 64-bit seed."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], np.uint32)
