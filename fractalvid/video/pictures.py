"""A picture file as a viewer shows it: upright, in 8 bits, before white where it is transparent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.forks import per_process
from fractalvid.video.decoding.pixels import on_white
from fractalvid.video.errors import check_frame
from fractalvid.video.source import open_plain

_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "TIFF", "PPM", "GIF")
"""What may be in files of these names, whichever has which; Pillow would run programs for others."""
_WHITE = 65535
"""White in more than 8 bits."""

_lock = per_process(threading.Lock)


def read_picture(file: Path, *, max_pixels: int) -> Image.Image:
    """A picture in RGB, as its EXIF orientation says.

    Of a file with several pictures it is the first.

    Raises:
        UserError: it cannot be read, or has more than `max_pixels`.
    """
    try:
        with _opened(file) as picture:
            check_frame(*picture.size, max_pixels, file)
            return _in_rgb(ImageOps.exif_transpose(picture))
    except UserError:
        raise
    except Exception as error:  # Pillow has no common type for what a damaged file does to it
        unknown = isinstance(error, UnidentifiedImageError)  # which shows how the file was opened
        why = "no format that is known" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{file}: cannot be read as a picture ({why})") from error


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """The picture, of which only the header was read."""
    with open_plain(file) as opened:
        with _lock():  # Pillow's own limit is a global and knows no option
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                picture = Image.open(opened, formats=_FORMATS)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
        with picture:
            yield picture


def _in_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        grey = np.clip(np.asarray(picture).astype(np.int64), 0, _WHITE)
        return Image.fromarray(((grey * 255 + _WHITE // 2) // _WHITE).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("its numbers are floating point, and it does not say which of them is white")
    if picture.has_transparency_data:
        return Image.fromarray(on_white(np.asarray(picture.convert("RGBA"))))
    return picture.convert("RGB")
