"""Which videos of a folder decode: found out once, then remembered on disk.

Pre-training on one's own videos and fine-tuning share the index: neither decodes what the other has decoded.
"""

import hashlib
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import av
from platformdirs import user_cache_path
from tqdm import tqdm

from fractalvid.utils.checks import MAX_COUNT, check_integer
from fractalvid.utils.documents import MAX_LOG_BYTES, ByteCount, Count, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text
from fractalvid.utils.processes.locks import waiting_lock
from fractalvid.video.errors import MAX_PIXELS, VideoError, check_frame
from fractalvid.video.names import picture_files
from fractalvid.video.reader import VideoFacts, probe_video

ProbeResult = VideoFacts | str
"""What decodes of a file, or why nothing does."""

_VERSION = 4
_DECODER = "libavcodec " + ".".join(map(str, av.library_versions["libavcodec"]))
"""What nothing decodes with; another version may."""
_SAVE_SECONDS = 60
"""How often the index is saved: days of decoding are to survive a kill."""
_NOTHING = VideoFacts(0, 0, 0, 0.0, 0.0)


def default_cache_dir() -> Path:
    """The user's cache folder; on Linux `$XDG_CACHE_HOME/fractalvid`, else `~/.cache/fractalvid`.

    Where no home is known (a container's user without a name), a folder among the temporary files.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    # platformdirs leaves `~` as it is, or passes over such a value: it depends on its version.
    as_named = named.startswith("~") and sys.platform not in ("win32", "darwin")
    folder = Path(named, "fractalvid") if as_named else user_cache_path("fractalvid", appauthor=False)
    folder = Path(os.path.expanduser(folder))
    if folder.is_absolute():
        return folder
    return Path(tempfile.gettempdir()) / f"fractalvid-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def root_key(root: Path) -> str:
    """A name for a data folder, by its place."""
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]


def index_file(cache_dir: Path, root: Path) -> Path:
    """Where the index of the data folder `root` is kept."""
    return cache_dir / "index" / f"{root_key(root)}.json"


class Stamp(NamedTuple):
    """Size in bytes and time of change in ns of a video: as long as both are the same, so is the video.

    Of a folder of pictures they are the sum of their sizes and the latest change among them and of the folder.
    """

    size: int
    changed: int


def stamp_of(path: Path) -> Stamp:
    """The stamp of a video. Raises `OSError` where there is none."""
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        return Stamp(status.st_size, status.st_mtime_ns)
    files = [file.stat() for file in picture_files(path)]
    return Stamp(sum(file.st_size for file in files), max(one.st_mtime_ns for one in (status, *files)))


def is_same(path: Path, stamp: Stamp) -> bool:
    """Whether the file is there and still the one that the stamp was taken of."""
    try:
        return stamp_of(path) == stamp
    except OSError:
        return False


def probe_videos(
    root: Path,
    names: Iterable[str],
    *,
    cache_dir: Path | None,
    threads: int,
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
) -> Generator[tuple[str, ProbeResult], None, None]:
    """Yield what decodes of each video below `root`, or why nothing does: first what is known, then the rest.

    What is found is kept for the next time, also where this is closed or interrupted. A video whose size or time of
    change differs is decoded again, and so is one that was missing, could not be read or had too many pixels, and one
    of which another version of the decoder decoded nothing.

    Args:
        root: the folder of videos.
        names: paths relative to it.
        cache_dir: where the index is kept; None keeps nothing.
        threads: videos decoded at once.
        max_pixels: what a frame may have.
        isolate: decode in child processes (`video.isolation`).
    """
    check_integer("threads", threads, 0, MAX_COUNT)
    index, todo = VideoIndex(root, cache_dir), dict[str, Stamp]()
    for name in names:
        try:
            stamp = stamp_of(root / name)
        except OSError as error:
            yield name, f"{root / name}: cannot be read: {error.strerror}"
            continue
        known = index.known(name, stamp)
        if known is None:
            todo[name] = stamp
        else:
            yield name, _named(known, root / name, max_pixels)
    saved = time.monotonic()
    try:
        for name, result, lasting in _probed(root, list(todo), threads, max_pixels, isolate):
            if lasting:
                index.add(name, todo[name], result)
            if time.monotonic() - saved > _SAVE_SECONDS:
                index.save()
                saved = time.monotonic()
            yield name, _named(result, root / name, max_pixels)
    finally:
        index.save(forget=True)


def _named(result: ProbeResult, path: Path, max_pixels: int) -> ProbeResult:
    """A result with the name that the file has now, and the limit of now."""
    if isinstance(result, str):
        return f"{path}: {result}"
    try:
        check_frame(result.width, result.height, max_pixels, path)
    except VideoError as error:
        return str(error)
    return result


def _probed(
    root: Path, names: list[str], threads: int, max_pixels: int, isolate: bool
) -> Iterator[tuple[str, ProbeResult, bool]]:
    """Each name, its result without the path, and whether that lasts as long as the file stays the same."""

    def probe(name: str) -> tuple[str, ProbeResult, bool]:
        try:
            return name, probe_video(root / name, max_pixels=max_pixels, isolate=isolate), True
        except VideoError as error:
            return name, error.why, error.lasting

    pool = ThreadPoolExecutor(max(1, threads), "videos")
    try:
        yield from pool.map(probe, names)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt is not to wait for all of them


class _Entry(NamedTuple):
    """What is remembered of a video."""

    stamp: Stamp
    result: ProbeResult


class VideoIndex:
    """What is known of the videos below a folder, by their names in it; kept in one file, whole or not at all."""

    def __init__(self, root: Path, cache_dir: Path | None) -> None:
        """Read what is kept below `cache_dir`: nothing where that is absent, damaged, foreign or of another version.

        None remembers nothing from one process to the next.
        """
        self._root = root
        self._store = None if cache_dir is None else index_file(cache_dir, root)
        self._entries = {} if self._store is None else _read(self._store)
        self._added: dict[str, _Entry] = {}

    def known(self, name: str, stamp: Stamp) -> ProbeResult | None:
        """What decodes of a file, or why nothing does, without its name; None if unknown or of another file then."""
        entry = self._entries.get(name)
        return entry.result if entry is not None and entry.stamp == stamp else None

    def unchanged(self) -> dict[str, VideoFacts]:
        """What decodes of the videos that are still the same."""
        return {
            name: result
            for name, (stamp, result) in self._entries.items()
            if not isinstance(result, str) and is_same(self._root / name, stamp)
        }

    def add(self, name: str, stamp: Stamp, result: ProbeResult) -> None:
        """Remember what was found out about a file."""
        self._entries[name] = self._added[name] = _Entry(stamp, result)

    def save(self, *, forget: bool = False) -> None:
        """Add what was added here to the file; where that can't be, one line says so, and videos are read again.

        Args:
            forget: leave out the videos that are no longer there, which takes a look at each.
        """
        if self._store is None or not self._added:
            return
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            with waiting_lock(self._store.parent / ".lock"):
                entries = {**_read(self._store), **self._added}  # others may have added to it meanwhile
                kept = {n: entry for n, entry in entries.items() if not forget or os.path.exists(self._root / n)}
                videos = {name: _values(entry) for name, entry in sorted(kept.items())}
                write_text(self._store, json.dumps({"version": _VERSION, "videos": videos}))
            self._added = {}
        except (OSError, UserError) as error:
            tqdm.write(f"note: the index of the videos is not kept: {error}", file=sys.stderr)


_Values = tuple[ByteCount, int, Count, Count, Count, float, float, Count, str, str]
"""Stamp, facts, error, decoder."""


@dataclass(frozen=True)
class _Saved:
    """What the file holds: what `_values` says of each video."""

    version: int
    videos: dict[str, _Values]


def _read(store: Path) -> dict[str, _Entry]:
    try:
        saved = read_json(store, _Saved, what="the index of videos", most=MAX_LOG_BYTES, non_finite=True)
    except UserError:
        return {}
    if saved.version != _VERSION:
        return {}
    return {name: _entry(values) for name, values in saved.videos.items()}


def _entry(values: _Values) -> _Entry:
    size, changed, frames, width, height, rate, duration, damaged, error, decoder = values
    facts = VideoFacts(frames, width, height, rate, duration, damaged)
    # A stamp that no file has makes unknown what another decoder failed at.
    stamp = Stamp(size, changed) if not error or decoder == _DECODER else Stamp(-1, -1)
    return _Entry(stamp, error or facts)


def _values(entry: _Entry) -> list[object]:
    result = entry.result
    facts, error = (_NOTHING, result) if isinstance(result, str) else (result, "")
    return [*entry.stamp, *astuple(facts), error, _DECODER if error else ""]
