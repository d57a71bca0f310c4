"""Decoded videos on disk: one file that is mapped into memory, so that an epoch needs no video decoder.

A folder a data root, short side and quality: `cache.json` says what is in it, `frames.bin` holds the frames of one
video after the other, and `rows.jsonl` a row for each. Both only grow, and a video counts once its row is there, which
is written after its frames are on the disk: whatever a kill leaves behind is cut off by the next that writes.

Frames are kept as they are decoded, bit for bit, or as JPEG pictures, which take about a tenth of the room.
"""

import io
import json
import math
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.finetune.cache.frames import Bytes, Frames, Numbers, ReadFrames
from fractalvid.utils.documents import MAX_LOG_BYTES, ByteCount, Table, convert, parse_json, read_bytes, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted
from fractalvid.video.errors import MAX_PIXELS, VideoError, check_frame, check_kept
from fractalvid.video.index import Stamp, is_same, root_key
from fractalvid.video.reader import VideoFacts, scaled_size

INFO, ROWS, FRAMES = "cache.json", "rows.jsonl", "frames.bin"
_VERSION = 3


_Positive = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
_Values: Any = tuple[str, ByteCount, int, ByteCount, ByteCount, _Positive, _Positive, _Positive]
"""Of a row's line: path, stamp, offset, count, frames, height, width."""


@dataclass(frozen=True)
class _Info:
    """What tells kinds of caches apart."""

    short_side: Annotated[int, msgspec.Meta(ge=1, le=2**16)]
    quality: Annotated[int, msgspec.Meta(ge=1, le=100)] | None


@dataclass(frozen=True)
class CacheRow:
    """Where the frames of a video lie in `frames.bin`, and the state of its file that they were decoded from."""

    path: str
    stamp: Stamp
    offset: int
    count: int
    """Bytes from `offset` on."""
    frames: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """T, H, W, 3."""
        return self.frames, self.height, self.width, 3

    def line(self) -> str:
        """The row as a line of `rows.jsonl`."""
        values = [self.path, *self.stamp, self.offset, self.count, self.frames, self.height, self.width]
        return json.dumps(values) + "\n"

    @staticmethod
    def parse(line: bytes) -> "CacheRow":
        """What `line` wrote. Raises `UserError` for anything else."""
        path, size, changed, offset, count, *shape = parse_json(line, _Values, where="a row")
        return CacheRow(path, Stamp(size, changed), offset, count, *shape)

    def fits(self, kind: "CacheKind") -> bool:
        """Whether so many frames can lie in so many bytes."""
        if kind.quality is None:
            return self.count == math.prod(self.shape)
        return self.count > 8 * self.frames  # where each picture ends, and the pictures


@dataclass(frozen=True)
class CacheKind:
    """`short_side` in pixels; `quality` of the JPEG pictures, 1 to 100, or None where frames are kept as they are."""

    short_side: int
    quality: int | None = None

    def folder(self, cache_dir: Path, root: Path) -> Path:
        """Where the cache of the data folder `root` lies."""
        ending = "" if self.quality is None else f"-jpeg{self.quality}"
        return cache_dir / "decoded" / root_key(root) / f"{self.short_side}px{ending}"

    def options(self) -> str:
        """The options of `finetune prepare` that make it."""
        return f"--cache {self.short_side}" + ("" if self.quality is None else f" --cache-quality {self.quality}")

    def is_too_large(self, facts: VideoFacts, max_pixels: int) -> bool:
        """Whether a video has more pixels, as it would be kept, than may be in memory at once."""
        width, height = scaled_size(facts.width, facts.height, self.short_side)
        try:
            check_frame(width, height, max_pixels, None)
            check_kept(facts.frames, width, height, max_pixels, None)
        except VideoError:
            return True
        return False

    def info(self, root: Path) -> dict[str, object]:
        """What `cache.json` says."""
        about = {"short_side": self.short_side, "quality": self.quality}
        return {"version": _VERSION, "root": os.fsdecode(os.fsencode(root.resolve())), **about}


class DecodedCache:
    """The decoded videos of a folder whose files have not changed since. Safe to use from threads."""

    def __init__(self, folder: Path, kind: CacheKind, root: Path) -> None:
        """Open the cache in `folder` for the videos below `root`.

        Raises:
            OSError: the folder cannot be read.
        """
        self.kind = kind
        self.folder = folder
        self._file = (folder / FRAMES).open("rb")
        rows, _ = read_rows(folder, kind)
        self.rows = {path: row for path, row in rows.items() if is_same(root / path, row.stamp)}
        self.stale = frozenset(path for path in rows if path not in self.rows and os.path.exists(root / path))

    def frames(self, path: str) -> Frames | None:
        """The frames of a video, None where it is not there."""
        row = self.rows.get(path)
        if row is None:
            return None
        if self.kind.quality is None:
            whole: Bytes = self._mapped(row).reshape(row.shape)
            return whole
        return ReadFrames(row.shape, lambda numbers: self._pictures(row, numbers))

    def _mapped(self, row: CacheRow) -> Bytes:
        # A mapping a use, gone with the array: one of the whole file would show as memory of this process.
        start = row.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        length = row.offset - start + row.count
        mapped = mmap.mmap(self._file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
        return np.frombuffer(mapped, np.uint8, row.count, row.offset - start)

    def _pictures(self, row: CacheRow, numbers: Numbers) -> Bytes:
        held = self._mapped(row)
        try:
            return unpack_pictures(held, row.frames, numbers)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"the decoded {row.path} in {self.folder} is damaged: remove that folder") from error


