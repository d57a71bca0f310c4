"""What a sample is cut from: frames that lie in memory, or that are read when somebody looks at them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class Frames(Protocol):
    """The frames of a clip: of `shape` (T, H, W, 3), and indexed like an array of uint8. An array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """T, H, W, 3."""
        ...

    def __len__(self) -> int:
        """T."""
        ...

    def __getitem__(self, key: Any, /) -> Bytes:
        """Frames by their numbers (an array or a slice), or a tuple of these and slices of rows and columns."""
        ...


@dataclass(frozen=True)
class ReadFrames:
    """Frames that `read` gets when they are looked at, each once: ascending numbers (n,) -> uint8 (n, H, W, 3)."""

    shape: tuple[int, ...]
    read: Callable[[Numbers], Bytes]

    def __len__(self) -> int:
        """T."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Bytes:
        """As an array of this shape would give."""
        numbers, *region = key if isinstance(key, tuple) else (key,)
        chosen = np.arange(len(self))[numbers]
        needed, where = np.unique(chosen, return_inverse=True)
        pictures = self.read(needed)
        chosen_frames: Bytes = pictures[(where.reshape(chosen.shape), *region)]
        return chosen_frames

    def part(self, start: int | None, end: int | None) -> "ReadFrames":
        """The frames `start` to `end` (exclusive) alone."""
        first, stop, _ = slice(start, end).indices(len(self))
        return ReadFrames((max(0, stop - first), *self.shape[1:]), lambda numbers: self.read(first + numbers))
