"""A share of videos taken for testing or for validation, so that cuts of one recording stay on one side."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from fractalvid.finetune.targets.base import Side, Video
from fractalvid.finetune.targets.files.matching import composed
from fractalvid.utils.errors import UserError

_NUMBERS = re.compile(r"[\W\d_]+$")
# What cameras and phones call each of their recordings: before a number, these name no source.
_WORDS = "c clip dji dsc dscn gh gopr gp gx img mah mov movie mvi p pic pxl rec sam screenrecording v vid video wp"
_CAMERAS = frozenset(_WORDS.split(" "))


def source_of(path: str) -> str:
    """What a video's name says of its source: the name without its ending and the numbers at its end.

    Cuts `film_01.mp4` and `film_02.mp4` are of one source. Names that are numbers, with or without a camera's prefix
    (`IMG_0001.mov`), are a source each.
    """
    stem = composed(PurePosixPath(path).stem).casefold()
    source = _NUMBERS.sub("", stem)
    return stem if not source or source in _CAMERAS else source


def own_source(path: str) -> str:
    """Each video is a source of its own."""
    return path


def draw_share(
    videos: Sequence[Video],
    share: float,
    seed: int,
    source: Callable[[str], str],
    classes: Sequence[str],
    *,
    side: Side = "test",
) -> list[Video]:
    """Put about `share` of the videos of each class on another side, whole sources at a time, by a seed.

    Which sources is a matter of the seed and their names alone, as far as the shares allow: more videos change little.
    One that is much larger than the share is passed over where the class has others.

    Every class keeps training videos. A class whose videos are all of one source has none to choose by.

    Raises:
        UserError: that is so, and it would have none to be tested on.
    """
    labels = defaultdict[str, Counter[int]](Counter)
    for video in videos:
        labels[source(video.path)][video.label] += 1
    order = sorted(labels, key=lambda name: _rank(name, seed))
    training = Counter(video.label for video in videos)
    wanted = {label: max(1, round(share * count)) for label, count in training.items()}
    tested, chosen = Counter[int](), set[str]()

    def take(name: str) -> None:
        """Put a source on the other side, unless it is there, or a class would be left without training videos."""
        if name not in chosen and all(held < training[label] for label, held in labels[name].items()):
            chosen.add(name)
            tested.update(labels[name])
            training.subtract(labels[name])

    for label in sorted(training):
        sizes = {name: labels[name][label] for name in order if labels[name][label]}
        for name, size in sizes.items():
            # The last source is taken where that comes nearer to the share than going without.
            if size <= 2 * (wanted[label] - tested[label]):
                take(name)
        for name in sorted(sizes, key=sizes.__getitem__):
            if not tested[label]:  # each is too large: the smallest goes least beyond the share
                take(name)
        if not tested[label] and side == "test":
            raise UserError(f"--val-share: {_why_none(classes[label], training[label])}")
    return [replace(video, side=side if source(video.path) in chosen else "train") for video in videos]


def _why_none(name: str, videos: int) -> str:
    """Why so many videos of a class give none to be tested on, and what helps."""
    if videos == 1:
        return f"class {name!r} has a single video, and it takes two: one to train and one to test on"
    return (
        f"the videos of class {name!r} are of one source by their names, which cannot be on both sides; --val-by file "
        "takes single files, or sort them into train/ and test/"
    )


def _rank(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\n{name}".encode(errors="surrogateescape"), digest_size=8).digest()
