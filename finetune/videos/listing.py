"""From a target's rows to the videos that are really there: what is missing, what does not decode."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fractalvid.finetune.targets.base import SIDES, Row, Side, Target, counted, require_folder, some
from fractalvid.finetune.videos.index import ClipIndex
from fractalvid.finetune.videos.leakage import check_files, check_lists
from fractalvid.utils.errors import UserError

_WORDS: dict[Side, str] = {"train": "training", "test": "test"}


@dataclass(frozen=True)
class Listing:
    """The videos of one split.

    `missing` are listed but not there; `broken` are there but do not decode (path -> why). `frames` gives the
    length of each row in frames, in the order of `rows`. `sides` are those that are needed.
    """

    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    missing: tuple[str, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    frames: tuple[int, ...] = ()
    sides: tuple[Side, ...] = SIDES

    def side(self, side: Side) -> tuple[Row, ...]:
        """The rows of training or of testing."""
        return tuple(row for row in self.rows if row.side == side)

    def lengths(self, side: Side) -> tuple[int, ...]:
        """Frames of each row of `side`."""
        return tuple(n for row, n in zip(self.rows, self.frames, strict=True) if row.side == side)


def list_videos(
    target: Target, root: Path, split: str, *, allow_missing: bool, sides: tuple[Side, ...] = SIDES
) -> Listing:
    """The videos of a split that are there.

    With `allow_missing`, listed videos that are not there are counted, and classes of which nothing is there
    are left out; the labels then count the classes that remain. Without, they are a `UserError`. Of the lists only
    `sides` are taken: ("test",) where nothing is to be trained.
    """
    require_folder(root, target.layout)
    splits = target.protocol.splits
    if splits and split not in splits:
        raise UserError(f"{target.name} has no split {split!r}: its splits are {some(splits)}")
    rows = target.index(root, split)
    classes = target.classes(root, split)
    check_labels(target, rows, classes, sides)
    check_lists(target, rows)
    rows = [row for row in rows if row.side in sides]
    there = [row for row in rows if (root / row.path).is_file()]
    if not there:
        raise UserError(f"none of the {len(rows)} listed videos is in {root}: expected e.g. {rows[0].path}")
    found = {row.path for row in there}
    missing = tuple(row.path for row in rows if row.path not in found)
    if missing and not allow_missing:
        raise UserError(
            f"{len(missing)} of {len(rows)} listed videos are not in {root}: {some(missing, 3)}; "
            "--allow-missing goes on without them and counts them in the result"
        )
    listing = Listing(classes, tuple(there), missing, sides=sides)
    _require_training(listing, rows, root)
    listing = _drop_empty_classes(listing)
    require_sides(listing, root)
    check_files(root, listing.rows, official=bool(splits))
    return listing


def check_labels(
    target: Target, rows: Sequence[Row], classes: tuple[str, ...], sides: tuple[Side, ...] = SIDES
) -> None:
    """Raise `UserError` for labels out of range, and where there is nothing to train or to test on."""
    for row in rows:
        if not 0 <= row.label < len(classes):
            raise UserError(f"{target.name}: the label of {row.path} is {row.label} of 0 to {len(classes) - 1}")
    for side in sides:
        if not any(row.side == side for row in rows):
            hint = "" if target.protocol.splits else "; name a table with --csv that says which videos are which"
            hint += "; finetune test needs none" if hint and side == "train" else ""
            raise UserError(f"{target.name} lists no {_WORDS[side]} video{hint}")


def _drop_empty_classes(listing: Listing) -> Listing:
    kept = sorted({row.label for row in listing.rows})
    new = {old: label for label, old in enumerate(kept)}
    rows = tuple(replace(row, label=new[row.label]) for row in listing.rows)
    return replace(listing, classes=tuple(listing.classes[old] for old in kept), rows=rows)


def require_sides(listing: Listing, root: Path) -> None:
    """Raise `UserError` unless there are videos of the sides that are needed, and two classes to train on."""
    if "train" in listing.sides and len(listing.classes) < 2:
        there = counted(len(listing.classes), "class", "classes")
        raise UserError(f"{root} has videos of {there}; telling classes apart takes two")
    for side in listing.sides:
        if not any(row.side == side for row in listing.rows):
            raise UserError(f"{root} has no {_WORDS[side]} video of this split that can be used")


def _require_training(listing: Listing, listed: Sequence[Row], root: Path) -> None:
    """Raise `UserError` where nothing is left of the listed training videos of a class that would be tested.

    A class that official lists do not train is tested as they say.
    """
    if "train" not in listing.sides:
        return
    trained, tested = ({row.label for row in listing.side(side)} for side in SIDES)
    lost = sorted(({row.label for row in listed if row.side == "train"} & tested) - trained)
    if lost:
        names = some((repr(listing.classes[label]) for label in lost), 3)
        raise UserError(
            f"{root} has test but no training videos that can be used of {counted(len(lost), 'class', 'classes')} "
            f"({names}): get or repair their training videos, or remove those of their tests, too"
        )


def keep_decodable(listing: Listing, index: ClipIndex, root: Path) -> Listing:
    """Leave out what the index found broken, and cuts that begin after the video's end; add the lengths."""
    rows, frames, broken = [], [], dict[str, str]()
    for row in listing.rows:
        if row.path in index.broken:
            broken[row.path] = index.broken[row.path]
            continue
        whole = index.frames[row.path]
        length = min(whole if row.end is None else row.end, whole) - (row.start or 0)
        if length < 1:
            broken[row.path] = f"frames {row.start} to {row.end} of a video of {whole}"
            continue
        rows.append(row)
        frames.append(length)
    kept = replace(listing, rows=tuple(rows), frames=tuple(frames), broken=tuple(sorted(broken.items())))
    require_sides(kept, root)
    _require_training(kept, listing.rows, root)
    return kept
