"""Which frames of a video decode: of the stream that players show, past damage, a GIF's as often as it says."""

import contextlib
import errno
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream
from packaging.version import Version

from fractalvid.video.decoding.gif import shown_frames
from fractalvid.video.errors import MAX_PIXELS, ReadError, TooLargeError, VideoError, check_frame
from fractalvid.video.source import SourceFile, VideoSource, no_other_file, source_name

_ANY_TITLE: Any = {"metadata_errors": "replace"} if Version(av.__version__) < Version("19") else {}
"""Titles in another encoding, or damaged, are no reason not to see the pictures; from 19 on PyAV reads them unasked."""
_MOST_FAILURES = 100
"""Failures to find a packet, one behind the other, after which a file counts as read."""
_MEMORY = 2**28
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Streams that are no video: covers, and pictures of chapters."""
_TRANSPARENT = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave transparency out."""


@dataclass
class Damage:
    """What was passed over: `packets` that do not decode, or cannot be told apart in the file.

    `refused`: one of the errors is FFmpeg's for frames of too many pixels, though it has it for other things, too.
    """

    packets: int = 0
    refused: bool = False

    def add(self, error: Exception) -> None:
        """Count one. Raises it again where it says nothing about the file: the memory is full."""
        number = getattr(error, "errno", None)
        if number == errno.ENOMEM and not _has_memory():
            raise error
        self.packets += 1
        self.refused |= number in (errno.EINVAL, errno.ENOMEM) or isinstance(error, TooLargeError)


def _has_memory() -> bool:
    """Whether there is memory left: FFmpeg says that there is none of damaged headers, too, and of too large frames."""
    try:
        np.empty(_MEMORY, np.uint8)
    except MemoryError:
        return False
    return True


class _Opened(NamedTuple):
    container: InputContainer
    stream: VideoStream
    decoder: Any
    """PyAV's types know video decoders by the stream only."""


@dataclass(frozen=True)
class Shown:
    """A frame as it is decoded, and how wide its pixels are to be shown, their height being 1."""

    frame: av.VideoFrame
    pixel_aspect: Fraction
    codec: str


def decoded(source: VideoSource, damage: Damage, *, max_pixels: int = MAX_PIXELS) -> Iterator[Shown]:
    """The frames that decode, in the order in which they are shown; those of a GIF as often as `shown_frames` says.

    One thread decodes: many files are decoded at once, and frames do not depend on how many processors there are.

    Args:
        source: the video.
        damage: counts what is passed over.
        max_pixels: what a frame may have; larger ones are not even decoded.

    Raises:
        ReadError: the system fails to read it, or has no memory left.
        TooLargeError: no frame decodes, some being too large.
        VideoError: no frame decodes.
    """
    try:
        with _opened(source, max_pixels) as opened:
            if opened.container.format.name != "gif":
                yield from _shown(source, opened, damage, max_pixels)
                return
            delays = [_delay(shown.frame) for shown in _shown(source, opened, damage, max_pixels)]
        # Decoded again: which frames are wanted is known at the end, and all of a long GIF need not fit in memory.
        with _opened(source, max_pixels) as opened:
            times = np.bincount(shown_frames(delays)).tolist()
            for count, shown in zip(times, _shown(source, opened, Damage(), max_pixels), strict=False):
                yield from itertools.repeat(shown, count)
    except VideoError:
        raise
    except MemoryError as error:
        raise ReadError("cannot be read: Cannot allocate memory", source_name(source)) from error
    except Exception as error:  # PyAV has no common type for what a damaged file does to it
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise ReadError("cannot be read: Cannot allocate memory", source_name(source)) from error
        raise VideoError(f"no frame decodes ({error.__class__.__name__})", source_name(source)) from error


