"""The data of a run: a benchmark, its folder, and its videos that decode."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.targets.base import SIDES, Side, Target
from fractalvid.finetune.targets.demo.files import draw_demo
from fractalvid.finetune.targets.demo.target import demo_path, demo_set
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.holdout import hold_out
from fractalvid.finetune.videos.index import ClipIndex, build_index
from fractalvid.finetune.videos.listing import Listing, keep_decodable, list_videos, told_beyond
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class Data:
    """A benchmark that is ready to be listed.

    `root` is the folder with its videos, `options` are those that named it; of its videos, `sides` are needed.
    """

    target: Target
    root: Path
    options: TargetOptions
    sides: tuple[Side, ...] = SIDES


def open_data(options: TargetOptions, machine: Machine | None = None, *, test_only: bool = False) -> Data:
    """Make the target and find its folder; the clips of the demo are drawn when they are listed.

    With `test_only` nothing is to be trained, and only test videos are asked for; nothing can be held out then.
    """
    target = make_target(options, test_only=test_only)
    root = options.data or demo_path((machine or Machine()).cache(), demo_set(options.target))
    return Data(target, root, options, ("test",) if test_only else SIDES)


def data_name(data: Data) -> str:
    """What results on the data are filed under: the benchmark; of one's own videos also the table or the folder."""
    options = data.options
    if options.csv is None and options.target != "folder":
        return data.target.name
    own = data.root.resolve().name if options.csv is None else options.csv.stem
    return f"{data.target.name}-" + re.sub(r"[^\w.-]", "-", own)


def split_name(data: Data, split: str | None) -> str:
    """The split's or fold's name; the benchmark's first split where none is given."""
    splits, fold_column = data.target.protocol.splits, data.options.fold_column
    if split is None and fold_column is not None:
        raise UserError(f"--fold-column {fold_column} needs --fold: which of its values is the test set")
    if split is not None and not splits and fold_column is None:
        raise UserError(f"--target {data.target.name} has no splits or folds to choose from without --fold-column")
    return split if split is not None else (splits[0] if splits else "")


def split_ending(split: str | None) -> str:
    """What the names of results end in, so that those of several splits or folds lie apart; "" where none was named."""
    return "" if split is None else "_split-" + re.sub(r"[^\w.-]", "-", split)


def list_split(data: Data, split: str, machine: Machine, *, allow_missing: bool) -> Listing:
    """List the split's videos; draw them first if they are the demo's."""
    if data.options.data is None:
        draw_demo(data.root, demo_set(data.options.target), progress=machine.progress)
    listing = list_videos(data.target, data.root, split, allow_missing=allow_missing, sides=data.sides)
    return hold_out(listing, data.target, data.options, data.root)


def read_videos(data: Data, split: str, machine: Machine, *, allow_missing: bool) -> Listing:
    """List the split's videos and find out which decode."""
    return decode_listed(data, list_split(data, split, machine, allow_missing=allow_missing), machine)


def index_videos(root: Path, paths: Sequence[str], machine: Machine, *, progress: bool = False) -> ClipIndex:
    """What is known of videos below `root`; without a bar, for videos that were listed and so are known already.

    Raises:
        UserError: more of them than `machine.max_broken` do not decode.
    """
    return build_index(
        root,
        paths,
        cache_dir=machine.cache(),
        threads=machine.decoders(),
        max_broken=machine.max_broken,
        progress=progress,
        max_pixels=machine.max_pixels,
        isolate=machine.isolate,
    )


def decode_listed(data: Data, listing: Listing, machine: Machine) -> Listing:
    """The videos of a list that decode, with their lengths; the others are named."""
    index = index_videos(data.root, [video.path for video in listing.videos], machine, progress=machine.progress)
    listing = keep_decodable(listing, index, data.root)
    for path, why in listing.broken[:10] if machine.progress else ():
        tqdm.write(f"skipped {why}" if path in why else f"skipped {path}: {why}")
    for path, packets in listing.damaged[:10] if machine.progress else ():
        tqdm.write(f"damaged {path}: {counted(packets, 'packet')} passed over")
    beyond = told_beyond((video, index.frames[video.path]) for video in listing.videos)
    if beyond:
        note(beyond)
    return listing
