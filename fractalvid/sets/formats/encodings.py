"""What a clip becomes: a table of formats, each with pure functions from frames to bytes and back."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.sets.manifest import ClipId
from fractalvid.utils.errors import UserError
from fractalvid.utils.npz import NpzError, open_npz
from fractalvid.video.encoding.writer import encode_video
from fractalvid.video.reader import read_video

MAX_CLIP_BYTES = 2**31
"""Of the pixels of one clip, which is in memory as a whole, once a worker."""
Frames = NDArray[np.uint8]
"""A clip at rest: (T, H, W), or (T, H, W, 3) in colour."""


@dataclass(frozen=True)
class VideoOptions:
    """What an encoder of videos is told; the arguments of `fractalvid.video.encoding.writer.encode_video`."""

    fps: int
    codec: str
    crf: int | None
    preset: str


@dataclass(frozen=True)
class Format:
    """How clips are stored.

    Attributes:
        name: on the command line.
        folder: where its clips lie under the set's folder.
        suffix: of a clip's file, without the dot.
        video: whether a video encoder, with its codec and quality, is at work; it wants even sizes.
        still: whether a clip is a single frame.
        sharded: whether many clips share a file.
        libraries: packages that decide the bytes, besides those that decide the pixels.
        encode: (frames, clip, options) -> bytes.
        decode: (bytes, colour) -> frames.
    """

    name: str
    folder: str
    suffix: str
    video: bool
    still: bool
    sharded: bool
    libraries: tuple[str, ...]
    encode: Callable[[Frames, ClipId, VideoOptions], bytes]
    decode: Callable[[bytes, bool], Frames]


class DecodeError(UserError):
    """Bytes that hold no clip."""


def _encode_mp4(frames: Frames, clip: ClipId, options: VideoOptions) -> bytes:
    return encode_video(frames, fps=options.fps, codec=options.codec, crf=options.crf, preset=options.preset)


def _decode_mp4(data: bytes, colour: bool) -> Frames:
    return read_video(data, rgb=colour)


def _encode_npz(frames: Frames, clip: ClipId, options: VideoOptions) -> bytes:
    file = io.BytesIO()
    class_id, instance_id = np.array(clip, np.int64)
    np.savez_compressed(file, video=frames, target=class_id, class_id=class_id, instance_id=instance_id)
    return file.getvalue()


def _decode_npz(data: bytes, colour: bool) -> Frames:
    try:
        with open_npz(io.BytesIO(data)) as file:
            frames = file.read("video", most=MAX_CLIP_BYTES)
    except NpzError as error:
        raise DecodeError(f"no clip of an npz file ({error})") from None
    if frames.dtype != np.uint8 or frames.ndim != 3 + colour or not frames.size:
        raise DecodeError(f"video has type {frames.dtype} and shape {frames.shape}")
    return np.asarray(frames, np.uint8)


def _encode_png(frames: Frames, clip: ClipId, options: VideoOptions) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frames[0]).save(file, "PNG")
    return file.getvalue()


def _decode_png(data: bytes, colour: bool) -> Frames:
    return decode_picture(data, "RGB" if colour else "L")[None]


def decode_picture(data: bytes, mode: str) -> NDArray[np.uint8]:
    """The pixels of a picture, uint8 (H, W) or (H, W, 3).

    Raises:
        DecodeError: the bytes are no whole picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(image.convert(mode), np.uint8)  # Pillow's own memory may not be written to
    # Pillow calls a broken PNG a syntax error.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DecodeError(f"no whole picture ({error})") from None


_ROWS = (
    Format(  # a video file a clip
        name="mp4",
        folder="clips",
        suffix="mp4",
        video=True,
        still=False,
        sharded=False,
        libraries=("av",),
        encode=_encode_mp4,
        decode=_decode_mp4,
    ),
    Format(  # tar shards of many videos each
        name="webdataset",
        folder="shards",
        suffix="mp4",
        video=True,
        still=False,
        sharded=True,
        libraries=("av",),
        encode=_encode_mp4,
        decode=_decode_mp4,
    ),
    Format(  # a file of arrays a clip
        name="npz",
        folder="arrays",
        suffix="npz",
        video=False,
        still=False,
        sharded=False,
        libraries=(),
        encode=_encode_npz,
        decode=_decode_npz,
    ),
    Format(  # a picture a clip
        name="png",
        folder="images",
        suffix="png",
        video=False,
        still=True,
        sharded=False,
        libraries=("pillow",),
        encode=_encode_png,
        decode=_decode_png,
    ),
)
FORMATS: dict[str, Format] = {row.name: row for row in _ROWS}
"""All formats by name."""
