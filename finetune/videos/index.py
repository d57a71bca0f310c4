"""Which videos decode, and to how many frames: found out once for a data root, then remembered on disk.

Headers are not believed: HMDB51's own files announce 48 frames where 40 decode.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.messages.phrases import first_few
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.index import ProbeResult, probe_videos
from fractalvid.video.reader import VideoFacts

FEW = 20
"""Of fewer videos all are decoded before it is said that too many are broken: then all of those are named."""


@dataclass(frozen=True)
class ClipIndex:
    """`frames`: path -> number of frames that decode; `broken`: path -> why nothing does.

    `facts`: path -> frames, size, rate and duration of those that decode.
    """

    frames: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    facts: dict[str, VideoFacts] = field(default_factory=dict)


def build_index(
    root: Path,
    paths: Iterable[str],
    *,
    cache_dir: Path | None,
    threads: int,
    max_broken: float,
    progress: bool,
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
) -> ClipIndex:
    """Decode every video once, several files at a time, and say what there is of it.

    Args:
        root: the data folder.
        paths: videos relative to it.
        cache_dir: where what was found is kept for the next time (a file per data root); None keeps nothing. A
            video whose size or time of change differs is decoded again, and so is one that could not be read.
        threads: files decoded at once.
        max_broken: share of broken videos, 0 to 1, past which the index stops, of fewer than `FEW` at the end.
        progress: whether to show a bar.
        max_pixels: what a frame may have.
        isolate: decode in child processes (`fractalvid.video.isolation`).

    Raises:
        UserError: more than `max_broken` of the videos do not decode; of fewer than `FEW` all are named, else some.
    """
    wanted = sorted(set(paths))
    looked_at: dict[str, ProbeResult] = {}
    limit, broken = max_broken * len(wanted), 0
    with (
        closing(
            probe_videos(root, wanted, cache_dir=cache_dir, threads=threads, max_pixels=max_pixels, isolate=isolate)
        ) as looked,
        # Nothing to see where all is known, which is at once.
        tqdm(
            total=len(wanted), desc="reading videos", unit="video", disable=not progress, delay=1, **bar_options()
        ) as bar,
    ):
        for path, result in looked:
            looked_at[path] = result
            broken += isinstance(result, str)
            bar.update()
            if broken > limit and len(wanted) >= FEW:
                break
    failed = {path: why for path in wanted if isinstance(why := looked_at.get(path), str)}
    if len(failed) > limit:
        seen = "" if len(looked_at) == len(wanted) else f"the first {len(looked_at)} of "
        raise UserError(
            f"{len(failed)} of {seen}{len(wanted)} videos in {root} do not decode, more than --max-broken "
            f"{max_broken:g} of all; raise --max-broken or remove them: {_named(failed, len(wanted))}"
        )
    whole = {path: facts for path in wanted if isinstance(facts := looked_at.get(path), VideoFacts)}
    return ClipIndex({path: facts.frames for path, facts in whole.items()}, failed, whole)


def _named(failed: Mapping[str, str], videos: int) -> str:
    """Broken videos for an error, with the reasons of the first; of few videos all are named."""
    if videos >= FEW or len(failed) <= 3:
        return first_few(failed.values(), 3)
    return f"{first_few(failed, FEW)}; the first: {next(iter(failed.values()))}"  # all reasons would be cut short


def damaged_videos(facts: Mapping[str, VideoFacts]) -> tuple[tuple[str, int], ...]:
    """The videos of which packets were passed over, by their paths, and how many."""
    return tuple((path, fact.damaged) for path, fact in sorted(facts.items()) if fact.damaged)
