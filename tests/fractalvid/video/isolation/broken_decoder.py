"""A child whose decoder does what the names of videos say: what damaged files do to real ones, by accident."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fractalvid.video.isolation import child
from fractalvid.video.reader import frames_by_number


def decode(
    video: str | Path | bytes, rgb: bool, short_side: int | None, max_pixels: int, wanted: frozenset[int] | None = None
) -> dict[int, NDArray[np.uint8]]:
    name = Path(os.fsdecode(video)).stem
    if name == "segfault":
        ctypes.string_at(0)
    if name == "abort":
        os.abort()
    if name == "exit":
        os._exit(7)
    if name == "hang":
        time.sleep(1000)
    if name == "fill":
        np.ones(2**34, np.uint8)
    if name == "noise":
        print("what libraries print", flush=True)
        os.write(1, b"past Python, too")
    return frames_by_number(video, rgb, short_side, max_pixels, wanted)


def main(memory: int) -> None:
    child.frames_by_number = decode  # type: ignore[attr-defined]  # a child of its own serves no other test
    child.main(memory)
