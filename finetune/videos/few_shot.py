"""Few-shot training: so many videos a class, drawn by the seed."""

from dataclasses import replace

from fractalvid.finetune.clips.augment import few_of
from fractalvid.finetune.targets.base import counted
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.errors import UserError


def few_shot(listing: Listing, shots: int, seed: int) -> Listing:
    """The listing with `shots` training videos a class, drawn by the seed; test videos stay.

    Raises:
        UserError: a class has fewer.
    """
    kept = set[int]()
    for label, name in enumerate(listing.classes):
        there = [k for k, row in enumerate(listing.rows) if row.side == "train" and row.label == label]
        if len(there) < shots:
            raise UserError(f"--shots is {shots}: class {name!r} has only {counted(len(there), 'training video')}")
        kept.update(there[k] for k in few_of(seed, label, len(there), shots))
    chosen = [k for k, row in enumerate(listing.rows) if row.side == "test" or k in kept]
    frames = tuple(listing.frames[k] for k in chosen)
    return replace(listing, rows=tuple(listing.rows[k] for k in chosen), frames=frames)
