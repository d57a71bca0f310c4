"""Which of the videos that a target lists are really there: what is missing, what does not decode."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fractalvid.finetune.targets.base import SIDE_WORDS, SIDES, Side, Target, Video, require_folder
from fractalvid.finetune.videos.index import ClipIndex, damaged_videos
from fractalvid.finetune.videos.leakage import check_files, check_lists
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.folders import NOT_THERE, LeftAside, absent


@dataclass(frozen=True)
class Listing:
    """The videos of one split.

    `missing` are listed but not there; `broken` are there but do not decode (path -> why); of `damaged` ones some
    packets do not (path -> how many). `frames` gives the length of each video in frames, in the order of `videos`;
    `files` the frames, width and height of each file as it decodes, by its path. `sides` are those that are needed.
    """

    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    missing: tuple[str, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    frames: tuple[int, ...] = ()
    sides: tuple[Side, ...] = SIDES
    damaged: tuple[tuple[str, int], ...] = ()
    files: tuple[tuple[str, int, int, int], ...] = ()

    def side(self, side: Side) -> tuple[Video, ...]:
        """The videos of training, of validation or of testing."""
        return tuple(video for video in self.videos if video.side == side)


def curve_side(listing: Listing) -> Side:
    """Which side curves are of: validation where there is one, else the test side, as the field has it."""
    return "val" if listing.side("val") else "test"


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
        raise UserError(f"{target.name} has no split {split!r}: its splits are {first_few(splits)}")
    videos = target.index(root, split)
    classes = target.classes(root, split)
    check_labels(target, videos, classes, sides)
    check_lists(target, videos)
    videos = of_sides(videos, sides)
    lost = why_absent(root, (video.path for video in videos))
    there = [video for video in videos if video.path not in lost]
    if not there:
        raise UserError(
            f"none of the {len(videos)} listed videos is in {root}{links_among(lost)}: expected e.g. {videos[0].path}"
        )
    missing = tuple(video.path for video in videos if video.path in lost)
    if missing and not allow_missing:
        raise UserError(
            f"{len(missing)} of {len(videos)} listed videos are not in {root}: {first_few(missing, 3)}"
            f"{links_among(lost)}; --allow-missing goes on without them and counts them in the result"
        )
    listing = Listing(classes, tuple(there), missing, sides=sides)
    _require_training(listing, videos, root)
    listing = _drop_empty_classes(listing)
    require_sides(listing, root)
    check_files(root, listing.videos, official=bool(splits))
    return listing


def of_sides(videos: Iterable[Video], sides: tuple[Side, ...]) -> list[Video]:
    """Those of the sides that are needed, and with training videos those that are there to choose by."""
    return [video for video in videos if video.side in sides or (video.side == "val" and "train" in sides)]


def why_absent(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Of paths below `root`, those without a content, and why (`fractalvid.video.folders.absent`)."""
    reasons = {path: absent(root / path) for path in dict.fromkeys(paths)}
    return {path: reason for path, reason in reasons.items() if reason is not None}


def links_among(lost: Mapping[str, str]) -> str:
    """What of absent videos is there without its content, as " (dangling links: 8 such as a.mp4)"; else nothing."""
    left = LeftAside()
    for path, reason in lost.items():
        if reason != NOT_THERE:
            left.add(reason, path)
    return f" ({left})" if left else ""


def check_labels(
    target: Target, videos: Sequence[Video], classes: tuple[str, ...], sides: tuple[Side, ...] = SIDES
) -> None:
    """Raise `UserError` for labels out of range, and where there is nothing to train or to test on."""
    for video in videos:
        if not 0 <= video.label < len(classes):
            raise UserError(f"{target.name}: the label of {video.path} is {video.label} of 0 to {len(classes) - 1}")
    for side in sides:
        if not any(video.side == side for video in videos):
            hint = "" if target.protocol.splits else "; name a table with --csv that says which videos are which"
            hint += "; finetune test needs none" if hint and side == "train" else ""
            raise UserError(f"{target.name} lists no {SIDE_WORDS[side]} video{hint}")


def _drop_empty_classes(listing: Listing) -> Listing:
    kept = sorted({video.label for video in listing.videos})
    new = {old: label for label, old in enumerate(kept)}
    videos = tuple(replace(video, label=new[video.label]) for video in listing.videos)
    return replace(listing, classes=tuple(listing.classes[old] for old in kept), videos=videos)


def require_sides(listing: Listing, root: Path) -> None:
    """Raise `UserError` unless there are videos of the sides that are needed, and two classes to train on."""
    if "train" in listing.sides and len(listing.classes) < 2:
        there = counted(len(listing.classes), "class", "classes")
        raise UserError(f"{root} has videos of {there}; telling classes apart takes two")
    for side in listing.sides:
        if not any(video.side == side for video in listing.videos):
            raise UserError(f"{root} has no {SIDE_WORDS[side]} video of this split that can be used")


def _require_training(listing: Listing, listed: Sequence[Video], root: Path) -> None:
    """Raise `UserError` where nothing is left of the listed training videos of a class that would be tested.

    A class that official lists do not train is tested as they say.
    """
    if "train" not in listing.sides:
        return
    trained, tested = ({video.label for video in listing.side(side)} for side in SIDES)
    lost = sorted(({video.label for video in listed if video.side == "train"} & tested) - trained)
    if lost:
        names = first_few((repr(listing.classes[label]) for label in lost), 3)
        raise UserError(
            f"{root} has test but no training videos that can be used of {counted(len(lost), 'class', 'classes')} "
            f"({names}): get or repair their training videos, or remove those of their tests, too"
        )


def keep_decodable(listing: Listing, index: ClipIndex, root: Path) -> Listing:
    """Leave out what the index found broken, and cuts that begin after the video's end; add the lengths."""
    videos, frames, broken = [], [], dict[str, str]()
    for video in listing.videos:
        if video.path in index.broken:
            broken[video.path] = index.broken[video.path]
            continue
        whole = index.frames[video.path]
        length = min(whole if video.end is None else video.end, whole) - (video.start or 0)
        if length < 1:
            broken[video.path] = f"frames {video.start} to {video.end} of a video of {whole}"
            continue
        videos.append(video)
        frames.append(length)
    used = {video.path for video in videos}
    kept = replace(
        listing,
        videos=tuple(videos),
        frames=tuple(frames),
        broken=tuple(sorted(broken.items())),
        damaged=tuple((path, packets) for path, packets in damaged_videos(index.facts) if path in used),
        files=tuple((path, it.frames, it.width, it.height) for path, it in sorted(index.facts.items()) if path in used),
    )
    require_sides(kept, root)
    _require_training(kept, listing.videos, root)
    return kept


def told_beyond(videos: Iterable[tuple[Video, int]]) -> str:
    """Which cuts of videos with so many frames begin in them and end behind them, in words; "" if none does."""
    # Lists count the last frame in or out: one more is no sign that numbers are of other units or files.
    beyond = [video.path for video, frames in videos if (video.start or 0) < frames and (video.end or 0) > frames + 1]
    clips = counted(len(beyond), "clip")
    return f"{clips} beyond the last frame of their video, cut there: {first_few(beyond, 3)}" if beyond else ""
