"""Masks of training clips: cut, flipped and moved as the clips themselves are."""

import numpy as np
from torch import Tensor

from fractalvid.finetune.cache.frames import Bytes
from fractalvid.finetune.clips.augment import Augmentation, crop
from fractalvid.finetune.clips.randaugment import Policy, move_mask

HALF = 128
"""From this share of a pixel, of 255, it counts as covered."""


def cut_mask(white: Bytes, drawn: Augmentation, policy: Policy, i: int, *, size: int, magnitude: float) -> Tensor:
    """A mask as clip i of a batch shows it, after its crop, flip and movements: bool (T, size, size).

    Args:
        white: of the clip's frames, uint8 (T, H, W, 1), 255 where the mask covers all of a pixel.
        drawn: crops and flips of the batch.
        policy: operations of the batch.
        i: which clip of the batch it is.
        size: rows and columns of the clip.
        magnitude: strength of the operations.
    """
    cut = crop(white, np.arange(len(white)), drawn, i, size)
    return move_mask(cut, policy, i, magnitude)[..., 0] >= HALF
