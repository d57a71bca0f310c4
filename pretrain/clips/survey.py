"""What decodes of the videos in a folder."""

import sys
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fractalvid.pretrain.clips.listing import ListedVideo
from fractalvid.pretrain.machine import all_of, from_main, rank, world_size
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.index import ProbeResult, default_cache_dir, probe_videos
from fractalvid.video.reader import VideoFacts

MAX_BROKEN = 0.05
"""Share of the videos that may not decode."""


@dataclass(frozen=True)
class Video:
    """A file, what decodes of it, and its class, None without labels."""

    path: Path
    facts: VideoFacts
    label: int | None


def probe_all(
    root: Path,
    listed: list[ListedVideo],
    *,
    threads: int,
    progress: bool,
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
) -> list[Video]:
    """What decodes of every video; those of which nothing does are named and left out.

    Each is decoded once, by one of the processes that train together, and again where its size or time of change is
    another: what is found is kept in the user's cache folder (`fractalvid.video.index`), also where this is
    interrupted.

    Args:
        root: the folder of videos.
        listed: those to look at, below it; the same on every process.
        threads: videos decoded at once by this process.
        progress: show a bar while this process decodes.
        max_pixels: what a frame may have.
        isolate: decode in child processes (`fractalvid.video.isolation`).

    Raises:
        UserError: more than 5 % of them do not decode.
    """
    names = [path.relative_to(root).as_posix() for path, _ in listed]
    share, results = names[rank() :: world_size()], dict[str, ProbeResult]()
    with (
        closing(
            probe_videos(
                root, share, cache_dir=default_cache_dir(), threads=threads, max_pixels=max_pixels, isolate=isolate
            )
        ) as looked,
        # Nothing to see where all is known, which is at once.
        tqdm(
            total=len(share), desc="reading videos", unit="video", disable=not progress, delay=1, **bar_options()
        ) as bar,
    ):
        for name, what in looked:
            results[name] = what
            bar.update()
    everyones = {name: what for part in all_of(results) for name, what in part.items()}
    return from_main(partial(_decoding, listed, [everyones[name] for name in names]))


def _decoding(listed: list[ListedVideo], results: list[ProbeResult]) -> list[Video]:
    """The videos that decode; a `UserError` where too few do."""
    broken = [reason for reason in results if isinstance(reason, str)]
    for reason in broken:
        tqdm.write(f"left out: {reason}", file=sys.stderr)
    if len(broken) > max(1, MAX_BROKEN * len(listed)) or len(broken) == len(listed):
        raise UserError(f"{len(broken)} of {len(listed)} videos do not decode, such as: {broken[0]}")
    both = zip(listed, results, strict=True)
    videos = [Video(path, facts, label) for (path, label), facts in both if not isinstance(facts, str)]
    damaged = [str(video.path) for video in videos if video.facts.damaged]
    if damaged:
        named = f"{counted(len(damaged), 'video')} do not decode and are passed over: {first_few(damaged, 3)}"
        tqdm.write(f"note: packets of {named}", file=sys.stderr)
    return videos
