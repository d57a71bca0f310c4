"""Making a cache of decoded videos: in threads, in pieces, and never twice."""

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from fractalvid.finetune.cache.parallel import as_done
from fractalvid.finetune.cache.reader import FRAMES, INFO, ROWS, CacheKind, CacheRow, pack_pictures, read_rows
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folders, remove_temporaries, sync_folders, write_text
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.processes.locks import exclusive_lock
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.index import Stamp, is_same, stamp_of
from fractalvid.video.reader import VideoError, VideoFacts, read_frames, read_video, scaled_size

_LOCK = "lock"
_COMMIT_SECONDS, _COMMIT_BYTES = 2.0, 2**28  # at most what a kill costs
_SAMPLES = 16

_Decoded = tuple[Stamp, tuple[int, int, int], memoryview]
"""A file's stamp, the shape T, H, W and what the cache is to hold."""


class CacheWriter:
    """Adds videos to a cache; what it added counts after `commit`."""

    def __init__(self, folder: Path, kind: CacheKind) -> None:
        """Go on with what counts in `folder`. Raises `OSError` where it can't be written to."""
        for name in (FRAMES, ROWS):
            (folder / name).touch()
        # Rows count what has a name on the disk: of the two files, and of the folders that were made for them.
        sync_folders([folder, *list(folder.parents)[:3]])
        self.rows, valid = read_rows(folder, kind)
        self.size = max((row.offset + row.count for row in self.rows.values()), default=0)
        self.waiting = 0
        self._frames = _open_at(folder / FRAMES, self.size)
        self._rows = _open_at(folder / ROWS, valid)
        self._added: list[CacheRow] = []

    def add(self, path: str, stamp: Stamp, shape: tuple[int, int, int], data: memoryview) -> None:
        """Write a video of `shape` T, H, W."""
        self._frames.write(data)
        self._added.append(CacheRow(path, stamp, self.size, data.nbytes, *shape))
        self.size += data.nbytes
        self.waiting += data.nbytes

    def commit(self) -> None:
        """Make what was added count: first its frames on the disk, then the rows.

        What a failure kept from the disk counts never: a second sync may succeed with nothing written, since systems
        forget what a first one failed to write.
        """
        added, self._added, self.waiting = self._added, [], 0
        if not added:
            return
        _to_disk(self._frames)
        self._rows.write("".join(row.line() for row in added).encode("ascii"))
        _to_disk(self._rows)
        self.rows |= {row.path: row for row in added}

    def close(self) -> None:
        """Let go of the files; what was not committed is lost."""
        for file in (self._frames, self._rows):
            with contextlib.suppress(OSError):  # what does not fit on the disk does not count anyway
                file.close()


def _open_at(path: Path, size: int) -> BinaryIO:
    """The file, cut off after `size` bytes and open there."""
    file = path.open("r+b")
    file.truncate(size)
    file.seek(size)
    return file


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@dataclass(frozen=True)
class CacheReport:
    """What was done: videos decoded now, and those that were there; all bytes of the file, and those that count."""

    folder: Path
    made: int
    kept: int
    broken: tuple[str, ...]
    size: int
    used: int
    large: tuple[str, ...] = ()
    """Videos of more frames than may be kept at once: they are read from their files."""


def make_cache(
    root: Path,
    facts: Mapping[str, VideoFacts],
    kind: CacheKind,
    *,
    cache_dir: Path,
    threads: int,
    progress: bool,
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
) -> CacheReport:
    """Decode what the cache of the videos below `root` does not hold yet, or not as the files are now.

    Args:
        root: the data folder.
        facts: the videos that the cache is to hold, by their paths relative to it, and what is known of them.
        kind: short side and quality.
        cache_dir: where caches lie.
        threads: videos decoded at once.
        progress: whether to show a bar.
        isolate: decode in child processes (`fractalvid.video.isolation`).
        max_pixels: what a frame may have; a video may take `video.errors.KEPT_FRAMES` times as many.

    Raises:
        UserError: there is no room for it, it can't be written, or another process is writing it.
    """
    folder = kind.folder(cache_dir, root)
    try:
        make_folders(folder)
        with exclusive_lock(folder / _LOCK, f"another process is decoding videos into {folder}: wait for it"):
            _begin(folder, json.dumps(kind.info(root)) + "\n")
            return _complete(root, facts, kind, folder, threads, progress, max_pixels, isolate)
    except OSError as error:
        raise UserError(
            f"cannot write decoded videos to {folder}: {error.strerror or error}; what is there stays valid; "
            "--cache-dir chooses another place"
        ) from error


