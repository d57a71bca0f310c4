"""A validation side: what is looked at while choosing, so that the test side is looked at once, at the end."""

from dataclasses import replace
from pathlib import Path

from fractalvid.finetune.targets.base import Target
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.folder.shares import draw_share
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.errors import UserError


def hold_out(listing: Listing, target: Target, options: TargetOptions, root: Path) -> Listing:
    """The listing with a share of its training videos on the side "val", as the options ask for.

    Whole sources are taken where these are known, so that no film is both learned from and chosen by. Nothing is where
    the share is what is tested.

    Raises:
        UserError: there is a validation side already, or too few sources to take one.
    """
    training = listing.side("train")
    if options.val_share is None or not training or (isinstance(target, Folder) and target.draws_tests(root)):
        return listing
    if listing.side("val"):
        raise UserError(
            "--val-share: there are validation videos already, and those are what is looked at; leave it out"
        )

    def source(path: str) -> str:
        return (target.group(path) if options.val_by == "group" else None) or path

    drawn = draw_share(training, options.val_share, options.val_seed, source, listing.classes, side="val")
    if not any(video.side == "val" for video in drawn):
        instead = "; --val-by file may" if options.val_by == "group" else ""
        raise UserError(f"--val-share: no source can be held out without leaving a class untrained{instead}")
    rest = iter(drawn)
    videos = tuple(next(rest) if video.side == "train" else video for video in listing.videos)
    return replace(listing, videos=videos)
