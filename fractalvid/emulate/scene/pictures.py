"""One's own pictures as grounds of scenes: which a folder holds, and one of them as a square tile."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.utils.errors import UserError
from fractalvid.video.errors import MAX_PIXELS, TooLargeError
from fractalvid.video.names import PICTURE_SUFFIXES
from fractalvid.video.pictures import read_picture

MOST = 100_000
"""Pictures of a folder that are used at most, the first by name."""
_KEPT = 1024
"""Tiles of pictures that a process keeps: 38 MB of them for frames of 112 pixels."""
_LUMA = np.array([0.299, 0.587, 0.114])


@lru_cache(maxsize=8)
def list_pictures(folder: Path) -> tuple[str, ...]:
    """The pictures in a folder and in those inside it, by name; what is hidden is left out, and links aren't followed.

    Which picture a sample shows follows from their number, and from their names in order.

    Raises:
        UserError: no folder, one that can't be read, or one without pictures.
    """
    root = folder.expanduser()
    if not root.is_dir():
        raise UserError(f"backgrounds {folder}: there is no such folder; name one that holds pictures")

    def refuse(error: OSError) -> None:
        raise UserError(f"backgrounds {folder}: can't be read ({error.strerror})") from error

    found: list[str] = []
    for place, inside, files in os.walk(root, onerror=refuse):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        found += [
            os.path.join(place, name)
            for name in files
            if name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")
        ]
    if not found:
        kinds = ", ".join(PICTURE_SUFFIXES)
        raise UserError(f"backgrounds {folder}: it holds no pictures ({kinds}); name a folder that does")
    return tuple(sorted(found)[:MOST])


@lru_cache(maxsize=_KEPT)
def picture_tile(file: str, side: int) -> NDArray[np.uint8]:
    """The square in the middle of a picture, as uint8 (side, side, 3).

    Raises:
        UserError: it can't be read, or is too large; one line names it.
    """
    try:
        picture = read_picture(Path(file), max_pixels=MAX_PIXELS)
    except TooLargeError:
        wanted = "make it smaller, or take it out of the folder"
        raise UserError(
            f"backgrounds hold {file}, which has more than {MAX_PIXELS // 10**6} million pixels; {wanted}"
        ) from None
    except UserError as error:
        raise UserError(f"backgrounds hold {error}; take it out of the folder") from error
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    square = picture.resize((side, side), Image.Resampling.BOX, box=(left, top, left + short, top + short))
    return np.asarray(square)


def packed_picture(folder: Path, share: float, side: int, *, colour: bool) -> NDArray[np.uint32]:
    """A picture of a folder as an opaque tile uint32 (side, side), see `fractalvid.kernels.drawing.make_tiles`.

    Args:
        folder: see `list_pictures`.
        share: which, as a share of them all, in [0, 1).
        side: of the tile.
        colour: whether the tile has three channels; else grey, its luma.
    """
    files = list_pictures(folder)
    shown = picture_tile(files[int(share * len(files))], side)
    if not colour:
        return np.asarray(np.rint(shown @ _LUMA).astype(np.uint32) | np.uint32(255 << 24))
    red, green, blue = np.moveaxis(shown.astype(np.uint32), -1, 0)
    return np.asarray(red | green << np.uint32(8) | blue << np.uint32(16) | np.uint32(255 << 24))
