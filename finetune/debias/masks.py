"""Where people are in videos, frame by frame: a mask file a video, in the video's own frames.

For the video `kick/a.avi` of the data folder, the folder of masks has `kick/a.avi.png`, a picture of T · H rows and
W columns, its frames one under another and above 0 where somebody is; or `kick/a.avi.npz`, one array, bool (T, H, W).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fractalvid.finetune.cache.parallel import in_order
from fractalvid.finetune.clips.augment import Augmentation
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.clips.masks import HALF, cut_mask
from fractalvid.finetune.clips.randaugment import Policy
from fractalvid.finetune.clips.sampling import view_frames
from fractalvid.finetune.clips.views import cut_views
from fractalvid.sets.formats.mask import decode_mask
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.utils.npz import open_npz
from fractalvid.video.reader import VideoFacts

Mask = NDArray[np.bool_]
SUFFIXES = (".png", ".npz")
"""Behind the name of the video."""


@dataclass(frozen=True)
class Masks:
    """Masks that were read once and fit: their folder, and what is known of the videos, by path."""

    folder: Path
    facts: Mapping[str, VideoFacts]

    def of(self, video: str) -> Mask:
        """The mask (T, H, W) of a video, in its own frames. Raises `UserError` where it is not what it was."""
        file = mask_file(self.folder, video)
        if file is None:
            raise UserError(f"--masks {self.folder} has no mask of {video} any more")
        return read_mask(file, self.facts[video])


def mask_file(folder: Path, video: str) -> Path | None:
    """The mask file of a video, if there is one."""
    files = (folder / f"{video}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def read_mask(file: Path, facts: VideoFacts) -> Mask:
    """The mask (T, H, W) in a file.

    Raises:
        UserError: it is damaged, or not of this many frames of this size.
    """
    try:
        return _read_npz(file, facts) if file.suffix == ".npz" else _read_png(file, facts)
    except OSError as error:
        raise UserError(f"--masks {file}: {error.strerror}") from error
    except UserError as error:
        raise UserError(f"--masks {file}: {error}") from error


def _read_png(file: Path, facts: VideoFacts) -> Mask:
    rows = decode_mask(file.read_bytes(), 1)[0]
    wanted = (facts.frames * facts.height, facts.width)
    if rows.shape != wanted:
        size = f"a picture of {rows.shape[1]} x {rows.shape[0]} pixels"
        raise UserError(f"{size}, and {_shown(facts)} one under another make {wanted[1]} x {wanted[0]}")
    mask: Mask = rows.reshape(facts.frames, facts.height, facts.width)
    return mask


def _read_npz(file: Path, facts: VideoFacts) -> Mask:
    with open_npz(file) as arrays:
        if len(arrays.arrays) != 1:
            raise UserError(f"{len(arrays.arrays)} arrays instead of one")
        ((name, announced),) = arrays.arrays.items()
        if announced.dtype != np.bool_ or announced.shape != (facts.frames, facts.height, facts.width):
            raise UserError(f"{announced.dtype} {announced.shape} instead of bool (T, H, W) for {_shown(facts)}")
        mask: Mask = arrays.read(name, most=announced.size)
        return mask


def _shown(facts: VideoFacts) -> str:
    return f"{counted(facts.frames, 'frame')} of {facts.width} x {facts.height}"


def check_masks(folder: Path, videos: Sequence[str], facts: Mapping[str, VideoFacts], *, threads: int) -> str:
    """Read the masks of all `videos` once; a digest of what they hold.

    Raises:
        UserError: a video has none, one does not fit, or nobody is in any.
    """
    if not folder.is_dir():
        raise UserError(f"--masks {folder} is no folder")
    files = {video: mask_file(folder, video) for video in videos}
    lacking = [video for video, file in files.items() if file is None]
    if lacking:
        of = f"{len(lacking)} of {counted(len(videos), 'video')}"
        raise UserError(
            f"--masks {folder} has no mask of {of}: {first_few(lacking, 3)}; expected {lacking[0]}.png or .npz in it"
        )
    digest, somebody = hashlib.blake2b(digest_size=16), False
    for video, (found, seen) in zip(
        videos, in_order(partial(_look, folder, facts), videos, threads=threads), strict=True
    ):
        digest.update(f"{video}\n{found}\n".encode())
        somebody = somebody or seen
    if not somebody:
        raise UserError(f"--masks {folder}: nobody is in any of {counted(len(videos), 'mask')}")
    return digest.hexdigest()


def _look(folder: Path, facts: Mapping[str, VideoFacts], video: str) -> tuple[str, bool]:
    """A digest of a video's mask, and whether anybody is in it."""
    mask = Masks(folder, facts).of(video)
    return hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).hexdigest(), bool(mask.any())


def clip_mask(
    mask: Mask, frame: tuple[int, int], drawn: Augmentation, policy: Policy, i: int, *, size: int, magnitude: float
) -> Tensor:
    """The mask as clip i of a batch shows it, after its crop, flip and movements: bool (T, size, size).

    Args:
        mask: of the clip's frames, (T, H, W), of any size.
        frame: rows and columns of the frames that the clip is cut from.
        drawn: crops and flips of the batch.
        policy: operations of the batch.
        i: which clip of the batch it is.
        size: rows and columns of the clip.
        magnitude: strength of the operations.
    """
    white = scale_mask(mask, frame).numpy()
    return cut_mask(white, drawn, policy, i, size=size, magnitude=magnitude)


def view_masks(mask: Mask, frame: tuple[int, int], config: ViewConfig) -> Tensor:
    """The mask as all test views of a video show it: bool (views · crops, T, size, size).

    Args:
        mask: of all frames of the video, (N, H, W), of any size.
        frame: rows and columns of the frames that the views are cut from.
        config: of the views.
    """
    windows = view_frames(len(mask), config.frames, config.views)
    used, where = np.unique(windows, return_inverse=True)
    white = scale_mask(mask[used], frame).numpy()
    return cut_views(white, where.reshape(windows.shape), config)[..., 0] >= HALF


def scale_mask(mask: Mask, frame: tuple[int, int]) -> Tensor:
    """A mask (T, H, W) at another size: uint8 (T, *frame, 1), 255 where somebody fills all of a pixel."""
    planes = torch.from_numpy(mask.astype(np.uint8) * 255)[:, None]
    if mask.shape[1:] != frame:
        planes = functional.interpolate(planes, size=frame, mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)
