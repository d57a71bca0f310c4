"""Any clip by its path: a video, a GIF, or a folder with the pictures of one clip."""

import re
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from fractalvid.finetune.cache.frames import Bytes, Frames, Numbers, ReadFrames
from fractalvid.utils.errors import UserError
from fractalvid.utils.notes import note
from fractalvid.utils.phrases import counted
from fractalvid.video.errors import MAX_PIXELS, check_frame
from fractalvid.video.folders import find_videos, is_ignored_name
from fractalvid.video.pictures import PICTURE_SUFFIXES, read_picture
from fractalvid.video.reader import probe_video, read_frames, scaled_size


def open_clip(path: Path, *, short_side: int, max_pixels: int = MAX_PIXELS) -> Frames:
    """The frames of a clip, scaled to a short side in pixels, and read when they are looked at.

    So a long video takes no more memory than the frames that are wanted of it; it is decoded twice.

    Raises:
        UserError: there is nothing, no frame decodes, a folder holds no pictures, or a frame is too large.
    """
    if path.is_dir():
        return _pictures(path, short_side, max_pixels)
    if not path.exists():
        raise UserError(f"{path}: there is no such file")
    facts = probe_video(path, max_pixels=max_pixels)
    width, height = scaled_size(facts.width, facts.height, short_side)
    read = partial(read_frames, path, short_side=short_side, max_pixels=max_pixels)
    return ReadFrames((facts.frames, height, width, 3), read)


def clips_at(path: Path) -> list[Path]:
    """The clips that a path means: itself, or the videos below a folder that holds no pictures.

    What else lies there is noted.

    Raises:
        UserError: a folder holds nothing but what is left aside.
    """
    if not path.is_dir():
        return [path]
    pictures, found = _files(path), find_videos(path)
    if pictures and found.videos:
        videos = counted(len(found.videos), "video")
        note(f"{path} is read as the {len(pictures)} pictures of one clip; {videos} in it left aside")
    if pictures:
        return [path]
    if found.left and not found.videos:
        raise UserError(f"{path}: the folder holds neither videos nor pictures; left aside: {found.left}")
    if found.left:
        note(f"left aside in {path}: {found.left}")
    return [path / name for name in found.videos] or [path]


def _files(folder: Path) -> list[Path]:
    there = (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    named = (path for path in there if is_ignored_name(path.name) is None)
    return sorted(named, key=natural)


def _pictures(folder: Path, short_side: int, max_pixels: int) -> Frames:
    files = _files(folder)
    if not files:
        raise UserError(f"{folder}: the folder holds neither videos nor pictures ({' '.join(PICTURE_SUFFIXES)})")
    size = scaled_size(*read_picture(files[0], max_pixels=max_pixels).size, short_side)
    check_frame(*size, max_pixels, files[0])
    return ReadFrames((len(files), size[1], size[0], 3), partial(_read, files, size, max_pixels))


def _read(files: list[Path], size: tuple[int, int], max_pixels: int, numbers: Numbers) -> Bytes:
    """Pictures as uint8 (n, H, W, 3); each is brought to the size of the first."""
    pictures = []
    for number in numbers:
        image = read_picture(files[number], max_pixels=max_pixels)
        pictures.append(np.asarray(image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)))
    return np.stack(pictures)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """The order in which people count files: `2.jpg` before `10.jpg`."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]
