from typing import Any

import numpy as np
import pytest

from fractalvid.finetune.cache.frames import Bytes, Numbers, ReadFrames

WHOLE = np.random.default_rng(0).integers(0, 256, (11, 6, 8, 3), np.uint8)


def reader(asked: list[list[int]]) -> ReadFrames:
    def read(numbers: Numbers) -> Bytes:
        asked.append(numbers.tolist())
        return WHOLE[numbers]

    return ReadFrames(WHOLE.shape, read)


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(2, 9, 3),
        slice(-3, None),
        np.array([4, 2, 2, 10]),
        np.array([[0, 1], [1, 2], [10, 10]]),
        (np.array([7, 7, 8]), slice(1, 4), slice(2, 8)),
        (slice(3, 5), slice(0, 2)),
    ],
)
def test_it_is_indexed_as_an_array_is(key: Any) -> None:
    frames = reader([])
    assert np.array_equal(frames[key], WHOLE[key])
    assert (len(frames), frames.shape) == (11, WHOLE.shape)


def test_only_what_is_looked_at_is_read_and_that_once() -> None:
    asked: list[list[int]] = []
    frames = reader(asked)
    frames[np.array([[5, 3], [3, 9]])]
    assert asked == [[3, 5, 9]]


@pytest.mark.parametrize(("start", "end"), [(2, 6), (None, 4), (7, None), (9, 99), (20, 30)])
def test_a_part_counts_from_its_own_start(start: int | None, end: int | None) -> None:
    part, expected = reader([]).part(start, end), WHOLE[start:end]
    assert part.shape == expected.shape
    if len(expected):
        numbers = np.arange(len(expected))[::-1].copy()
        assert np.array_equal(part[numbers], expected[numbers])
