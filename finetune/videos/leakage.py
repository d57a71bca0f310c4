"""Videos on two sides, as test videos that are trained on: an accuracy on them says nothing, so they are an error."""

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.targets.base import SIDE_WORDS, Side, Target, Video
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.index import stamp_of
from fractalvid.video.names import picture_files

_HEAD = 1 << 16
"""Bytes that tell most files of one size apart."""

Pair = tuple[Side, Side]
_PAIRS: tuple[Pair, ...] = (("train", "test"), ("train", "val"), ("val", "test"))


def check_lists(target: Target, videos: Sequence[Video]) -> None:
    """Raise `UserError` where lists have a video on two sides, or twice.

    Cuts of one video may lie on both sides where they share no frame; on one side those of one class may overlap, as
    sliding windows do. Where the benchmark's splits keep groups of videos apart (`TargetProtocol.groups_apart`), a
    group on both sides means that the lists are of different splits.
    """
    known = defaultdict[str, list[Video]](list)
    leaking = defaultdict[Pair, list[str]](list)
    for video in videos:
        others = [other for other in known[video.path] if _overlap(video, other)]
        for other in (other for other in others if other.side == video.side):
            same = (other.start or 0, other.end) == (video.start or 0, video.end)
            if same or other.label != video.label:
                how = "" if same else ", with frames of two classes"
                raise UserError(f"{target.name} lists {video.path} twice for {video.side}{how}; take one line out")
        for pair in _PAIRS:
            if video.side in pair and any(other.side in pair and other.side != video.side for other in others):
                leaking[pair].append(video.path)
        known[video.path].append(video)
    for pair in _PAIRS:
        _refuse(target.name, leaking[pair], pair)
    if target.protocol.groups_apart:
        sides = ({target.group(video.path) for video in videos if video.side == side} for side in ("train", "test"))
        both = set.intersection(*sides) - {None}
        lists = f"{target.name}, lists of different splits"
        _refuse(lists, sorted(map(str, both)), ("train", "test"), "group of videos", "groups of videos")


def check_files(root: Path, videos: Sequence[Video], *, official: bool = False) -> None:
    """Raise `UserError` where videos of two sides that are there are one file under two paths.

    That is so for links and for copies, whatever their names and classes. Files that hold nothing are no copies, and
    those that cannot be read are left to the index to name. Lists that are `official` may hold copies under several
    names, for results are published on them as they are: those are a note on stderr.
    """
    sides = {video.path: set[Side]() for video in videos}
    for video in videos:
        sides[video.path].add(video.side)
    sizes = {path: stamp_of(root / path).size for path in sides}
    # A file is read only as far as others are like it on both sides: most differ in size, the rest in their beginning.
    groups = _both_sides([list(sides)], sides, lambda path: sizes[path] or None)
    groups = _both_sides(groups, sides, lambda path: _digest(root / path, _HEAD))
    groups = _both_sides(groups, sides, lambda path: _digest(root / path, None))
    for pair in _PAIRS:
        leaking, noted = list[str](), list[str]()
        for path, others in _copies(groups, sides, pair):
            added = [other for other in others if not official or _is_added(root / other, root / path)]
            leaking += [f"{path} is {other}" for other in added[:1]]
            noted += [f"{path} is {other}" for other in others[:1] if not added]
        _refuse(str(root), leaking, pair)
        if noted:
            first, second = (f"{SIDE_WORDS[side]} video" for side in pair)
            are = f"is a {first}" if len(noted) == 1 else f"are {first}s"
            copies = f"{counted(len(noted), second)} {are} under another name ({first_few(noted, 3)})"
            tqdm.write(f"note: {root}: {copies}, as the benchmark's own lists have it", file=sys.stderr)


@dataclass(frozen=True)
class TrainingVideos:
    """What weights were trained on: videos, or cuts of them, below a folder."""

    root: Path = Path()
    videos: tuple[Video, ...] = ()


