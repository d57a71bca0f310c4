"""A validation side: what is looked at while choosing, so that the test side is looked at once, at the end."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from fractalvid.finetune.targets.base import Side, Target
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.folder.shares import draw_share
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.errors import UserError


def check_share(target: Target, options: TargetOptions, root: Path, sides: Collection[Side]) -> None:
    """Raise `UserError` for a share that nothing can be held out by: of `sides`, no training side is needed.

    It may be what is tested, of folders that name no side.
    """
    if options.val_share is not None and "train" not in sides and not _draws_tests(target, root):
        raise UserError(
            "--val-share: nothing is trained, so there is nothing to hold out, and what is tested is said already; "
            "leave it out"
        )


def _draws_tests(target: Target, root: Path) -> bool:
    return isinstance(target, Folder) and target.draws_tests(root)


def hold_out(listing: Listing, target: Target, options: TargetOptions, root: Path) -> Listing:
    """The listing with a share of its training videos on the side "val", as the options ask for.

    Whole sources are taken where these are known, so that no film is both learned from and chosen by. Nothing is where
    the share is what is tested.

    Raises:
        UserError: there is a validation side already, too few sources to take one, or nothing is to be trained.
    """
    check_share(target, options, root, listing.sides)
    training = listing.side("train")
    if options.val_share is None or _draws_tests(target, root):
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
