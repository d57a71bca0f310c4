"""The data of a run: a benchmark, its folder, its videos that decode, and memory for decoded clips."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.cache.reader import open_cache
from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.targets import WITH_SPLITS, Source, demo_path, draw_demo, make_target
from fractalvid.finetune.targets.base import SIDES, Side, Target
from fractalvid.finetune.targets.demo import DemoSet
from fractalvid.finetune.videos.index import build_index, remembered
from fractalvid.finetune.videos.listing import Listing, keep_decodable, list_videos
from fractalvid.kernels.compiled.threads import available_cores
from fractalvid.pretrain.machine.precision import resolve_device
from fractalvid.utils.errors import UserError
from fractalvid.video.index import default_cache_dir


@dataclass(frozen=True)
class Machine:
    """What a run may use here: not part of what makes a result."""

    device: str = "auto"
    """Where the network runs: auto, cpu, cuda or cuda:N."""
    threads: int | None = None
    """Threads that decode and crop; default one a processor."""
    cache_gb: float = 4.0
    """Memory for decoded videos, in GiB; what does not fit is decoded at each use, unless `finetune prepare` did."""
    cache_dir: Path | None = None
    """Where the index, decoded videos and drawn demo clips are kept; default ~/.cache/fractalvid."""
    max_broken: float = 0.05
    """Share of videos that may fail to decode; those are skipped, counted and named."""
    progress: bool = True
    """Show progress bars."""

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        resolve_device(self.device)
        if self.threads is not None and not 1 <= self.threads <= 1024:
            raise UserError(f"--threads is {self.threads}: it must be 1 to 1024")
        if not (math.isfinite(self.cache_gb) and self.cache_gb >= 0):
            raise UserError(f"--cache-gb is {self.cache_gb}: it must be 0 or more")
        if not 0 <= self.max_broken <= 1:
            raise UserError(f"--max-broken is {self.max_broken}: it is a share, 0 to 1")

    def cache(self) -> Path:
        """The cache folder."""
        return default_cache_dir() if self.cache_dir is None else self.cache_dir

    def decoders(self) -> int:
        """Number of decoding threads."""
        return available_cores() if self.threads is None else self.threads


class Stores:
    """Decoded clips shared by the runs of one process: what one fold trains on, the next tests on."""

    def __init__(self, limit_bytes: int, cache_dir: Path | None = None) -> None:
        """At most `limit_bytes` in memory in all; with what `cache_dir` holds of indices and decoded videos."""
        self.memory = Memory(limit_bytes)
        self.cache_dir = cache_dir
        self._stores: dict[tuple[Path, int], ClipStore] = {}

    def get(self, root: Path, short_side: int) -> ClipStore:
        """The store for a data root and a resolution."""
        key = (root, short_side)
        if key not in self._stores:
            self._stores[key] = self._open(root, short_side)
        return self._stores[key]

    def _open(self, root: Path, short_side: int) -> ClipStore:
        if self.cache_dir is None:
            return ClipStore(root, short_side=short_side, memory=self.memory)
        facts = remembered(self.cache_dir, root)
        cache, refused = open_cache(self.cache_dir, root, short_side, facts)
        if refused:
            tqdm.write(f"note: {refused}", file=sys.stderr)
        return ClipStore(root, short_side=short_side, memory=self.memory, facts=facts, cache=cache)


@dataclass(frozen=True)
class Data:
    """A benchmark that is ready to be listed: the target, the folder with its videos, and the sides that are needed."""

    target: Target
    root: Path
    source: Source
    sides: tuple[Side, ...] = SIDES


def open_data(source: Source, machine: Machine, *, test_only: bool = False) -> Data:
    """Make the target and find its folder; the clips of the demo are drawn when they are listed.

    With `test_only` nothing is to be trained, and only test videos are asked for.
    """
    target = make_target(source, test_only=test_only)
    root = source.data or demo_path(machine.cache(), DemoSet())
    return Data(target, root, source, ("test",) if test_only else SIDES)


def check_folds(source: Source, splits: object, folds: object, word: str) -> None:
    """Raise `UserError` for folds of nothing, or folds and splits at once; `word` ends the options' names."""
    if folds and splits:
        raise UserError(f"--split{word} and --fold{word} exclude each other: --fold{word} goes with --fold-column")
    if folds and source.fold_column is None:
        instead = f"; official splits are chosen with --split{word}" if source.target in WITH_SPLITS else ""
        raise UserError(f"--fold{word} needs --fold-column: the column of --csv that says the fold{instead}")


def split_name(data: Data, split: str | None) -> str:
    """The split's or fold's name; the benchmark's first split where none is given."""
    splits, fold_column = data.target.protocol.splits, data.source.fold_column
    if split is None and fold_column is not None:
        raise UserError(f"--fold-column {fold_column} needs --fold: which of its values is the test set")
    if split is not None and not splits and fold_column is None:
        raise UserError(f"--target {data.target.name} has no splits or folds to choose from without --fold-column")
    return split if split is not None else (splits[0] if splits else "")


def list_split(data: Data, split: str, machine: Machine, *, allow_missing: bool) -> Listing:
    """List the split's videos; draw them first if they are the demo's."""
    if data.source.data is None:
        draw_demo(data.root, DemoSet(), progress=machine.progress)
    return list_videos(data.target, data.root, split, allow_missing=allow_missing, sides=data.sides)


def read_videos(data: Data, split: str, machine: Machine, *, allow_missing: bool) -> Listing:
    """List the split's videos and find out which decode."""
    return decode_listed(data, list_split(data, split, machine, allow_missing=allow_missing), machine)


def decode_listed(data: Data, listing: Listing, machine: Machine) -> Listing:
    """The videos of a list that decode, with their lengths; the others are named."""
    index = build_index(
        data.root,
        [row.path for row in listing.rows],
        cache_dir=machine.cache(),
        threads=machine.decoders(),
        max_broken=machine.max_broken,
        progress=machine.progress,
    )
    listing = keep_decodable(listing, index, data.root)
    for path, why in listing.broken[:10] if machine.progress else ():
        tqdm.write(f"skipped {why}" if path in why else f"skipped {path}: {why}")
    return listing
