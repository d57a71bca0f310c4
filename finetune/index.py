"""Which videos decode, and to how many frames: found out once for a data root, then remembered on disk.

Headers are not believed: HMDB51's own files announce 48 frames where 40 decode.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from finetune.targets.base import some
from fractalvid.errors import UserError
from fractalvid.files import write_text
from fractalvid.video_io import VideoError, count_frames

_VERSION = 1


@dataclass(frozen=True)
class ClipIndex:
    """`frames`: path -> number of frames that decode; `broken`: path -> why nothing does."""

    frames: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    """What is remembered of a file; `size` (bytes) and `changed` (ns) tell whether it is still the same."""

    size: int
    changed: int
    frames: int
    error: str


def default_cache_dir() -> Path:
    """The user's cache folder: `$XDG_CACHE_HOME/fractalvid`, else `~/.cache/fractalvid`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fractalvid"


def build_index(
    root: Path,
    paths: Iterable[str],
    *,
    cache_dir: Path | None,
    threads: int,
    max_broken: float,
    progress: bool,
) -> ClipIndex:
    """Decode every video once, several files at a time, and count its frames.

    Args:
        root: the data folder.
        paths: videos relative to it.
        cache_dir: where the counts are kept for the next time (a file per data root); None keeps nothing. A
            video whose size or time of change differs is decoded again.
        threads: files decoded at once.
        max_broken: share of broken videos, 0 to 1, past which the index stops.
        progress: whether to show a bar.

    Raises:
        UserError: more than `max_broken` of the videos do not decode; some are named.
    """
    wanted = sorted(set(paths))
    store = cache_dir / "index" / f"{_key(root)}.json" if cache_dir is not None else None
    known = _load(store)
    fresh = {path: _stamp(root / path) for path in wanted}
    todo = [path for path in wanted if path not in known or (known[path].size, known[path].changed) != fresh[path]]
    limit = max_broken * len(wanted)
    broken = sum(bool(known[path].error) for path in set(wanted).difference(todo))
    bar = tqdm(total=len(todo), desc="reading videos", unit="video", disable=not progress or not todo)
    try:
        with bar, ThreadPoolExecutor(max(1, threads)) as pool:
            for path, frames, error in _probe_all(pool, root, todo, 2 * threads):
                known[path] = _Entry(*fresh[path], frames, error)
                broken += bool(error)
                bar.update()
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
    return ClipIndex({path: entry.frames for path, entry in seen.items() if not entry.error}, failed)


def _probe_all(pool: ThreadPoolExecutor, root: Path, paths: list[str], ahead: int) -> Iterator[tuple[str, int, str]]:
    """Probe with at most `ahead` files under way, so that an interrupt need not wait for all."""
    queue = iter(paths)
    running: dict[Future[tuple[int, str]], str] = {}
    while True:
        while len(running) < max(1, ahead) and (path := next(queue, None)) is not None:
            running[pool.submit(_probe, root / path)] = path
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), *future.result()


def _probe(path: Path) -> tuple[int, str]:
    """Frames that decode and "", or 0 and why not."""
    try:
        return count_frames(path), ""
    except VideoError as error:
        return 0, str(error)
    except OSError as error:
        return 0, error.strerror or str(error)


def _key(root: Path) -> str:
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _load(store: Path | None) -> dict[str, _Entry]:
    """What is remembered; nothing where the file is absent, foreign or of another version."""
    if store is None:
        return {}
    try:
        saved = json.loads(store.read_bytes())
        if saved["version"] != _VERSION:
            return {}
        return {path: _Entry(int(e[0]), int(e[1]), int(e[2]), str(e[3])) for path, e in saved["videos"].items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return {}


def _save(store: Path | None, known: dict[str, _Entry]) -> None:
    if store is None:
        return
    videos = {path: [e.size, e.changed, e.frames, e.error] for path, e in sorted(known.items())}
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        write_text(store, json.dumps({"version": _VERSION, "videos": videos}))
    except (OSError, UserError) as error:
        # A read-only home is no reason not to train: the videos are merely read again next time.
        tqdm.write(f"note: the index of the videos is not kept: {error}", file=sys.stderr)
