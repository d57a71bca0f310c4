"""A decoded frame as a picture: the colours that a player would show, at the size that is asked for."""

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from fractalvid.video.decoding.frames import Shown
from fractalvid.video.decoding.upright import Orientation

_UNSAID = 2
"""FFmpeg's number for a matrix of colour that the file does not name."""
_LARGE = (1280, 576)
"""Width from which, or height above which, players then take BT.709 instead of BT.601."""


class Converter:
    """Makes pictures of the frames of one video; keeps the tables of the scaler, which cost more than a small frame."""

    def __init__(self, *, rgb: bool) -> None:
        """Pictures (H, W, 3), or grey (H, W)."""
        self._format = "rgb24" if rgb else "gray"
        self._scaler = VideoReformatter()

    def picture(self, shown: Shown, size: tuple[int, int], upright: Orientation) -> NDArray[np.uint8]:
        """The frame upright, of `size` (width, height), values from 0 to 255 whatever range the file has."""
        width, height = upright.sides(*size)
        frame = _on_white(shown.frame) if _is_transparent(shown) else shown.frame
        made = self._scaler.reformat(
            frame,
            width,
            height,
            self._format,
            src_colorspace=_matrix(frame),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return upright.apply(np.asarray(made.to_ndarray(), np.uint8))


def _matrix(frame: av.VideoFrame) -> Colorspace | None:
    """The matrix that players take for a file that names none; None for the one that it names."""
    if frame.colorspace != _UNSAID or frame.format.is_rgb:
        return None
    large = frame.width >= _LARGE[0] or frame.height > _LARGE[1]
    return Colorspace.ITU709 if large else None


def _is_transparent(shown: Shown) -> bool:
    """Whether pixels may be transparent; those of a GIF are white already, as FFmpeg decodes it."""
    if shown.codec == "gif":
        return False
    kind = shown.frame.format
    return any(part.is_alpha for part in kind.components) or (kind.name == "pal8" and shown.codec in ("png", "apng"))


def _on_white(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame before a white page, which is how GIFs are shown, too."""
    full = ColorRange.JPEG
    made = frame.reformat(format="rgba", src_colorspace=_matrix(frame), dst_color_range=full, threads=1)
    rgba = np.asarray(made.to_ndarray(), np.uint8)
    return av.VideoFrame.from_ndarray(on_white(rgba), format="rgb24")


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (..., 4) before a white page: (..., 3)."""
    mixed, opacity = np.empty((*rgba.shape[:-1], 3), np.uint8), rgba[..., 3].astype(np.uint16)
    white = 255 * (255 - opacity) + 127
    for channel in range(3):
        mixed[..., channel] = (rgba[..., channel] * opacity + white) // 255
    return mixed
