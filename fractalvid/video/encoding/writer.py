"""Video files written through PyAV: H.264 (or another encoder) in MP4."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from fractalvid.utils.checks import check_integer
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import replace_file
from fractalvid.video.encoding.codecs import DEFAULT_PRESET, MAX_RATE, codec_named, encoder_options
from fractalvid.video.encoding.scheduling import ordinary_threads

_NEUTRAL = 128
"""Colour difference of grey."""
_BT601 = 6
"""FFmpeg's number for the matrix from RGB to YCbCr; where a file names none, players guess another for large frames."""
_LIMITED_RANGE = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)
"""Grey levels from 16 to 235 instead of 0 to 255."""
_ACCURATE = 0x2 | 0x40000
"""FFmpeg's numbers for bilinear and accurate rounding; its quicker one gives greys a tint."""
_WRITE_FLAG = 2
"""FFmpeg's flag for a file that is written to."""


def write_video(
    path: str | Path,
    frames: NDArray[np.uint8],
    *,
    fps: int = 12,
    codec: str = "libx264",
    crf: int | None = None,
    preset: str = DEFAULT_PRESET,
) -> int:
    """Write what `encode_video` makes; the file appears complete or not at all. Returns its bytes.

    The name has to end in .mp4, since nothing else is written. A clip (C, T, H, W) of a stream's batch, float32 in
    [0, 1], is written by `write_video("a.mp4", (batch.video[0] * 255).round().byte().permute(1, 2, 3, 0).numpy())`.

    Raises:
        UserError: another ending, no such encoder, or no place to write to.
        ValueError: frames of another type or shape.
    """
    if Path(path).suffix.lower() != ".mp4":
        moving = "fractalvid preview --animate gif or webp writes pictures that move"
        raise UserError(f"{path} is no name for what is written, MP4: let it end in .mp4 ({moving})")
    data = encode_video(frames, fps=fps, codec=codec, crf=crf, preset=preset)
    try:
        replace_file(Path(path), data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return len(data)


def encode_video(
    frames: NDArray[np.uint8],
    *,
    fps: int = 12,
    codec: str = "libx264",
    crf: int | None = None,
    preset: str = DEFAULT_PRESET,
) -> bytes:
    """An MP4 file of uint8 (T, H, W) or (T, H, W, 3) frames.

    Samples are stored in full range where the encoder's files can say so, 4:2:0. Odd sizes are padded by repeating the
    last row or column; 4:2:0 has no other: reading gives back the even size. Encoding uses one thread, so that bytes
    depend on nothing else.

    Args:
        frames: what to encode.
        fps: frames a second.
        codec: a name of `fractalvid.video.encoding.codecs.CODECS`.
        crf: quality, in the encoder's own numbers; None for its default.
        preset: the encoder's effort, one of `fractalvid.video.encoding.codecs.PRESETS`.

    Raises:
        UserError: no such encoder here, a quality or effort that it does not have, too few pixels for it, or it fails.
    """
    check_integer("fps", fps, 1, MAX_RATE)
    clip = _even(frames)
    options = encoder_options(codec, crf, preset, min(clip.shape[1:3]), len(clip))
    try:
        return _encode(clip, fps, codec, options)
    except av.FFmpegError as error:
        shape = f"{len(clip)} frames of {clip.shape[1]} x {clip.shape[2]} pixels"
        raise UserError(f"{codec} fails at {shape} ({error.strerror or error}): choose another encoder") from error


def _even(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _check_frames(frames)
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        padding = [(0, 0), (0, height % 2), (0, width % 2), *[(0, 0)] * (frames.ndim - 3)]
        return np.pad(frames, padding, mode="edge")
    return frames


def _check_frames(frames: Any) -> None:
    """Raise `ValueError` for what are no frames; of a clip as streams give them, it says what makes them of it."""
    shape, form = tuple(getattr(frames, "shape", ())), getattr(frames, "dtype", type(frames).__name__)
    grey_or_colour = len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)
    if not (isinstance(frames, np.ndarray) and form == np.uint8 and grey_or_colour):
        make = "; (clip * 255).round().byte().permute(1, 2, 3, 0).cpu().numpy() makes them of a clip of a stream"
        of_stream = len(shape) == 4 and shape[0] == 3 and "float" in str(form)
        raise ValueError(
            f"frames must be NumPy's uint8 (T, H, W) or (T, H, W, 3), got {form} {shape}{make if of_stream else ''}"
        )
    if not len(frames):
        raise ValueError("a video has at least one frame")


def _encode(frames: NDArray[np.uint8], fps: int, codec: str, options: dict[str, str]) -> bytes:
    file = io.BytesIO()

    def opened(url: str, flags: int, options: dict[str, str]) -> io.IOBase:
        # To put the index in front, FFmpeg reads the file again while it writes it.
        return file if flags & _WRITE_FLAG else _SecondReader(file)

    colour_range = ColorRange.JPEG if codec_named(codec).full_range else ColorRange.MPEG
    with av.open(file, "w", format="mp4", options={"movflags": "+faststart"}, io_open=opened) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        stream.codec_context.color_range = colour_range
        if frames.ndim == 4:
            stream.codec_context.colorspace = _BT601
        if codec == "libx265":
            stream.codec_context.codec_tag = "hvc1"  # the tag that Apple's players want
        with ordinary_threads():
            stream.codec_context.open()
        for index, picture in enumerate(_pictures(frames, colour_range)):
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


class _SecondReader(io.RawIOBase):
    """Reads what a file in memory holds, at a position of its own."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with self._file.getbuffer() as held:
            data = bytes(held[self._position :] if size < 0 else held[self._position : self._position + size])
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._file.getbuffer() as held:
            end = len(held)
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: end}[whence]
        return self._position

    def tell(self) -> int:
        return self._position


def _pictures(frames: NDArray[np.uint8], colour_range: ColorRange) -> Iterator[av.VideoFrame]:
    if frames.ndim == 4:
        for image in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            yield picture.reformat(
                format="yuv420p", dst_colorspace="itu601", dst_color_range=colour_range, interpolation=_ACCURATE
            )
        return
    height, width = frames.shape[1:]
    planes = np.full((height * 3 // 2, width), _NEUTRAL, np.uint8)
    for image in frames:
        planes[:height] = image if colour_range == ColorRange.JPEG else _LIMITED_RANGE[image]
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.color_range = colour_range
        yield picture
