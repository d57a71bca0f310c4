"""What a benchmark says about itself: its classes, videos and protocol. Everything else is shared."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

Side = Literal["train", "val", "test"]
"""What a video is for: to learn from; to look at while choosing; to be tested on once, at the end."""
SIDES: tuple[Side, Side] = ("train", "test")
"""Those that a benchmark needs."""
SIDE_WORDS: dict[Side, str] = {"train": "training", "val": "validation", "test": "test"}
"""What messages call them."""


@dataclass(frozen=True)
class Video:
    """One video of a benchmark.

    `path` is relative to the data root, with `/`; `label` counts from 0; the clip is the frames `start` to
    `end` (exclusive), or the whole video where they are None.
    """

    path: str
    label: int
    side: Side
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class TargetProtocol:
    """How a benchmark is trained and tested, as data; weights and the command line may say otherwise.

    `clip_len` frames `frame_stride` apart go into the network; a video is tested on `views` windows spread
    uniformly over its length times `crops` squares, and the softmax is averaged. `splits` are the names of
    the official splits (empty: whatever the user has), the first being the default; `num_classes` is the official
    number (None: the user's own). `average_splits` says that the splits divide the same videos anew, so that results
    are averaged over them; else they are different test sets or labels. `groups_apart` says that the official splits
    keep each group of videos (`Target.group`) on one side, so that lists that do not are not of one split. `mirror`
    says that a mirror image is of the same class; else training clips are not mirrored unless that is asked for.
    """

    clip_len: int = 16
    frame_stride: int = 2
    views: int = 10
    crops: int = 1
    splits: tuple[str, ...] = ()
    num_classes: int | None = None
    average_splits: bool = False
    groups_apart: bool = False
    mirror: bool = True

    def stride_of(self, clip_len: int) -> int:
        """Frames from one to the next, of so many: a clip of any length spans about as much time as the protocol's."""
        return max(1, round(self.clip_len * self.frame_stride / clip_len))


@dataclass(frozen=True)
class Download:
    """A zip archive at a public address, `size` bytes with this SHA-256.

    Its files go into `folder` of the data folder, without the `strip` outermost folders of the archive; it is not
    needed where at least `count` files match `provides` below the data folder.
    """

    url: str
    sha256: str
    size: int
    folder: str
    strip: int
    provides: str
    count: int

    @property
    def file(self) -> str:
        """The archive's name."""
        return self.url.rsplit("/", 1)[-1]


class Target(Protocol):
    """A benchmark: lists the videos that its official files name, whether they are there or not."""

    @property
    def name(self) -> str:
        """The word for `--target`."""
        ...

    @property
    def protocol(self) -> TargetProtocol:
        """Clip, views and splits."""
        ...

    @property
    def obtain(self) -> str:
        """A paragraph on where the files come from and how to unpack them."""
        ...

    @property
    def layout(self) -> str:
        """What is expected in the data folder, in a line."""
        ...

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        ...

    def index(self, root: Path, split: str) -> list[Video]:
        """All videos of a split. Raises `UserError` for missing or malformed list files."""
        ...

    def group(self, path: str) -> str | None:
        """What the video at `path` shares with others: its source. None where that is not known."""
        ...


def require_folder(root: Path, expected: str) -> None:
    """Raise `UserError` unless `root` is a folder; `expected` says what should be in it."""
    if not root.exists():
        raise UserError(f"the data folder {root} does not exist; expected {expected}")
    if not root.is_dir():
        raise UserError(f"{root} is a file, not a data folder; expected {expected}")


def require_videos(base: Path, files: Collection[str], expected: str) -> None:
    """Raise `UserError` where a data set's folder of videos has none; `expected` says what should be in it."""
    if not files:
        raise UserError(f"{base} holds no video: expected {expected}, found {contents(base)}")


def contents(root: Path) -> str:
    """What lies in a folder, for an error message."""
    return first_few(sorted(os.listdir(root)))


def check_same_case(classes: Sequence[str], folders: Sequence[str], where: Path) -> None:
    """Raise `UserError` where a class's folder is there but for upper and lower case."""
    folded = {folder.casefold(): folder for folder in folders if folder not in classes}
    for name in classes:
        if name not in folders and name.casefold() in folded:
            other = folded[name.casefold()]
            raise UserError(f"class {name!r}: the folder in {where} is called {other!r}; rename it to {name!r}")