def _begin(folder: Path, info: str) -> None:
    """Say what the cache is; what is there of another version goes, for its frames may differ."""
    remove_temporaries(folder)
    file = folder / INFO
    if not file.exists() or file.read_text(encoding="utf-8", errors="replace") != info:
        for name in (ROWS, FRAMES):
            (folder / name).unlink(missing_ok=True)
        write_text(file, info)


def _complete(
    root: Path,
    facts: Mapping[str, VideoFacts],
    kind: CacheKind,
    folder: Path,
    threads: int,
    progress: bool,
    max_pixels: int,
    isolate: bool,
) -> CacheReport:
    writer = CacheWriter(folder, kind)
    try:
        kept = {path for path, row in writer.rows.items() if is_same(root / path, row.stamp)}
        lacking = [path for path in facts if path not in kept]
        large = {path for path in lacking if kind.is_too_large(facts[path], max_pixels)}
        todo = [path for path in lacking if path not in large]
        _check_room(root, {path: facts[path] for path in todo}, kind, folder, isolate)
        broken = _add_all(writer, partial(_decode, root, kind, max_pixels, isolate), todo, threads, progress)
        used = sum(row.count for row in writer.rows.values())
        return CacheReport(
            folder, len(todo) - len(broken), len(facts) - len(lacking), broken, writer.size, used, tuple(sorted(large))
        )
    finally:
        writer.close()


def _add_all(
    writer: CacheWriter, work: Callable[[str], _Decoded | None], paths: list[str], threads: int, progress: bool
) -> tuple[str, ...]:
    """Decode and add; returns which did not decode."""
    broken = []
    committed = time.monotonic()
    try:
        with tqdm(
            total=len(paths), desc="decoding videos", unit="video", disable=not progress or not paths, **bar_options()
        ) as bar:
            # As many decoded videos as are under way, and one more, are in memory.
            for path, made in as_done(work, paths, threads=threads, ahead=threads + 1):
                bar.update()
                if made is None:
                    broken.append(path)
                    continue
                writer.add(path, *made)
                if writer.waiting > _COMMIT_BYTES or time.monotonic() - committed > _COMMIT_SECONDS:
                    writer.commit()
                    committed = time.monotonic()
    except BaseException:
        with contextlib.suppress(OSError):  # the error on its way says it better
            writer.commit()
        raise
    writer.commit()
    return tuple(broken)


def _decode(root: Path, kind: CacheKind, max_pixels: int, isolate: bool, path: str) -> _Decoded | None:
    """A video for the cache; None where nothing decodes."""
    try:
        stamp = stamp_of(root / path)  # before: a file that changes meanwhile is not the one that was decoded
        frames = read_video(root / path, short_side=kind.short_side, max_pixels=max_pixels, isolate=isolate)
    except (VideoError, OSError):
        return None
    length, height, width = frames.shape[:3]
    data = frames.data.cast("B") if kind.quality is None else memoryview(pack_pictures(frames, kind.quality))
    return stamp, (length, height, width), data


def decoded_bytes(root: Path, facts: Mapping[str, VideoFacts], kind: CacheKind, *, isolate: bool = False) -> int:
    """How many bytes these videos take: exactly so as they are, else judged by a frame of a few of them."""
    sizes = {path: 3 * math.prod(scaled_size(f.width, f.height, kind.short_side)) for path, f in facts.items()}
    whole = sum(f.frames * sizes[path] for path, f in facts.items())
    if kind.quality is None or not facts:
        return whole
    few = list(facts)[:: math.ceil(len(facts) / _SAMPLES)]
    packed = plain = 0
    for path in few:
        middle = np.array([facts[path].frames // 2])
        with contextlib.suppress(VideoError):
            frame = read_frames(root / path, middle, short_side=kind.short_side, isolate=isolate)
            packed += len(pack_pictures(frame, kind.quality))
            plain += sizes[path]
    return round(whole * packed / plain) if plain else whole


def _check_room(root: Path, facts: Mapping[str, VideoFacts], kind: CacheKind, folder: Path, isolate: bool) -> None:
    """Raise `UserError` where the disk has no room for these videos."""
    needed, free = decoded_bytes(root, facts, kind, isolate=isolate), shutil.disk_usage(folder).free
    if needed > free:
        smaller = "" if kind.quality is not None else "--cache-quality 90 takes about a tenth, or "
        raise UserError(
            f"decoded, the {len(facts)} videos take {gigabytes(needed)}, and {folder} has room for {gigabytes(free)}: "
            f"{smaller}--cache-dir chooses another disk"
        )


def gigabytes(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.3g} MB"
