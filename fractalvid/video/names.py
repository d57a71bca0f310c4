"""What files and folders with videos in them are called, and which folders of pictures are a video."""

import os
import re
from pathlib import Path

# What FFmpeg's demuxers read, as cameras, phones, recorders and archives name it. Left out are sound, pictures and
# GoPro's .lrv and .thm, which are small copies of the videos beside them.
_SUFFIXES = (
    "264 265 3g2 3gp 3gp2 3gpp amv asf av1 avc avi avs2 dav divx dv dvr-ms evo f4v flv gif gxf h261 h263 h264 h265 "
    "hevc ifv insv ismv ivf ivr m1v m2p m2t m2ts m2v m4v mj2 mjpeg mjpg mk3d mkv mod mov mp2v mp4 mp4v mpe mpeg "
    "mpeg1 mpeg2 mpg mpg4 mpv mts mxf mxg nsv nut obu ogm ogv ogx qt rm rmvb roq smk tod trp ts vc1 vob vro webm wm "
    "wmv wtv xvid y4m"
)
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""What files of videos are called, in lower case."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
"""What files of pictures are called, in lower case."""

HIDDEN = "hidden"
LEFTOVER = "leftovers of other programs"
UNFINISHED = "unfinished downloads"
"""Why what is called so is nobody's data."""

# Names that systems, network storage and archivers leave, in lower case.
_LEFTOVERS = frozenset(
    (
        *("$recycle.bin", "recycler", "recycled", "system volume information", "found.000", "lost+found", "lost.dir"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "@sharebin", "__macosx"),
        *(
            "network trash folder",
            "temporary items",
            "thumbs.db",
            "ehthumbs.db",
            "desktop.ini",
            "icon\r",
            "__pycache__",
        ),
    )
)
_UNFINISHED = (
    *(".part", ".crdownload", ".download", ".partial", ".filepart", ".opdownload", ".aria2", ".ytdl", ".tmp", ".temp"),
    *(".!qb", ".!ut", ".bc!", ".incomplete"),
)


def is_video_name(name: str) -> bool:
    """Whether a file is named like a video, whatever the case; blanks at the end are no part of it."""
    return os.path.splitext(name)[1].rstrip().lower() in VIDEO_SUFFIXES


def is_ignored_name(name: str) -> str | None:
    """Why a file or folder of this name is nobody's data; None where it may be."""
    lower = name.lower()
    if lower in _LEFTOVERS:
        return LEFTOVER
    if name.startswith("."):
        return HIDDEN
    return UNFINISHED if lower.endswith(_UNFINISHED) else None


def picture_files(folder: Path) -> list[Path]:
    """The pictures in a folder, in the order in which people count them. Raises `OSError` where it cannot be read."""
    there = (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    return sorted((path for path in there if is_ignored_name(path.name) is None), key=natural)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """The order in which people count files: `2.jpg` before `10.jpg`."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def is_frame_folder(folder: str | Path) -> bool:
    """Whether a folder is a video by what it holds: two numbered pictures or more, no video and no other folder."""
    try:
        with os.scandir(folder) as entries:
            return are_frames(list(entries))
    except OSError:
        return False


def are_frames(entries: list[os.DirEntry[str]]) -> bool:
    """The same of what lies in a folder."""
    pictures = 0
    for entry in entries:
        if is_ignored_name(entry.name) is not None:
            continue
        stem, ending = os.path.splitext(entry.name)
        if is_video_name(entry.name) or _is_folder(entry):
            return False
        if ending.lower() in PICTURE_SUFFIXES:
            if not stem[-1:].isdecimal():
                return False
            pictures += 1
    return pictures > 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
