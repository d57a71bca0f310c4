"""The sizes that clips have while they grow: few and small frames first, which cost a part, then whole ones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError

MAX_STAGES = 100
"""Sizes that a run may begin with."""


@dataclass(frozen=True)
class Stage:
    """The size of clips for a part of a run.

    Attributes:
        frames: of a clip.
        size: rows and columns, in pixels.
    """

    frames: int
    size: int

    def of(self, stream: StreamConfig) -> StreamConfig:
        """The clips of `stream` in this size.

        Frames stay as far apart as they are, so that things move as fast, and points a pixel stay as many.
        """
        points = round(stream.points * (self.size / stream.size) ** 2)
        return replace(stream, clip_len=self.frames, size=self.size, points=max(1, points))

    def fits(self, stream: StreamConfig) -> bool:
        """Whether it is no larger than clips of `stream` are."""
        return self.frames <= stream.clip_len and self.size <= stream.size

    def cost(self, stream: StreamConfig) -> float:
        """Its pixels, of those that whole clips have."""
        return self.frames * self.size**2 / (stream.clip_len * stream.size**2)


def parse_stages(texts: Sequence[str]) -> list[Stage]:
    """What `--grow 4x48 8x48` says.

    Raises:
        UserError: something else.
    """
    if len(texts) > MAX_STAGES:
        raise UserError(f"grow has {len(texts)} sizes; it takes at most {MAX_STAGES}")
    return [_parse(text) for text in texts]


def _parse(text: str) -> Stage:
    numbers = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if numbers is None:
        raise UserError(f"grow has {text!r}; it takes FRAMESxPIXELS, such as 4x48")
    return Stage(int(numbers[1]), int(numbers[2]))
