"""Which seed and counter give which random number: the one place where random numbers are drawn from counters.

Philox4x32-10 (`fractalvid.kernels.compiled.random`) draws the numbers of clips. Its key is the two words of a seed, its
counter is (block, purpose, a, b) with purpose = domain << 24 | field << 8 | attempt. Enums are append-only: if a number
changed its meaning, every clip ever made would change.

Classes are drawn from PCG64 generators (`class_generator`), and training from Philox4x64-10 (`words64`).
"""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

STREAM_VERSION = 3
"""Stands in every bank and card. It rises whenever a seed comes to give other classes, instances, pixels, order or
emulation."""


class Domain(IntEnum):
    """What a draw is for.

    The counter's words a and b are (instance, class) for INSTANCE and PIXELS and (0, class) for CLASS, under the bank's
    seed. Under the stream's seed they are (round, class) for ORDER, the two words of the sample's index for SAMPLE,
    EMULATE and RECOLOUR, and for VIEW either these or (view, 0), which gives the seed of a view.
    """

    INSTANCE = 1
    PIXELS = 2
    ORDER = 3
    SAMPLE = 4
    EMULATE = 5
    CLASS = 6
    VIEW = 7
    RECOLOUR = 254


class Field(IntEnum):
    """Which number of a domain."""

    KNOT_COUNT = 0
    RECOLOURED = 0  # in a domain of its own
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
    SCENE = 145
    SCENE_LAYERS = 146
    SCENE_SHAPES = 147
    SCENE_PATH = 148
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


def index_words(index: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The low and the high 32 bits of indices, as counters take them."""
    whole = np.asarray(index, np.int64)
    return whole & 0xFFFFFFFF, whole >> 32


def purpose(domain: Domain, field: Field) -> int:
    """The second word of a counter at attempt 0."""
    return int(domain) << 24 | int(field) << 8


def words_by_field(
    seed: int,
    domain: Domain,
    counts: Mapping[Field, int],
    a: ArrayLike,
    b: ArrayLike,
    *,
    attempt: ArrayLike = 0,
) -> dict[Field, NDArray[np.uint32]]:
    """Random words of several fields by one call of the generator, since many short calls would take much longer.

    Args:
        seed: the key.
        domain: what the words are for.
        counts: how many words of each field.
        a: third word of the counter; `a`, `b` and `attempt` broadcast to some (B,).
        b: fourth word of the counter.
        attempt: lowest byte of the counter's second word, 0..255.

    Returns:
        uint32 (B, count) for each field.
    """
    from fractalvid.kernels.compiled import (  # brings Numba, which configurations don't need
        philox4x32,
        seed_words,
    )

    third, fourth, tries = np.broadcast_arrays(
        np.atleast_1d(np.asarray(a, np.uint32)), np.asarray(b, np.uint32), np.asarray(attempt, np.uint32)
    )
    blocks = [-(-count // 4) for count in counts.values()]
    counter = np.empty((len(third), sum(blocks), 4), np.uint32)
    counter[..., 0] = np.concatenate([np.arange(number) for number in blocks])
    second = np.repeat(np.array([purpose(domain, field) for field in counts], np.uint32), blocks)
    counter[..., 1] = second | tries[:, None]
    counter[..., 2] = third[:, None]
    counter[..., 3] = fourth[:, None]
    drawn = philox4x32(seed_words(seed), counter).reshape(len(third), -1)
    ends = 4 * np.cumsum(blocks)
    begins = ends - 4 * np.array(blocks)
    return {
        field: drawn[:, begin : begin + count]
        for (field, count), begin in zip(counts.items(), begins.tolist(), strict=True)
    }


def words(
    seed: int, domain: Domain, field: Field, a: ArrayLike, b: ArrayLike, count: int, *, attempt: ArrayLike = 0
) -> NDArray[np.uint32]:
    """Random words uint32 (B, count) of one field, see `words_by_field`."""
    return words_by_field(seed, domain, {field: count}, a, b, attempt=attempt)[field]


def uniforms(
    seed: int, domain: Domain, field: Field, a: ArrayLike, b: ArrayLike, count: int, *, attempt: ArrayLike = 0
) -> NDArray[np.float32]:
    """Like `words`, as float32 in [0, 1)."""
    from fractalvid.kernels.compiled import uniform

    return uniform(words(seed, domain, field, a, b, count, attempt=attempt))


def words64(seed: int, domain: int, index: int, count: int, *, rank: int = 0) -> NDArray[np.uint64]:
    """Random words uint64 (count,) for training, a function of the arguments: Philox4x64-10.

    Args:
        seed: first word of the key, 0..2⁶⁴-1.
        domain: second word of the key, which keeps what is drawn under one seed apart.
        index: third word of the counter, such as a sample or a step.
        count: how many words.
        rank: second word of the counter, for processes that draw each for itself.
    """
    key, counter = np.array([seed, domain], np.uint64), np.array([0, rank, index, 0], np.uint64)
    drawn: NDArray[np.uint64] = np.random.Philox(key=key, counter=counter).random_raw(count)
    return drawn


def uniform64(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform float64 in [0, 1) from the upper 53 bits of each word."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)


def class_generator(seed: int, class_id: int) -> np.random.Generator:
    """The generator that a class of a bank is drawn from; it depends on nothing but the bank's seed and the class."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(class_id,))))


def integers(uniform_numbers: NDArray[np.float32], low: int, high: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Uniform integers in low..high, both included, from uniforms in [0, 1)."""
    span = np.asarray(high, np.int64) - low + 1
    return np.minimum((uniform_numbers.astype(np.float64) * span).astype(np.int64), span - 1) + low


def seeds64(two_words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One uint64 from the last axis of two words."""
    low, high = two_words[..., 0].astype(np.uint64), two_words[..., 1].astype(np.uint64)
    return low | (high << np.uint64(32))
