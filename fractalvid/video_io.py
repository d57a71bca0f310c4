"""Video files through PyAV: H.264 (or another encoder) out, anything FFmpeg decodes in."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from fractalvid.errors import UserError

_NEUTRAL = 128


class VideoError(UserError):
    """A file that holds no frame that decodes."""


def write_video(
    path: str | Path,
    frames: NDArray[np.uint8],
    *,
    fps: int = 12,
    codec: str = "libx264",
    crf: int = 18,
    preset: str = "veryfast",
) -> int:
    """Encode uint8 (T, H, W) or (T, H, W, 3) frames; the file appears complete or not at all. Returns its bytes.

    Samples are stored in full range, 4:2:0. Odd sizes are padded by repeating the last row or column; 4:2:0 has no
    other: reading gives back the even size. Encoding uses one thread, so that its bytes depend on nothing else.
    """
    target = Path(path)
    clip = _even(frames)
    # One name for each target, so that what a kill leaves behind is replaced by the next attempt.
    temporary = target.with_name(f".{target.name}.part")
    options = {"crf": str(crf), "preset": preset} if codec != "mpeg4" else {"qscale": "2"}
    if codec == "libx264":
        # x264's macroblock tree reads memory it has not written: the same frames would give other bytes.
        options["x264-params"] = "mbtree=0"
    try:
        _encode(str(temporary), clip, fps, codec, options)
        size = temporary.stat().st_size
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return size


def _even(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or (frames.ndim == 4 and frames.shape[3] != 3):
        raise ValueError(f"frames must be uint8 (T, H, W) or (T, H, W, 3), got {frames.dtype} {frames.shape}")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        padding = [(0, 0), (0, height % 2), (0, width % 2), *[(0, 0)] * (frames.ndim - 3)]
        return np.pad(frames, padding, mode="edge")
    return frames


def _encode(path: str, frames: NDArray[np.uint8], fps: int, codec: str, options: dict[str, str]) -> None:
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        stream.codec_context.color_range = ColorRange.JPEG
        for index, picture in enumerate(_pictures(frames)):
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _pictures(frames: NDArray[np.uint8]) -> Iterator[av.VideoFrame]:
    if frames.ndim == 4:
        for image in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            yield picture.reformat(format="yuv420p", dst_color_range=ColorRange.JPEG)
        return
    height, width = frames.shape[1:]
    planes = np.full((height * 3 // 2, width), _NEUTRAL, np.uint8)
    for image in frames:
        planes[:height] = image
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.color_range = ColorRange.JPEG
        yield picture


def read_video(path: str | Path, *, rgb: bool = True, short_side: int | None = None) -> NDArray[np.uint8]:
    """Decode every frame: uint8 (T, H, W, 3), or (T, H, W) grey where `rgb` is False.

    `short_side` scales frames so that the shorter side has that many pixels. A file that breaks off gives the frames
    that decode; headers are not believed.

    Raises:
        VideoError: missing, empty, not a video, or without a single frame that decodes.
    """
    frames = []
    scaler = VideoReformatter()  # one for the whole file: making one costs more than a small frame
    try:
        for frame in _decoded(path):
            frames.append(_pixels(scaler, frame, rgb, short_side))
    except (av.FFmpegError, OSError) as error:
        if not frames:
            raise VideoError(f"{path}: no frame decodes ({error.__class__.__name__})") from None
    if not frames:
        raise VideoError(f"{path}: no frame decodes")
    first = frames[0].shape
    return np.stack([frame for frame in frames if frame.shape == first])


def count_frames(path: str | Path) -> int:
    """How many frames decode; raises `VideoError` where none does."""
    count = 0
    try:
        for _ in _decoded(path):
            count += 1
    except (av.FFmpegError, OSError):
        pass
    if not count:
        raise VideoError(f"{path}: no frame decodes")
    return count


def _decoded(path: str | Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise VideoError(f"{path}: holds no video")
        stream = container.streams.video[0]
        # Many files are decoded at once by many threads; one a decoder is the fastest then.
        stream.codec_context.thread_count = 1
        yield from container.decode(stream)


def _pixels(scaler: VideoReformatter, frame: av.VideoFrame, rgb: bool, short_side: int | None) -> NDArray[np.uint8]:
    width, height = frame.width, frame.height
    if short_side is not None and min(width, height) != short_side:
        scale = short_side / min(width, height)
        width, height = round(width * scale), round(height * scale)
    kind = "rgb24" if rgb else "gray"
    picture = scaler.reformat(frame, width, height, kind, dst_color_range=ColorRange.JPEG)
    return np.asarray(picture.to_ndarray(), np.uint8)