@contextlib.contextmanager
def _opened(source: VideoSource, max_pixels: int) -> Iterator[_Opened]:
    """The container, its video stream and a decoder; a failure of the system in between is raised at the end."""
    file, name, options = SourceFile(source), source_name(source), {"max_pixels": str(_with_borders(max_pixels))}
    try:
        with av.open(file, "r", options=options, io_open=no_other_file, **_ANY_TITLE) as container:
            stream = _video_stream(container, name)
            _check_size(source, stream, max_pixels)
            decoder = _decoder(stream)
            decoder.options = options
            decoder.thread_count = 1
            yield _Opened(container, stream, decoder)
    finally:
        file.close()
        if file.failure is not None:
            why = file.failure.strerror or file.failure
            raise ReadError(f"cannot be read: {why}", name) from file.failure


def _with_borders(max_pixels: int) -> int:
    """The limit for decoders, some of which count the borders that they put around a frame."""
    return min(2**31 - 1, max_pixels + max_pixels // 8 + 2**20)


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    """The stream that FFmpeg would choose, but no picture that is attached to a video, and one that can be decoded."""
    if not container.streams.video:
        raise VideoError("holds no video", name)
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not streams:
        raise VideoError("holds no video that FFmpeg knows how to decode", name)
    streams = [stream for stream in streams if not stream.disposition & _PICTURES] or streams
    streams = [stream for stream in streams if stream.frames != 1] or streams
    best = container.streams.best("video")
    if best in streams:
        assert isinstance(best, VideoStream)
        return best
    return max(streams, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, -s.index))


def _decoder(stream: VideoStream) -> Any:
    """The stream's own, or one that decodes its transparency, too."""
    name = _TRANSPARENT.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return stream.codec_context
    decoder = CodecContext.create(name, "r")
    decoder.extradata = stream.codec_context.extradata
    return decoder


def _check_size(source: VideoSource, stream: VideoStream, max_pixels: int) -> None:
    """Refuse what the header asks for; `check_frame` says how."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width and stream.codec_context.name == "gif":
        # FFmpeg forgets the size that it refuses.
        file = SourceFile(source)
        header = file.read(10)
        file.close()
        width, height = int.from_bytes(header[6:8], "little"), int.from_bytes(header[8:10], "little")
    if width and height:
        check_frame(width, height, max_pixels, source_name(source))


def _shown(source: VideoSource, opened: _Opened, damage: Damage, max_pixels: int) -> Iterator[Shown]:
    """What decodes, at least one frame, each of a size that is allowed."""
    none, aspect, name = True, opened.stream.sample_aspect_ratio or Fraction(1), source_name(source)
    for frame in _frames(opened, damage):
        if frame.width * frame.height > max_pixels:  # some decoders don't know that limit
            damage.add(TooLargeError("too large"))
            continue
        none = False
        yield Shown(frame, aspect, opened.decoder.name)
    if none and damage.refused:
        raise TooLargeError(f"no frame of at most --max-pixels {max_pixels} decodes", name)
    if none:
        raise VideoError("no frame decodes", name)


def _frames(opened: _Opened, damage: Damage) -> Iterator[av.VideoFrame]:
    """Frames of all packets that decode; the others are passed over, as players do."""
    for packet in _packets(opened, damage):
        if packet.size:  # AVI has empty ones where a frame repeats, which a decoder would take for the end
            yield from _decode(opened.decoder, packet, damage)
    end: Any = Packet()
    if opened.stream.time_base is not None:
        end.time_base = opened.stream.time_base
    yield from _decode(opened.decoder, end, damage)


def _packets(opened: _Opened, damage: Damage) -> "Iterator[Packet[VideoStream]]":
    """The packets of the stream; what lies between them and is none is passed over."""
    failures = 0
    while failures < _MOST_FAILURES:
        try:
            for packet in opened.container.demux(opened.stream):
                failures = 0
                yield packet
            return
        except av.FFmpegError as error:
            failures += 1
            damage.add(error)


def _decode(decoder: Any, packet: "Packet[VideoStream]", damage: Damage) -> list[av.VideoFrame]:
    try:
        frames: list[av.VideoFrame] = decoder.decode(packet)
        return frames
    except av.FFmpegError as error:
        damage.add(error)
        return []


def _delay(frame: av.VideoFrame) -> float:
    """How long a frame of a GIF stays, in hundredths of a second."""
    return 100 * float((frame.duration or 0) * (frame.time_base or 0))
