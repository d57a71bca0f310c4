"""Known answers of Philox4x32-10, from Random123's own test vectors (kat_vectors)."""

import numpy as np
import pytest

from fractalvid.kernels.compiled.random import philox4x32, seed_words, uniform


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter: list[int], key: list[int], expected: list[int]) -> None:
    assert philox4x32(key, counter).tolist() == expected


def test_broadcasts_and_keeps_shape() -> None:
    counters = np.arange(24, dtype=np.uint32).reshape(2, 3, 4)
    words = philox4x32([1, 2], counters)
    assert words.shape == (2, 3, 4)
    assert np.array_equal(words[1, 2], philox4x32([1, 2], counters[1, 2]))


def test_uniforms_are_in_range_and_even() -> None:
    counters = np.zeros((50_000, 4), np.uint32)
    counters[:, 0] = np.arange(50_000)
    u = uniform(philox4x32([7, 8], counters)).ravel()
    assert u.min() >= 0
    assert u.max() < 1
    assert np.abs(np.histogram(u, 20, (0, 1))[0] / len(u) * 20 - 1).max() < 0.05


def test_seed_words_split_64_bits() -> None:
    assert seed_words(0x0123456789ABCDEF).tolist() == [0x89ABCDEF, 0x01234567]
