"""The command `finetune prepare`: is a benchmark complete, what of it decodes, and its decoded copy on disk."""

import inspect
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cache.reader import CacheKind
from fractalvid.finetune.cache.writer import CacheReport, gigabytes, make_cache
from fractalvid.finetune.targets import TARGETS, Source, draw_demo
from fractalvid.finetune.targets.base import counted, some
from fractalvid.finetune.targets.demo import DemoSet
from fractalvid.finetune.targets.download import DOWNLOADS, download_all
from fractalvid.finetune.videos.data import Data, Machine, open_data
from fractalvid.finetune.videos.index import build_index
from fractalvid.finetune.videos.survey import find_files, report
from fractalvid.utils.errors import UserError
from fractalvid.video.index import index_file

_Source = Annotated[Source, tyro.conf.arg(name="")]
_SIDES = (16, 4096)


@dataclass(frozen=True)
class Prepare:
    """Check the files of a benchmark before anything is trained on them.

    Every listed video is looked for and decoded once. What is missing or broken is named, with where to get it; what
    is there is written to the index that all later runs read instead. With --cache, videos are also kept decoded, and
    later runs find them there.
    """

    source: _Source
    split: tuple[str, ...] = ()
    """Official splits to check (default: those that a result is the mean of, else the first)."""
    fold: str | None = None
    """folder with --fold-column: any of its folds; each lists all videos."""
    cache: int | None = None
    """Keep videos decoded, with a short side of so many pixels; a run with --size 112 reads 128 (8/7 of it)."""
    cache_quality: int | None = None
    """Keep them as JPEG pictures of this quality, 1 to 100, a tenth of the room; default bit for bit."""
    download: bool = False
    """ucf101: fetch what is not there yet into --data (7 GB, and as much again while it is unpacked)."""
    test_only: bool = False
    """Only the test videos, which are all that `finetune test` needs."""
    allow_missing: bool = False
    """Go on without listed videos that are not there."""
    threads: int | None = None
    """Videos decoded at once; default one a processor."""
    cache_dir: Path | None = None
    """Where the index and decoded videos are kept; default ~/.cache/fractalvid. Later runs need the same."""
    max_broken: float = 0.05
    """Share of videos that may fail to decode; those are counted and named."""
    progress: bool = True
    """Show progress bars."""

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        if self.cache is not None and not _SIDES[0] <= self.cache <= _SIDES[1]:
            raise UserError(f"--cache is {self.cache}: a short side in pixels, {_SIDES[0]} to {_SIDES[1]}")
        if self.cache_quality is not None and not 1 <= self.cache_quality <= 100:
            raise UserError(f"--cache-quality is {self.cache_quality}: it must be 1 to 100")
        if self.cache_quality is not None and self.cache is None:
            raise UserError("--cache-quality needs --cache: the short side of the decoded videos")
        if self.download and self.source.target not in DOWNLOADS:
            raise UserError(
                f"--download: {self.source.target} has no stable public address with a checksum, only "
                f"{some(DOWNLOADS)}; without it, what is missing is named with where to get it"
            )

    def machine(self) -> Machine:
        """The options that runs have, too."""
        return Machine(
            threads=self.threads, cache_dir=self.cache_dir, max_broken=self.max_broken, progress=self.progress
        )


def prepare_main(options: Prepare) -> None:
    """Check, index, and decode where asked; prints what was found."""
    options.check()
    machine = options.machine()
    machine.check()
    if options.download and options.source.data is not None:
        download_all(DOWNLOADS[options.source.target], options.source.data, progress=options.progress)
    data = open_data(options.source, machine, test_only=options.test_only)
    if options.source.data is None:
        draw_demo(data.root, DemoSet(), progress=options.progress)
    found = find_files(data, splits_of(data, options), allow_missing=options.allow_missing)
    place = index_file(machine.cache(), data.root)
    _check_place(place.parent)
    index = build_index(
        data.root,
        found.there,
        cache_dir=machine.cache(),
        threads=machine.decoders(),
        max_broken=machine.max_broken,
        progress=machine.progress,
    )
    for line in report(data, found, index):
        print(line)
    print(f"index     {place}")
    if options.cache is not None:
        kind = CacheKind(options.cache, options.cache_quality)
        made = make_cache(
            data.root,
            index.facts,
            kind,
            cache_dir=machine.cache(),
            threads=machine.decoders(),
            progress=machine.progress,
        )
        print(cache_line(kind, made))


def _check_place(folder: Path) -> None:
    """Raise `UserError` where nothing can be written in the cache folder, before hours of decoding."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --cache-dir") from error


def splits_of(data: Data, options: Prepare) -> tuple[str, ...]:
    """The splits or the fold to check."""
    if options.fold is not None and options.split:
        raise UserError("--split and --fold exclude each other: --fold goes with --fold-column")
    official, fold_column = data.target.protocol.splits, data.source.fold_column
    if fold_column is not None and options.fold is None:
        raise UserError(f"--fold-column {fold_column} needs --fold: any of its values, for each lists all videos")
    if fold_column is None and options.fold is not None:
        raise UserError("--fold needs --fold-column: the column of --csv that says the fold")
    if options.fold is not None:
        return (options.fold,)
    for split in options.split:
        if split not in official:
            has = f"its splits are {some(official)}" if official else "it has no official splits"
            raise UserError(f"{data.target.name} has no split {split!r}: {has}")
    return options.split or (official if data.target.protocol.average_splits else official[:1]) or ("",)


def cache_line(kind: CacheKind, made: CacheReport) -> str:
    """What became of the cache."""
    how = "bit for bit" if kind.quality is None else f"JPEG {kind.quality}"
    broken = f", {len(made.broken)} do not decode any more ({some(made.broken, 3)})" if made.broken else ""
    unused = made.size - made.used
    outdated = f", of which {gigabytes(unused)} are outdated (gone if you remove the folder)" if unused else ""
    return (
        f"decoded   {kind.short_side} pixels, {how}: {counted(made.made, 'video')} now, {made.kept} were there{broken}"
        f"; {gigabytes(made.size)}{outdated} in {made.folder}"
    )


def command(args: list[str]) -> None:
    """`finetune prepare` with the arguments behind these words."""
    text = f"{inspect.getdoc(Prepare)}\n\nTargets: {', '.join(TARGETS)}."
    default = Prepare(source=Source(tyro.MISSING))
    prepare_main(parse(Prepare, args, program="finetune prepare", default=default, description=text))
