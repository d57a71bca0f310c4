"""Small videos of four colours, for tests that look at what comes of them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
HEIGHT, WIDTH = 48, 64
COLOURS = {"R": (220, 30, 30), "G": (30, 220, 30), "B": (30, 30, 220), "W": (230, 230, 230)}


def quarters(frames: int = 12, height: int = HEIGHT, width: int = WIDTH) -> Bytes:
    """Top left red, top right green, bottom left blue, bottom right white; a grey bar in the middle moves."""
    clip = np.empty((frames, height, width, 3), np.uint8)
    for name, rows, columns in (("R", 0, 0), ("G", 0, 1), ("B", 1, 0), ("W", 1, 1)):
        part = [slice(0, height // 2), slice(height // 2, None)][rows], [slice(0, width // 2), slice(width // 2, None)]
        clip[:, part[0], part[1][columns]] = COLOURS[name]
    for number in range(frames):
        left = (width - 6) * number // max(1, frames - 1)
        clip[number, height // 2 - 3 : height // 2 + 3, left : left + 6] = 128
    return clip


def corners(picture: Bytes) -> str:
    """The colours of the four corners, row by row, as in RGBW."""
    inside = picture[[5, 5, -6, -6], [5, -6, 5, -6]].astype(int)
    return "".join(min(COLOURS, key=lambda name: np.abs(np.array(COLOURS[name]) - pixel).sum()) for pixel in inside)


def write(
    path: Path,
    *clips: Bytes,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    kind: str | None = None,
    options: dict[str, str] | None = None,
    default: int | None = None,
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write a video with a stream for each clip (T, H, W, 3) or, with transparency, (T, H, W, 4).

    `default` is the number of the stream that players are to choose; `settings` are those of the encoder.
    """
    with av.open(str(path), "w", format=kind) as container:
        streams: list[Any] = []
        for number, clip in enumerate(clips):
            stream: Any = container.add_stream(codec, rate=12, options=options or {})
            stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], pixels
            stream.codec_context.time_base = Fraction(1, 12)
            for name, value in (settings or {}).items():
                setattr(stream.codec_context, name, value)
            if default is not None:
                stream.disposition = av.stream.Disposition.default.value if number == default else 0
            streams.append(stream)
        for stream, clip in zip(streams, clips, strict=True):
            for number, image in enumerate(clip):
                frame = av.VideoFrame.from_ndarray(image, format="rgba" if image.shape[2] == 4 else "rgb24")
                made = frame.reformat(format=pixels, dst_color_range=(settings or {}).get("color_range"))
                made.pts = number
                container.mux(stream.encode(made))
            container.mux(stream.encode())
    return path


def packets(path: Path) -> list[tuple[int, int]]:
    """Where the packets of the first stream lie in a file, and how many bytes they have."""
    with av.open(str(path)) as container:
        found = [(packet.pos, packet.size) for packet in container.demux(container.streams.video[0]) if packet.size]
    assert all(position is not None for position, _ in found)
    return [(int(position or 0), size) for position, size in found]