def check_untrained(weights: str, root: Path, videos: Sequence[Video], trained: TrainingVideos | None) -> None:
    """Raise `UserError` where weights were trained on videos that they are to be tested on.

    That is so for a file under another path, as through links, but not for copies; of two cuts of one file where they
    share a frame.

    Args:
        weights: what to call them.
        root: the folder of the videos.
        videos: what they are to be tested on.
        trained: what they were trained on (`weights.trained.trained_on`); None where that is not known.
    """
    if trained is None:
        tqdm.write(
            f"note: the lists that {weights} were trained on are gone: test videos may be among them", file=sys.stderr
        )
        return
    learned = defaultdict[str, list[Video]](list)
    files = _files(trained.root, trained.videos)
    for video in trained.videos:
        learned[files[video.path]].append(video)
    files = _files(root, videos)
    seen = [video.path for video in videos if any(_overlap(video, other) for other in learned[files[video.path]])]
    if seen:
        raise UserError(
            f"{weights} were trained on {len(seen)} of the {len(videos)} test videos ({first_few(seen, 3)}): a "
            "result on them says nothing; test on the split, fold or list that they were fine-tuned with"
        )


def _files(root: Path, videos: Iterable[Video]) -> dict[str, str]:
    """Path of a video below `root` -> that of the file behind it, through all links; each folder is looked at once."""
    folder_of = cache(os.path.realpath)
    files = dict[str, str]()
    for video in videos:
        folder, name = os.path.split(root / video.path)
        file = os.path.join(folder_of(folder), name)
        files[video.path] = os.path.realpath(file) if os.path.islink(file) else file
    return files


def _both_sides(
    groups: Iterable[list[str]], sides: Mapping[str, set[Side]], key: Callable[[str], Hashable]
) -> list[list[str]]:
    """Groups split by a key (None: in no group), as far as several files and both sides are in them."""
    split = []
    for group in groups:
        parts = defaultdict[Hashable, list[str]](list)
        for path in group:
            parts[key(path)].append(path)
        parts.pop(None, None)
        split += [
            part for part in parts.values() if len(part) > 1 and len(set.union(*map(sides.__getitem__, part))) > 1
        ]
    return split


def _copies(groups: Iterable[list[str]], sides: Mapping[str, set[Side]], pair: Pair) -> Iterator[tuple[str, list[str]]]:
    """Each file of the second side of a pair, with those of the first that equal it."""
    for group in groups:
        for path in (path for path in group if pair[1] in sides[path]):
            others = [other for other in group if pair[0] in sides[other] and other != path]
            if others:
                yield path, others


def _is_added(path: Path, other: Path) -> bool:
    """Whether equal files are a link or of one name: no benchmark has that, so somebody put it there."""
    return path.name == other.name or path.samefile(other)


def _digest(path: Path, count: int | None) -> Hashable:
    """What is equal for videos with the same first `count` bytes (None: all); None where they cannot be read.

    The bytes of a folder of pictures are theirs, one after another.
    """
    digest = hashlib.blake2b()
    try:
        for file in picture_files(path) if path.is_dir() else [path]:
            with file.open("rb") as opened:
                if count is not None:
                    digest.update(opened.read(count))
                    break
                digest.update(hashlib.file_digest(opened, hashlib.blake2b).digest())
    except OSError:
        return None
    return digest.digest()


def _overlap(a: Video, b: Video) -> bool:
    """Whether two cuts of one file share a frame."""
    return (b.end is None or (a.start or 0) < b.end) and (a.end is None or (b.start or 0) < a.end)


def _refuse(where: str, leaking: Sequence[str], pair: Pair, what: str = "video", many: str | None = None) -> None:
    if leaking:
        are, they = ("is", "it") if len(leaking) == 1 else ("are", "them")
        used = "trained on" if pair[0] == "train" else "chosen by"
        sides = f"in {SIDE_WORDS[pair[0]]} and in {SIDE_WORDS[pair[1]]}"
        raise UserError(
            f"{where}: {counted(len(leaking), what, many)} {are} {sides} ({first_few(leaking, 3)}); a result on videos "
            f"that were {used} says nothing, so take {they} out of one side"
        )
