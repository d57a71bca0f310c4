"""Foreground masks as pictures: one black-and-white PNG a clip, its frames one under another."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.sets.formats.encodings import DecodeError, decode_picture

SUFFIX = "mask.png"
"""Of a mask's name beside its clip in a shard."""
MAX_PIXELS = 2**26
"""Larger pictures make common readers warn, or refuse them."""


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """A PNG of T · H rows and W columns, one bit a pixel, from a mask (T, H, W)."""
    frames, height, width = mask.shape
    file = io.BytesIO()
    Image.fromarray(mask.reshape(frames * height, width)).save(file, "PNG")
    return file.getvalue()


def decode_mask(data: bytes, frames: int) -> NDArray[np.bool_]:
    """The mask (T, H, W) of a clip of T frames.

    Raises:
        DecodeError: the bytes are no whole picture of so many frames.
    """
    rows = decode_picture(data, "L")
    if frames < 1 or len(rows) % frames:
        raise DecodeError(f"a mask of {len(rows)} rows is not one of {frames} frames")
    return np.asarray(rows.reshape(frames, -1, rows.shape[1]) > 0)