def read_rows(folder: Path, kind: CacheKind) -> tuple[dict[str, CacheRow], int]:
    """The videos that count, the last row of each, and how many bytes of `rows.jsonl` say so."""
    there = (folder / FRAMES).stat().st_size
    rows: dict[str, CacheRow] = {}
    valid = 0
    for line in read_bytes(folder / ROWS, what="the rows", most=MAX_LOG_BYTES).splitlines(keepends=True):
        try:
            row = CacheRow.parse(line)
        except UserError:
            break
        if not line.endswith(b"\n") or row.offset + row.count > there or not row.fits(kind):
            break
        rows[row.path] = row
        valid += len(line)
    return rows, valid


def pack_pictures(frames: Iterable[Bytes], quality: int) -> bytes:
    """JPEG pictures of frames (H, W, 3): where each ends (uint64, from the first byte on), then all of them."""
    pictures = []
    for frame in frames:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality)
        pictures.append(file.getvalue())
    ends = 8 * len(pictures) + np.cumsum([len(picture) for picture in pictures])
    return ends.astype("<u8").tobytes() + b"".join(pictures)


def unpack_pictures(held: Bytes, count: int, numbers: Numbers) -> Bytes:
    """The pictures `numbers` (n,) of `count`: uint8 (n, H, W, 3). Raises `OSError` or `ValueError` where none are."""
    ends: NDArray[np.uint64] = held[: 8 * count].view("<u8")
    starts = np.concatenate([np.array([8 * count], np.uint64), ends])
    if np.any(starts[:-1] > ends) or ends[-1] > len(held):
        raise ValueError("pictures end before they begin, or after the last byte")
    files = [io.BytesIO(held[starts[n] : ends[n]].tobytes()) for n in numbers]
    return np.stack([np.asarray(Image.open(file, formats=["JPEG"])) for file in files])


def kinds_of(cache_dir: Path, root: Path) -> Iterator[CacheKind]:
    """The caches that there are of a data folder."""
    for file in sorted((cache_dir / "decoded" / root_key(root)).glob(f"*/{INFO}")):
        try:
            info = read_json(file, Table, what="the cache's description")
            about = convert(info, _Info, where=str(file))
        except UserError:
            continue
        kind = CacheKind(about.short_side, about.quality)
        if info == kind.info(root) and file.parent == kind.folder(cache_dir, root):
            yield kind


def open_cache(
    cache_dir: Path,
    root: Path,
    short_side: int,
    wanted: Mapping[str, VideoFacts] | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> tuple[DecodedCache | None, str]:
    """The cache that fits best: the smallest not below `short_side`, and frames as decoded before JPEG.

    Args:
        cache_dir: where caches lie.
        root: the data folder.
        short_side: what is asked for, in pixels.
        wanted: videos that should be in it, by their paths, and what is known of them.
        max_pixels: what a frame may have; videos that are too large for a cache aren't lacking.

    Returns:
        The cache, None where there is none that serves; and a line about what of it is refused or lacking, or "".
    """
    kinds = list(kinds_of(cache_dir, root))
    large = [kind for kind in kinds if kind.short_side >= short_side]
    if not large:
        best = max((kind.short_side for kind in kinds), default=0)
        small = f"the decoded videos of {root} have short sides of {best} pixels, less than the {short_side} asked for"
        return None, f"{small}; finetune prepare --cache {short_side} makes them" if kinds else ""
    kind = min(large, key=lambda kind: (kind.short_side, kind.quality is not None, -(kind.quality or 0)))
    folder, again = kind.folder(cache_dir, root), f"finetune prepare {kind.options()}"
    try:
        cache = DecodedCache(folder, kind, root)
    except OSError as error:
        return None, f"the decoded videos in {folder} cannot be read ({error.strerror}); {again} makes them again"
    wanted = wanted or {}
    too_large = {path for path, facts in wanted.items() if kind.is_too_large(facts, max_pixels)}
    lacking = cache.stale.union(wanted) - cache.rows.keys() - too_large
    if not lacking:
        return cache, ""
    are, have, their = ("is", "has", "its file") if len(lacking) == 1 else ("are", "have", "their files")
    return cache, (
        f"{counted(len(lacking), 'video')} of {root} {are} not decoded yet, or {have} changed since, and {are} read "
        f"from {their}; {again} brings {folder} up to date"
    )
