"""Scenes and masks of the miniature data set."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fractalvid.sets.formats.mask import encode_mask
from fractalvid.video.reader import VideoFacts

HEIGHT, WIDTH = 36, 48


def facts(frames: int) -> VideoFacts:
    return VideoFacts(frames, WIDTH, HEIGHT, 30.0, frames / 30)


def figure(frames: int) -> NDArray[np.bool_]:
    """Somebody who walks from left to right, (T, H, W)."""
    mask = np.zeros((frames, HEIGHT, WIDTH), np.bool_)
    for t in range(frames):
        mask[t, 6:30, 3 * t : 3 * t + 12] = True
    return mask


def put_mask(folder: Path, video: str, mask: NDArray[np.bool_], suffix: str = ".png") -> Path:
    file = folder / f"{video}{suffix}"
    file.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".png":
        file.write_bytes(encode_mask(mask))
    else:
        np.savez_compressed(file, mask=mask)
    return file


def beside_set(root: Path, out: Path) -> tuple[Path, Path]:
    """A table of scenes and a folder of masks of `helpers.folder_set`'s training videos."""
    lines = ["video,scene"]
    for video in sorted((root / "train").rglob("*.mp4")):
        name = video.relative_to(root).as_posix()
        lines.append(f"{name},{('hall', 'street')[int(video.stem) % 2]}")
        put_mask(out / "masks", name, figure(6 + int(video.stem)), (".png", ".npz")[int(video.stem) % 2])
    (out / "scenes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out / "scenes.csv", out / "masks"
