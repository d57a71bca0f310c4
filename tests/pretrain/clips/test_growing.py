"""Clips that grow: their sizes, and sources that take over from each other at the right sample."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fractalvid.pretrain.clips import Growing, Stage, parse_stages
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Seen:
    source: str
    first: int
    next_index: int


class Named:
    """Batches of 4 samples that say whose they are."""

    def __init__(self, name: str) -> None:
        self.name, self.start = name, 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["next_index"]

    def __iter__(self) -> Iterator[Seen]:
        at = self.start
        while True:
            yield Seen(self.name, at, at + 4)
            at += 4


def growing() -> Growing:
    return Growing([Named("a"), Named("b"), Named("c")], [8, 12])


def first(source: Growing, count: int) -> list[tuple[str, int]]:
    return [(seen.source, seen.first) for seen, _ in zip(source, range(count), strict=False)]


WHOLE = [("a", 0), ("a", 4), ("b", 8), ("c", 12), ("c", 16), ("c", 20)]


def test_sources_take_turns_without_a_gap() -> None:
    assert first(growing(), 6) == WHOLE
    source = growing()
    assert first(source, 3) == first(source, 3) == WHOLE[:3]  # every iteration begins where it was told


@pytest.mark.parametrize("done", range(6))
def test_it_is_entered_anywhere(done: int) -> None:
    source = growing()
    source.load_state_dict({"next_index": 4 * done})
    assert first(source, 6 - done) == WHOLE[done:]


def test_a_size_without_clips_is_passed_over() -> None:
    assert first(Growing([Named("a"), Named("b"), Named("c")], [4, 4]), 3) == [("a", 0), ("c", 4), ("c", 8)]


def test_small_clips_move_as_fast_and_have_as_many_points_a_pixel() -> None:
    whole = StreamConfig(clip_len=8, frame_stride=2, size=64, points=20_000)
    small = Stage(4, 48).of(whole)
    assert (small.clip_len, small.frame_stride, small.size, small.points) == (4, 2, 48, 11_250)
    assert Stage(8, 64).of(whole) == whole
    assert Stage(4, 48).cost(whole) == pytest.approx(4 * 48 * 48 / (8 * 64 * 64))
    assert Stage(1, 1).of(StreamConfig(size=64, points=100)).points == 1
    fits = [Stage(*sides).fits(whole) for sides in [(8, 64), (9, 64), (8, 65), (1, 1)]]
    assert fits == [True, False, False, True]


def test_sizes_as_they_are_typed() -> None:
    assert parse_stages(["4x48", "8x48"]) == [Stage(4, 48), Stage(8, 48)]
    assert parse_stages([]) == []


@pytest.mark.parametrize(
    "text", ["", "4", "x48", "4x", "0x48", "4x0", "4x48x48", "-4x48", "4 x 48", "٤x48", "4x999999"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^grow has .*; it takes FRAMESxPIXELS, such as 4x48$"):
        parse_stages(["4x48", text])


def test_too_many_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="grow has 101 sizes; it takes at most 100"):
        parse_stages(["4x48"] * 101)
