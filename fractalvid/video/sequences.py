"""A folder of numbered pictures as a video: which files are its frames, in which order, and how they are read."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.utils.errors import UserError
from fractalvid.video.errors import ReadError, VideoError, check_frame, check_kept
from fractalvid.video.names import picture_files
from fractalvid.video.pictures import read_picture
from fractalvid.video.source import VideoSource


def is_sequence(video: VideoSource) -> bool:
    """Whether a video is a folder, whose pictures are its frames."""
    return not isinstance(video, bytes) and os.path.isdir(video)


def frames_of(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order in which people count them.

    Raises:
        ReadError: the folder cannot be read.
        VideoError: it holds none.
    """
    try:
        files = picture_files(folder)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}", folder) from error
    if not files:
        raise VideoError("the folder holds no pictures", folder)
    return files


def sequence_facts(folder: Path, max_pixels: int) -> tuple[int, int, int]:
    """How many frames a folder of pictures has, and width and height of the first; each is decoded.

    Raises:
        VideoError: there are none, or one cannot be read, which is named: what follows it would be another frame.
    """
    files = frames_of(folder)
    width, height = _picture(files[0], max_pixels).size
    for file in files[1:]:
        _picture(file, max_pixels)
    return len(files), width, height


def sequence_pictures(
    folder: Path, wanted: frozenset[int] | None, size: tuple[int, int], *, rgb: bool, max_pixels: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Number and pixels of the frames that are wanted (None: of all), each brought to `size` (width, height).

    Raises:
        VideoError: there are none, one of them cannot be read, or they are too many to be kept.
    """
    kept = 0
    for number, file in enumerate(frames_of(folder)):
        if wanted is None or number in wanted:
            kept += 1
            check_kept(kept, *size, max_pixels, folder)
            picture = _picture(file, max_pixels)
            fitted = picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR)
            yield number, np.asarray(fitted if rgb else fitted.convert("L"))


def first_size(folder: Path, max_pixels: int) -> tuple[int, int]:
    """Width and height of the first picture of a folder; the others are brought to its size."""
    return _picture(frames_of(folder)[0], max_pixels).size


def _picture(file: Path, max_pixels: int) -> Image.Image:
    """A picture in RGB, of sides that a frame may have."""
    try:
        picture = read_picture(file, max_pixels=max_pixels)
        check_frame(*picture.size, max_pixels, file)
        return picture
    except VideoError:
        raise
    except UserError as error:
        lasting = not isinstance(error.__cause__, OSError) or error.__cause__.errno is None
        raise (VideoError if lasting else ReadError)(str(error)) from error
