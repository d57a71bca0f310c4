"""What of a benchmark is there: which of its listed videos, of which classes, and what decodes of them."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.data import Data
from fractalvid.finetune.videos.index import ClipIndex, damaged_videos
from fractalvid.finetune.videos.listing import links_among, list_videos, of_sides, told_beyond, why_absent
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.reader import VideoFacts


@dataclass(frozen=True)
class Survey:
    """The listed videos of some splits: those that are there, those that are not, and the classes."""

    videos: tuple[Video, ...]
    """Of what is there, each cut of each video once."""
    missing: tuple[str, ...]
    classes: tuple[str, ...]
    empty: tuple[str, ...]
    """Classes of which nothing is there."""
    splits: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files of what is there, each once."""
        return tuple(sorted({video.path for video in self.videos}))


def survey_splits(data: Data, splits: Sequence[str], *, allow_missing: bool) -> Survey:
    """Look for what the splits list.

    Raises:
        UserError: the folder is not the target's, its lists can't be used, nothing is there, or something is missing
            without `allow_missing`; with where to get it.
    """
    target, root = data.target, data.root
    videos: dict[tuple[str, int | None, int | None], Video] = {}
    classes: tuple[str, ...] = ()
    sides = set()
    try:
        for split in splits:
            listed = of_sides(target.index(root, split), data.sides)
            classes = target.classes(root, split)
            videos |= {(video.path, video.start, video.end): video for video in listed}
            sides |= {video.side for video in listed}
    except UserError as error:
        raise UserError(f"{error}. {target.obtain}") from error
    labels = {video.path: video.label for video in videos.values()}
    lost = why_absent(root, labels)
    there = set(labels) - set(lost)
    missing = tuple(sorted(lost))
    listed_labels, full = set(labels.values()), {labels[path] for path in there}
    empty = tuple(name for label, name in enumerate(classes) if label in listed_labels - full)
    if not there or (missing and not allow_missing):
        without = f", and nothing of {len(empty)} of {len(classes)} classes ({first_few(empty, 3)})" if empty else ""
        go_on = "; --allow-missing goes on without them" if there else ""
        raise UserError(
            f"{len(missing)} of {len(labels)} listed videos are not in {root}: {first_few(missing, 3)}"
            f"{links_among(lost)}{without}{go_on}. Expected: {target.layout}. {target.obtain}"
        )
    if {"train", "test"} <= sides:  # a set that is only there to be tested on has nothing to leak
        for split in splits:
            list_videos(target, root, split, allow_missing=True)
    present = tuple(video for video in videos.values() if video.path in there)
    return Survey(videos=present, missing=missing, classes=classes, empty=empty, splits=tuple(splits))


def report(data: Data, there: Survey, index: ClipIndex, frame_rate: float | None = None) -> Iterator[str]:
    """What there is of the benchmark, a line at a time; `frame_rate` is that of folders of pictures, a second."""
    target = data.target
    protocol = target.protocol
    of = f" of {protocol.num_classes}" if protocol.num_classes else ""
    parts = f", {'split' if len(there.splits) == 1 else 'splits'} {', '.join(there.splits)}" if protocol.splits else ""
    full = len(there.classes) - len(there.empty)
    yield f"{target.name} in {data.root}: {counted(len(there.paths), 'video')}, {full}{of} classes{parts}"
    if there.missing:
        nothing = f"; nothing of {first_few(there.empty)}" if there.empty else ""
        lost, are = counted(len(there.missing), "listed video"), "is" if len(there.missing) == 1 else "are"
        yield f"missing   {lost} {are} not there: {first_few(there.missing, 3)}{nothing}"
    yield from describe({path: _timed(facts, data.root / path, frame_rate) for path, facts in index.facts.items()})
    window = (protocol.clip_len - 1) * protocol.frame_stride + 1
    short = [path for path, facts in index.facts.items() if facts.frames < window]
    if short:
        single = sum(index.facts[path].frames == 1 for path in short)
        lone = f"; {single} of them have a single one" if single else ""
        yield (
            f"short     {len(short)} have fewer than the {window} frames of a training window{lone}: frames are taken "
            "closer together, then the last repeats"
        )
    yield from _cuts([(video, index.frames[video.path]) for video in there.videos if video.path in index.frames])
    damaged = damaged_videos(index.facts)
    if damaged:
        named = first_few([f"{path} ({counted(packets, 'packet')})" for path, packets in damaged], 10)
        yield f"damaged   {len(damaged)} hold packets that do not decode and are passed over: {named}"
    if index.broken:
        yield f"broken    {len(index.broken)} do not decode and are left out: {first_few(sorted(index.broken), 10)}"


def _cuts(videos: list[tuple[Video, int]]) -> Iterator[str]:
    """What is wrong with the cuts of videos with so many frames."""
    behind = [video.path for video, frames in videos if (video.start or 0) >= frames]
    if behind:
        clips = counted(len(behind), "clip")
        yield f"cut       {clips} from frames on that their video does not have: {first_few(behind, 3)}"
    beyond = told_beyond(videos)
    if beyond:
        yield f"cut       {beyond}"


def _timed(facts: VideoFacts, path: Path, frame_rate: float | None) -> VideoFacts:
    """The facts of a video, those of a folder of pictures with the rate that was stated for it."""
    if frame_rate is None or not path.is_dir():
        return facts
    return replace(facts, rate=frame_rate, duration=facts.frames / frame_rate)


def describe(facts: Mapping[str, VideoFacts]) -> Iterator[str]:
    """Frames, sizes, rates and duration of videos, a line each."""
    if not facts:
        return
    frames = [fact.frames for fact in facts.values()]
    yield f"frames    {min(frames)} to {max(frames)}, median {statistics.median(frames):g}, {sum(frames)} in all"
    yield f"size      {_commonest(f'{fact.width} x {fact.height}' for fact in facts.values())}"
    yield f"rate      {_commonest(f'{fact.rate:.3g} a second' if fact.rate else 'not said' for fact in facts.values())}"
    seconds = sum(fact.duration for fact in facts.values())
    if seconds:
        yield f"duration  {seconds / 3600:.1f} hours" if seconds >= 3600 else f"duration  {seconds / 60:.1f} minutes"


def _commonest(values: Iterable[str]) -> str:
    return first_few([f"{value} ({count})" for value, count in Counter(values).most_common()], 3)
