"""Videos read: files through PyAV, anything FFmpeg decodes, and folders of numbered pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.utils.checks import MAX_COUNT, check_integer
from fractalvid.utils.checks import shown as in_words
from fractalvid.video.decoding.frames import Damage, Shown, decoded
from fractalvid.video.decoding.pixels import Converter
from fractalvid.video.decoding.upright import Orientation, orientation_of, square_size
from fractalvid.video.errors import MAX_PIXELS, ReadError, TooLargeError, VideoError, check_frame, check_kept
from fractalvid.video.isolation.pool import POOL
from fractalvid.video.sequences import first_size, is_sequence, sequence_facts, sequence_pictures
from fractalvid.video.source import VideoSource, source_name

__all__ = [
    "MAX_PIXELS",
    "ReadError",
    "TooLargeError",
    "VideoError",
    "VideoFacts",
    "VideoSource",
    "frame_times",
    "probe_video",
    "read_frames",
    "read_video",
    "scaled_size",
]

MAX_SIDE = 2**15
"""Pixels of the shorter side of frames that are scaled."""


def read_video(
    video: VideoSource,
    *,
    rgb: bool = True,
    short_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
) -> NDArray[np.uint8]:
    """Decode every frame: uint8 (T, H, W, 3), or (T, H, W) grey where `rgb` is False.

    Frames are those that a player shows: of the stream that it would choose, upright, in square pixels, in full range
    whatever the file's is, before white where they are transparent. `short_side` scales them so that the shorter side
    has that many pixels. Frames of another size than the first are scaled to its. Packets that do not decode are passed
    over, as players do; headers are not believed. Of a GIF come 9 to 60 frames at equal spacing in time
    (`decoding.gif.shown_frames`), composed as its disposal methods say. The pictures of a folder come in the order in
    which people count them, each as `video.pictures.read_picture` has it; none may be missing or broken.

    Where `isolate`, a child process decodes (`fractalvid.video.isolation`): a video at which it crashes, or for which
    it needs too much time or memory, is one that does not decode.

    Raises:
        ReadError: missing, or the system fails to read it.
        TooLargeError: a frame of more than `max_pixels`, or too many to be kept (`errors.KEPT_FRAMES`).
        VideoError: empty, not a video, or without a single frame that decodes.
    """
    if isolate:
        _check(short_side, max_pixels)
        return POOL.read(video, None, rgb=rgb, short_side=short_side, max_pixels=max_pixels)
    return np.stack(list(frames_by_number(video, rgb, short_side, max_pixels).values()))


def read_frames(
    video: VideoSource,
    numbers: NDArray[np.int64],
    *,
    rgb: bool = True,
    short_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
) -> NDArray[np.uint8]:
    """The same as `read_video(...)[numbers]`, for numbers (n,) from 0, n >= 1.

    Cheaper: frames that are not asked for are not converted, and those behind the last not even decoded.

    Raises:
        ValueError: no numbers.
        TypeError: what are none of frames.
        VideoError: as `read_video` does, or where fewer frames decode than that.
    """
    wanted = np.asarray(numbers)
    if wanted.size == 0:
        raise ValueError(f"{source_name(video)}: numbers must name at least one frame")
    if wanted.dtype.kind not in "iu" or wanted.ndim != 1:
        raise TypeError(f"numbers must be whole numbers (n,), got {in_words(numbers)}")
    if isolate:
        _check(short_side, max_pixels)
        return POOL.read(video, wanted, rgb=rgb, short_side=short_side, max_pixels=max_pixels)
    found = frames_by_number(video, rgb, short_side, max_pixels, frozenset(wanted.tolist()))
    try:
        return np.stack([found[number] for number in wanted.tolist()])
    except KeyError as missing:
        raise VideoError(f"no frame {missing} decodes", source_name(video)) from None


@dataclass(frozen=True)
class VideoFacts:
    """What decodes of a video.

    `frames` of `width` x `height` pixels (the first's, as it is read), `rate` of them a second over a `duration` in
    seconds, by their own times; both are 0 where they carry none, as pictures do. `damaged` packets were passed over.
    """

    frames: int
    width: int
    height: int
    rate: float
    duration: float
    damaged: int = 0


def probe_video(video: VideoSource, *, max_pixels: int = MAX_PIXELS, isolate: bool = False) -> VideoFacts:
    """Decode a video and say what there is of it; `isolate` is that of `read_video`.

    Raises:
        ReadError: the system fails to read it.
        TooLargeError: a frame of more than `max_pixels`.
        VideoError: no frame decodes.
    """
    if isolate:
        return VideoFacts(*POOL.facts(video, max_pixels=max_pixels))
    if is_sequence(video):
        count, width, height = sequence_facts(_folder(video), max_pixels)
        return VideoFacts(count, width, height, 0.0, 0.0)
    seen = _seen(video, max_pixels)
    known = [time for time in seen.times if time is not None]
    duration = max(known) - min(known) + seen.last if len(known) == len(seen.times) else 0.0
    rate = len(seen.times) / duration if duration > 0 else 0.0
    return VideoFacts(len(seen.times), *seen.size, rate, duration, seen.damaged)


def frame_times(
    video: VideoSource, *, max_pixels: int = MAX_PIXELS, isolate: bool = False
) -> NDArray[np.float64] | None:
    """Seconds (T + 1,) from the first frame on: frame k is on screen from `[k]` to `[k + 1]`, whatever the rate.

    A frame that a GIF gives several times (`decoding.gif`) is on screen for equal parts of its time. None where frames
    carry no times, as pictures do. `isolate` is that of `read_video`.

    Raises:
        VideoError: as `probe_video` does.
    """
    if isolate:
        return POOL.times(video, max_pixels=max_pixels)
    if is_sequence(video):
        return None
    seen = _seen(video, max_pixels)
    if any(time is None for time in seen.times):
        return None
    # Of broken files, times may fall.
    times = np.maximum.accumulate(np.array(seen.times, np.float64) - float(seen.times[0] or 0))
    starts, first, counts = np.unique(times, return_index=True, return_counts=True)
    ends = np.append(starts[1:], starts[-1] + seen.last)
    part = (np.arange(len(times)) - np.repeat(first, counts)) / np.repeat(counts, counts)
    found = np.append(times + part * np.repeat(ends - starts, counts), ends[-1])
    return found if ends[-1] > 0 else None


class _Seen(NamedTuple):
    """All frames of a file: the size of the first, when each is shown and how long the last, in seconds."""

    size: tuple[int, int]
    times: list[float | None]
    last: float
    damaged: int


def _seen(video: VideoSource, max_pixels: int) -> _Seen:
    damage, size, times, shown_for = Damage(), (0, 0), list[float | None](), 0.0
    for shown in decoded(video, damage, max_pixels=max_pixels):
        if not times:
            size = _upright_size(shown, max_pixels, video)
            _picture(video, Converter(rgb=True), shown, size)
        times.append(shown.frame.time)
        shown_for = float((shown.frame.duration or 0) * (shown.frame.time_base or 0))
    return _Seen(size, times, shown_for, damage.packets)


def scaled_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height of frames that are read with `short_side`."""
    if short_side is None or min(width, height) == short_side:
        return width, height
    scale = short_side / min(width, height)
    return round(width * scale), round(height * scale)


def frames_by_number(
    video: VideoSource, rgb: bool, short_side: int | None, max_pixels: int, wanted: frozenset[int] | None = None
) -> dict[int, NDArray[np.uint8]]:
    """Frame number -> pixels, of all frames that decode or of those that are wanted, in order."""
    _check(short_side, max_pixels)
    if is_sequence(video):
        return _read_sequence(_folder(video), rgb, short_side, max_pixels, wanted)
    frames, name = dict[int, NDArray[np.uint8]](), source_name(video)
    converter, size = Converter(rgb=rgb), None
    last = None if wanted is None else max(wanted, default=-1)
    for number, shown in enumerate(decoded(video, Damage(), max_pixels=max_pixels)):
        if size is None:
            size = scaled_size(*_upright_size(shown, max_pixels, video), short_side)
            check_frame(*size, max_pixels, name)
        if wanted is None or number in wanted:
            check_kept(len(frames) + 1, *size, max_pixels, name)
            frames[number] = _picture(video, converter, shown, size)
        if number == last:
            break
    return frames


def _check(short_side: int | None, max_pixels: int) -> None:
    if short_side is not None:
        check_integer("short_side", short_side, 1, MAX_SIDE)
    check_integer("max_pixels", max_pixels, 1, MAX_COUNT)


def _read_sequence(
    folder: Path, rgb: bool, short_side: int | None, max_pixels: int, wanted: frozenset[int] | None
) -> dict[int, NDArray[np.uint8]]:
    """The same of a folder of pictures."""
    size = scaled_size(*first_size(folder, max_pixels), short_side)
    check_frame(*size, max_pixels, folder)
    return dict(sequence_pictures(folder, wanted, size, rgb=rgb, max_pixels=max_pixels))


def _folder(video: VideoSource) -> Path:
    assert not isinstance(video, bytes)
    return Path(video)


def _upright_size(shown: Shown, max_pixels: int, video: VideoSource) -> tuple[int, int]:
    """Width and height of a frame as a player shows it."""
    size = orientation_of(shown.frame).sides(*square_size(shown.frame, shown.pixel_aspect))
    check_frame(*size, max_pixels, source_name(video))
    return size


def _picture(video: VideoSource, converter: Converter, shown: Shown, size: tuple[int, int]) -> NDArray[np.uint8]:
    upright: Orientation = orientation_of(shown.frame)
    try:
        return converter.picture(shown, size, upright)
    except MemoryError as error:
        raise ReadError("cannot be read: Cannot allocate memory", source_name(video)) from error
    except Exception as error:  # PyAV has no common type for formats that it cannot convert
        why = f"frames of the format {shown.frame.format.name} cannot be converted ({error.__class__.__name__})"
        raise VideoError(why, source_name(video)) from error
