"""Few-shot training: so many videos a class, drawn by the seed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import words64
from fractalvid.finetune.clips.draws import SHOTS
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted


def draw_few_shot(listing: Listing, shots: int, seed: int) -> Listing:
    """The listing with `shots` training videos a class, drawn by the seed; others stay.

    Raises:
        UserError: a class has fewer.
    """
    kept = set[int]()
    for label, name in enumerate(listing.classes):
        there = [k for k, video in enumerate(listing.videos) if video.side == "train" and video.label == label]
        if len(there) < shots:
            raise UserError(f"--shots is {shots}: class {name!r} has only {counted(len(there), 'training video')}")
        kept.update(there[k] for k in few_of(seed, label, len(there), shots))
    chosen = [k for k, video in enumerate(listing.videos) if video.side != "train" or k in kept]
    frames = tuple(listing.frames[k] for k in chosen)
    return replace(listing, videos=tuple(listing.videos[k] for k in chosen), frames=frames)


def few_of(seed: int, label: int, size: int, shots: int) -> NDArray[np.int64]:
    """Which `shots` of the `size` videos of a class are kept, in their order; more shots only add to fewer."""
    chosen = np.argsort(words64(seed, SHOTS, label, size), kind="stable")[:shots]
    return np.sort(chosen)
