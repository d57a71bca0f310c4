"""Which videos decode, and to how many frames: found out once for a data root, then remembered on disk.

Headers are not believed: HMDB51's own files announce 48 frames where 40 decode.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from pathlib import Path

from tqdm import tqdm

from finetune.parallel import as_done
from finetune.targets.base import some
from fractalvid.errors import UserError
from fractalvid.files import write_text
from fractalvid.video_io import ReadError, VideoError, VideoFacts, probe_video

Stamp = tuple[int, int]
"""Bytes of a file and when it changed (ns): equal ones tell that it is still the same."""

_VERSION = 3
_SAVE_SECONDS = 60
_NOTHING = VideoFacts(0, 0, 0, 0.0, 0.0)


@dataclass(frozen=True)
class ClipIndex:
    """`frames`: path -> number of frames that decode; `broken`: path -> why nothing does.

    `facts`: path -> frames, size, rate and duration of those that decode.
    """

    frames: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    facts: dict[str, VideoFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    """What is remembered of a file: what decodes of it, or why nothing does."""

    stamp: Stamp
    facts: VideoFacts
    error: str
    lasting: bool = True
    """Whether that is so while the file stays the same; else it is found out again the next time."""


def default_cache_dir() -> Path:
    """The user's cache folder: `$XDG_CACHE_HOME/fractalvid`, else `~/.cache/fractalvid`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fractalvid"


def index_file(cache_dir: Path, root: Path) -> Path:
    """Where the index of the data folder `root` is kept."""
    return cache_dir / "index" / f"{root_key(root)}.json"


def root_key(root: Path) -> str:
    """A name for a data folder, by its place."""
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file. Raises `OSError` where there is none."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def is_same(path: Path, stamp: Stamp) -> bool:
    """Whether the file is there and still the one that the stamp was taken of."""
    try:
        return stamp_of(path) == stamp
    except OSError:
        return False


def build_index(
    root: Path,
    paths: Iterable[str],
    *,
    cache_dir: Path | None,
    threads: int,
    max_broken: float,
    progress: bool,
) -> ClipIndex:
    """Decode every video once, several files at a time, and say what there is of it.

    Args:
        root: the data folder.
        paths: videos relative to it.
        cache_dir: where what was found is kept for the next time (a file per data root); None keeps nothing. A
            video whose size or time of change differs is decoded again, and so is one that could not be read.
        threads: files decoded at once.
        max_broken: share of broken videos, 0 to 1, past which the index stops.
        progress: whether to show a bar.

    Raises:
        UserError: more than `max_broken` of the videos do not decode; some are named.
    """
    wanted = sorted(set(paths))
    store = index_file(cache_dir, root) if cache_dir is not None else None
    known = _load(store)
    fresh = {path: stamp_of(root / path) for path in wanted}
    todo = [path for path in wanted if path not in known or known[path].stamp != fresh[path]]
    limit = max_broken * len(wanted)
    broken = sum(bool(known[path].error) for path in set(wanted).difference(todo))
    saved = time.monotonic()
    bar = tqdm(total=len(todo), desc="reading videos", unit="video", disable=not progress or not todo)
    try:
        with bar:
            for path, entry in as_done(lambda path: _probe(root / path, fresh[path]), todo, threads=threads):
                known[path] = entry
                broken += bool(entry.error)
                bar.update()
                if time.monotonic() - saved > _SAVE_SECONDS:  # days of decoding must survive a kill
                    _save(store, known)
                    saved = time.monotonic()
                if broken > limit:
                    break
    finally:
        if todo:
            _save(store, known)
    seen = {path: known[path] for path in wanted if path in known}
    failed = {path: entry.error for path, entry in seen.items() if entry.error}
    if len(failed) > limit:
        raise UserError(
            f"{len(failed)} of the first {len(seen)} of {len(wanted)} videos in {root} do not decode, more "
            f"than --max-broken {max_broken:g} of all: {some(failed.values(), 3)}"
        )
    whole = {path: entry.facts for path, entry in seen.items() if not entry.error}
    return ClipIndex({path: found.frames for path, found in whole.items()}, failed, whole)


def remembered(cache_dir: Path, root: Path) -> dict[str, VideoFacts]:
    """What the index keeps of the videos below `root` that have not changed since."""
    entries = _load(index_file(cache_dir, root))
    return {
        path: entry.facts for path, entry in entries.items() if not entry.error and is_same(root / path, entry.stamp)
    }


def _probe(path: Path, stamp: Stamp) -> _Entry:
    """What decodes, or nothing and why not."""
    try:
        return _Entry(stamp, probe_video(path), "")
    except VideoError as error:
        return _Entry(stamp, _NOTHING, str(error), lasting=not isinstance(error, ReadError))


def _load(store: Path | None) -> dict[str, _Entry]:
    """What is remembered; nothing where the file is absent, foreign or of another version."""
    if store is None:
        return {}
    try:
        saved = json.loads(store.read_bytes())
        if saved["version"] != _VERSION:
            return {}
        return {path: _entry(values) for path, values in saved["videos"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _entry(values: list[object]) -> _Entry:
    size, changed, frames, width, height, rate, duration, error = map(str, values)
    facts = VideoFacts(int(frames), int(width), int(height), float(rate), float(duration))
    return _Entry((int(size), int(changed)), facts, error)


def _save(store: Path | None, known: dict[str, _Entry]) -> None:
    if store is None:
        return
    videos = {path: [*e.stamp, *astuple(e.facts), e.error] for path, e in sorted(known.items()) if e.lasting}
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        write_text(store, json.dumps({"version": _VERSION, "videos": videos}))
    except (OSError, UserError) as error:
        # A read-only home is no reason not to train: the videos are merely read again next time.
        tqdm.write(f"note: the index of the videos is not kept: {error}", file=sys.stderr)
