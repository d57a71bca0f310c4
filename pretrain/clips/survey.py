"""Which videos a folder holds, of which classes, and what decodes of them."""

import sys
import unicodedata
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fractalvid.pretrain.machine.distributed import all_of, from_main, rank, world_size
from fractalvid.utils.errors import UserError
from fractalvid.utils.notes import note
from fractalvid.utils.phrases import counted, first_few
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.folders import find_videos
from fractalvid.video.index import ProbeResult, default_cache_dir, probe_videos
from fractalvid.video.reader import VideoFacts

MAX_BROKEN = 0.05
"""Share of the videos that may not decode."""

Listed = tuple[Path, int | None]
"""A file and its class, None without labels."""


@dataclass(frozen=True)
class Video:
    """A file, what decodes of it, and its class, None without labels."""

    path: Path
    facts: VideoFacts
    label: int | None


def list_videos(root: Path) -> tuple[list[Listed], tuple[str, ...]]:
    """The videos of a folder with their labels, and the classes: a folder each, or none where they lie side by side.

    Raises:
        UserError: no folder, no videos, or some with a class and some without.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder of videos")
    found = find_videos(root)
    if not found.videos:
        raise UserError(f"{root} holds no videos" + (f"; left aside: {found.left}" if found.left else ""))
    if found.left:
        note(f"left aside in {root}: {found.left}")
    paths = [root / name for name in found.videos]
    folders = [unicodedata.normalize("NFC", name.partition("/")[0]) if "/" in name else None for name in found.videos]
    if not any(folders):
        return [(path, None) for path in paths], ()
    classes = tuple(sorted({name for name in folders if name is not None}))
    numbers = {name: number for number, name in enumerate(classes)}
    listed: list[Listed] = []
    for path, folder in zip(paths, folders, strict=True):
        if folder is None:
            raise UserError(
                f"{path} lies beside folders of classes: put every video into the folder of its class, or none"
            )
        listed.append((path, numbers[folder]))
    return listed, classes


def probe_all(
    root: Path, listed: list[Listed], *, threads: int, progress: bool, max_pixels: int = MAX_PIXELS
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

    Raises:
        UserError: more than 5 % of them do not decode.
    """
    names = [path.relative_to(root).as_posix() for path, _ in listed]
    share, own = names[rank() :: world_size()], dict[str, ProbeResult]()
    with (
        closing(
            probe_videos(root, share, cache_dir=default_cache_dir(), threads=threads, max_pixels=max_pixels)
        ) as looked,
        # Nothing to see where all is known, which is at once.
        tqdm(total=len(share), desc="reading videos", unit="video", disable=not progress, delay=1) as bar,
    ):
        for name, what in looked:
            own[name] = what
            bar.update()
    found = {name: what for part in all_of(own) for name, what in part.items()}
    return from_main(partial(_whole, listed, [found[name] for name in names]))


def _whole(listed: list[Listed], found: list[ProbeResult]) -> list[Video]:
    """The videos that decode; a `UserError` where too few do."""
    broken = [reason for reason in found if isinstance(reason, str)]
    for reason in broken:
        tqdm.write(f"left out: {reason}", file=sys.stderr)
    if len(broken) > max(1, MAX_BROKEN * len(listed)) or len(broken) == len(listed):
        raise UserError(f"{len(broken)} of {len(listed)} videos do not decode, such as: {broken[0]}")
    both = zip(listed, found, strict=True)
    videos = [Video(path, facts, label) for (path, label), facts in both if not isinstance(facts, str)]
    damaged = [str(video.path) for video in videos if video.facts.damaged]
    if damaged:
        named = f"{counted(len(damaged), 'video')} do not decode and are passed over: {first_few(damaged, 3)}"
        tqdm.write(f"note: packets of {named}", file=sys.stderr)
    return videos
