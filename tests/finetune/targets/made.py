"""Files of miniatures: lists as bytes, videos that hold their own names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from fractalvid.finetune.targets.base import Video


def write_lists(root: Path, lists: Mapping[str, str]) -> Path:
    """Lists by their paths below `root`, line ends as they are given."""
    for name, text in lists.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return root


def touch(root: Path, paths: Iterable[str]) -> Path:
    """Files that hold their own paths."""
    return write_lists(root, {path: path for path in paths})


def listed(videos: Iterable[Video]) -> list[tuple[str, int, str]]:
    """Path, label and side of each."""
    return [(video.path, video.label, video.side) for video in videos]
