"""Video files read through PyAV: anything FFmpeg decodes."""

import errno
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from packaging.version import Version

from fractalvid.utils.errors import UserError
from fractalvid.video.gif import shown_frames

_SUFFIXES = "avi mp4 m4v mov mkv webm gif mpg mpeg wmv flv 3gp ogv ts"
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""What files of videos are called, in lower case."""

_ANY_TITLE: Any = {"metadata_errors": "replace"} if Version(av.__version__) < Version("19") else {}
"""Titles in another encoding, or damaged, are no reason not to see the pictures; from 19 on PyAV reads them unasked."""

VideoSource = str | Path | bytes
"""A video: the path of its file, or the bytes of one."""


class VideoError(UserError):
    """A file that holds no frame that decodes."""


class ReadError(VideoError):
    """A file that the system does not let be read now (rights, open files, disk): it may well hold a video."""


def read_video(video: VideoSource, *, rgb: bool = True, short_side: int | None = None) -> NDArray[np.uint8]:
    """Decode every frame: uint8 (T, H, W, 3), or (T, H, W) grey where `rgb` is False.

    `short_side` scales frames so that the shorter side has that many pixels. Frames of another size than the first are
    scaled to its. Frames stand upright: turned by the quarter turns that the file asks of players, as phones' files do.
    A file that breaks off gives the frames that decode; headers are not believed. Of a GIF come 9 to 60 frames at
    equal spacing in time (`video.gif.shown_frames`), composed as its disposal methods say; what is transparent is
    white.

    Raises:
        ReadError: missing, or the system fails to read it.
        VideoError: empty, not a video, or without a single frame that decodes.
    """
    return np.stack(list(_read(video, rgb, short_side).values()))


def read_frames(
    video: VideoSource, numbers: NDArray[np.int64], *, rgb: bool = True, short_side: int | None = None
) -> NDArray[np.uint8]:
    """The same as `read_video(...)[numbers]`, for numbers (n,) from 0, n >= 1.

    Cheaper: frames that are not asked for are not converted, and those behind the last not even decoded.

    Raises:
        ValueError: no numbers.
        VideoError: as `read_video` does, or where fewer frames decode than that.
    """
    if len(numbers) == 0:
        raise ValueError(f"{_name_of(video)}: numbers must name at least one frame")
    frames = _read(video, rgb, short_side, frozenset(numbers.tolist()))
    try:
        return np.stack([frames[number] for number in numbers.tolist()])
    except KeyError as missing:
        raise VideoError(f"{_name_of(video)}: no frame {missing} decodes") from None


@dataclass(frozen=True)
class VideoFacts:
    """What decodes of a video.

    `frames` of `width` x `height` pixels (the first's, upright as it is read), `rate` of them a second over a
    `duration` in seconds, by their own times; both are 0 where they carry none.
    """

    frames: int
    width: int
    height: int
    rate: float
    duration: float


def probe_video(video: VideoSource) -> VideoFacts:
    """Decode a video and say what there is of it.

    Raises:
        ReadError: the system fails to read it.
        VideoError: no frame decodes.
    """
    size, times, shown = (0, 0), list[float | None](), 0.0
    try:
        for frame in _decoded(video):
            size = size if times else _upright_size(frame)
            times.append(frame.time)
            shown = float((frame.duration or 0) * (frame.time_base or 0))
    except (av.FFmpegError, OSError) as error:
        _raise_if_unreadable(video, error)
    if not times:
        raise VideoError(f"{_name_of(video)}: no frame decodes")
    known = [time for time in times if time is not None]
    duration = max(known) - min(known) + shown if len(known) == len(times) else 0.0
    return VideoFacts(len(times), *size, len(times) / duration if duration > 0 else 0.0, duration)


def scaled_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height of frames that are read with `short_side`."""
    if short_side is None or min(width, height) == short_side:
        return width, height
    scale = short_side / min(width, height)
    return round(width * scale), round(height * scale)


def _read(
    video: VideoSource, rgb: bool, short_side: int | None, wanted: frozenset[int] | None = None
) -> dict[int, NDArray[np.uint8]]:
    """Frame number -> pixels, of all frames that decode or of those that are wanted, in order."""
    frames = dict[int, NDArray[np.uint8]]()
    scaler = VideoReformatter()  # one for the whole file: making one costs more than a small frame
    size, last = None, None if wanted is None else max(wanted, default=-1)
    try:
        for number, frame in enumerate(_decoded(video)):
            size = size or scaled_size(*_upright_size(frame), short_side)
            if wanted is None or number in wanted:
                frames[number] = _pixels(scaler, frame, rgb, size)
            if number == last:
                break
    except (av.FFmpegError, OSError) as error:
        _raise_if_unreadable(video, error)
        if size is None:
            raise VideoError(f"{_name_of(video)}: no frame decodes ({error.__class__.__name__})") from None
    if size is None:
        raise VideoError(f"{_name_of(video)}: no frame decodes")
    return frames


def _raise_if_unreadable(video: VideoSource, error: Exception) -> None:
    """Raise `ReadError` for an error that says nothing about what the file holds."""
    number = getattr(error, "errno", None)
    # FFmpeg's parts also give -1, which is EPERM, for content that they do not like.
    if isinstance(error, OSError | MemoryError) and number != errno.EPERM:
        raise ReadError(f"{_name_of(video)}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _name_of(video: VideoSource) -> str:
    return "a video in memory" if isinstance(video, bytes) else str(video)


def _open(video: VideoSource) -> InputContainer:
    file = io.BytesIO(video) if isinstance(video, bytes) else str(video)
    container: InputContainer = av.open(file, "r", **_ANY_TITLE)
    return container


def _video_stream(container: InputContainer, video: VideoSource) -> VideoStream:
    if not container.streams.video:
        raise VideoError(f"{_name_of(video)}: holds no video")
    stream = container.streams.video[0]
    # Many files are decoded at once by many threads; one a decoder is the fastest then.
    stream.codec_context.thread_count = 1
    return stream


def _decoded(video: VideoSource) -> Iterator[av.VideoFrame]:
    with _open(video) as container:
        stream = _video_stream(container, video)
        if container.format.name != "gif":
            yield from container.decode(stream)
            return
        times = np.bincount(shown_frames(_delays(container, stream)))
    # Read again: which frames are wanted is known at the end, and all of a long GIF need not fit in memory.
    with _open(video) as container:
        for count, frame in zip(times, container.decode(_video_stream(container, video)), strict=False):
            yield from itertools.repeat(frame, int(count))


def _delays(container: InputContainer, stream: VideoStream) -> list[float]:
    """How long each frame of a GIF that decodes stays, in hundredths of a second."""
    delays: list[float] = []
    try:
        for packet in container.demux(stream):
            hundredths = 100 * float((packet.duration or 0) * stream.time_base) if stream.time_base else 0.0
            delays += [hundredths for _ in packet.decode()]
    except av.FFmpegError:
        if not delays:
            raise
    return delays


def _quarter_turns(frame: av.VideoFrame) -> int:
    """By how many quarters, counterclockwise, players turn a frame; other angles go to the nearest."""
    return round(frame.rotation / 90) % 4


def _upright_size(frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is shown."""
    return (frame.height, frame.width) if _quarter_turns(frame) % 2 else (frame.width, frame.height)


def _pixels(scaler: VideoReformatter, frame: av.VideoFrame, rgb: bool, size: tuple[int, int]) -> NDArray[np.uint8]:
    kind, turns = "rgb24" if rgb else "gray", _quarter_turns(frame)
    width, height = size[::-1] if turns % 2 else size
    picture = scaler.reformat(frame, width, height, kind, dst_color_range=ColorRange.JPEG)
    return np.ascontiguousarray(np.rot90(np.asarray(picture.to_ndarray(), np.uint8), turns))
