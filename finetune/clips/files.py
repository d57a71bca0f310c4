"""Any clip by its path: a video, a GIF, or a folder with the pictures of one clip."""

from functools import partial
from pathlib import Path

import numpy as np

from fractalvid.finetune.cache.frames import Frames, ReadFrames
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.folders import find_videos
from fractalvid.video.names import PICTURE_SUFFIXES, picture_files
from fractalvid.video.reader import probe_video, read_frames, scaled_size


def open_clip(path: Path, *, short_side: int, max_pixels: int = MAX_PIXELS, isolate: bool = False) -> Frames:
    """The frames of a clip, scaled to a short side in pixels, and read when they are looked at.

    So a long video takes no more memory than the frames that are wanted of it; it is decoded twice.

    Raises:
        UserError: there is nothing, no frame decodes, a folder holds no pictures, or a frame is too large.
    """
    if path.is_dir():
        return _pictures(path, short_side, max_pixels, isolate)
    if not path.exists():
        raise UserError(f"{path}: there is no such file")
    facts = probe_video(path, max_pixels=max_pixels, isolate=isolate)
    width, height = scaled_size(facts.width, facts.height, short_side)
    read = partial(read_frames, path, short_side=short_side, max_pixels=max_pixels, isolate=isolate)
    return ReadFrames((facts.frames, height, width, 3), read)


def clips_at(path: Path) -> list[Path]:
    """The clips that a path means: itself, or the videos below a folder that holds no pictures.

    What else lies there is noted.

    Raises:
        UserError: a folder holds nothing but what is left aside.
    """
    if not path.is_dir():
        return [path]
    pictures, found = picture_files(path), find_videos(path)
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


def _pictures(folder: Path, short_side: int, max_pixels: int, isolate: bool) -> Frames:
    """The pictures of a folder, of which only those that are looked at are opened, and the first for its size."""
    files = picture_files(folder)
    if not files:
        raise UserError(f"{folder}: the folder holds neither videos nor pictures ({' '.join(PICTURE_SUFFIXES)})")
    read = partial(read_frames, folder, short_side=short_side, max_pixels=max_pixels, isolate=isolate)
    height, width = read(np.zeros(1, np.int64)).shape[1:3]
    return ReadFrames((len(files), height, width, 3), read)
