"""Who draws what: counter-based random numbers by domain and field (see `fractalvid.kernels.compiled.random`).

Key = the two words of a seed; counter = (block, domain << 24 | field << 8 | attempt, a, b). Enums are append-only:
a number once given keeps its meaning, or every clip ever made changes.
"""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.kernels.compiled.random import philox4x32, seed_words, uniform

STREAM_VERSION = 2
"""Stands in every bank and card. It rises whenever the same seed gives other classes, instances, pixels, order or
emulation."""


class Domain(IntEnum):
    """What a draw is for.

    INSTANCE and PIXELS take (instance, class), CLASS takes (0, class), and the bank's seed; ORDER takes (round, class),
    SAMPLE and EMULATE the index (low, high), and the stream's seed. VIEW takes the index likewise, or (view, 0) for the
    seed that a view is drawn under.
    """

    INSTANCE = 1
    PIXELS = 2
    ORDER = 3
    SAMPLE = 4
    EMULATE = 5
    CLASS = 6
    VIEW = 7


class Field(IntEnum):
    """Which number of a domain."""

    KNOT_COUNT = 0
    KNOTS = 1
    OFFSETS = 2
    PIXEL_SEED = 16
    FIT_SEED = 17
    ORDER_KEY = 32
    PERMUTATION_KEY = 33
    WINDOW = 48
    CROP = 49
    FLIP = 50
    MAP_COLOURS = 64
    PALETTE = 65
    STOPS = 66
    DRIFT = 67
    FIGURE = 96
    LAYERS = 97
    LAYER_SEEDS = 98
    EMULATED = 128
    POOL = 129
    BACKGROUND = 130
    BACKGROUND_ENTRIES = 131
    BACKGROUND_WALK = 132
    PLACEMENT = 133
    GROUP = 134
    COPIES = 135
    FOREGROUND_MOTION = 136
    BACKGROUND_MOTION = 137
    CAMERA_MOTION = 138
    PERSPECTIVE = 139
    ZOOM = 140
    SHAKE = 141
    SHAKE_NOISE = 142
    ROLL = 143
    TIMING = 144
    RANDAUGMENT_CHOICE = 160
    RANDAUGMENT_STRENGTH = 161
    BLUR = 162
    MOTION_BLUR = 163
    VIGNETTE = 164
    EXPOSURE = 165
    WHITE_BALANCE = 166
    SENSOR_NOISE = 167
    COMPRESSION = 168
    VIEW_SEED = 192
    BACKWARDS = 193


def words_of(
    seed: int, domain: Domain, counts: Mapping[Field, int], a: ArrayLike, b: ArrayLike
) -> dict[Field, NDArray[np.uint32]]:
    """`words` (B, count) of several fields, by one call of the generator: many short ones would take much longer."""
    first, second = np.broadcast_arrays(np.atleast_1d(np.asarray(a, np.uint32)), np.asarray(b, np.uint32))
    blocks = [-(-count // 4) for count in counts.values()]
    counter = np.empty((len(first), sum(blocks), 4), np.uint32)
    counter[..., 0] = np.concatenate([np.arange(number) for number in blocks])
    counter[..., 1] = np.repeat([int(domain) << 24 | int(field) << 8 for field in counts], blocks)
    counter[..., 2] = first[:, None]
    counter[..., 3] = second[:, None]
    drawn = philox4x32(seed_words(seed), counter).reshape(len(first), -1)
    ends = 4 * np.cumsum(blocks)
    begins = ends - 4 * np.array(blocks)
    return {
        field: drawn[:, begin : begin + count]
        for (field, count), begin in zip(counts.items(), begins.tolist(), strict=True)
    }


def words(
    seed: int, domain: Domain, field: Field, a: ArrayLike, b: ArrayLike, count: int, *, attempt: ArrayLike = 0
) -> NDArray[np.uint32]:
    """`count` random words for each (a, b, attempt), which broadcast to some (B,): uint32 (B, count)."""
    first, second, tries = np.broadcast_arrays(
        np.atleast_1d(np.asarray(a, np.uint32)), np.asarray(b, np.uint32), np.asarray(attempt, np.uint32)
    )
    blocks = -(-count // 4)
    counter = np.empty((len(first), blocks, 4), np.uint32)
    counter[..., 0] = np.arange(blocks)
    counter[..., 1] = (np.uint32(int(domain) << 24 | int(field) << 8) | tries)[:, None]
    counter[..., 2] = first[:, None]
    counter[..., 3] = second[:, None]
    return philox4x32(seed_words(seed), counter).reshape(len(first), -1)[:, :count]


def uniforms(
    seed: int, domain: Domain, field: Field, a: ArrayLike, b: ArrayLike, count: int, *, attempt: ArrayLike = 0
) -> NDArray[np.float32]:
    """Like `words`, as float32 in [0, 1)."""
    return uniform(words(seed, domain, field, a, b, count, attempt=attempt))


def integers(uniform_numbers: NDArray[np.float32], low: int, high: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Uniform integers in low..high, both included, from uniforms in [0, 1)."""
    span = np.asarray(high, np.int64) - low + 1
    return np.minimum((uniform_numbers.astype(np.float64) * span).astype(np.int64), span - 1) + low


def seeds64(two_words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One uint64 from the last axis of two words."""
    low, high = two_words[..., 0].astype(np.uint64), two_words[..., 1].astype(np.uint64)
    return low | (high << np.uint64(32))
