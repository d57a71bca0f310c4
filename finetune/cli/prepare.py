"""`finetune prepare`: is a benchmark complete, what of it decodes, and its decoded copy on disk."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import DATA, NO_TARGET, TARGETS_LINE, Target
from fractalvid.finetune.targets.registry import TARGETS, WITH_DOWNLOADS
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.checks import MAX_SETTING
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import first_few
from fractalvid.video.errors import MAX_PIXELS

if TYPE_CHECKING:
    from fractalvid.finetune.videos.data import Data

_SIDES = (16, 4096)


@dataclass(frozen=True)
class Prepare:
    """Check the files of a benchmark before anything is trained on them.

    Every listed video is looked for and decoded once. What is missing or broken is named, with where to get it; what
    is there is written to the index that all later runs read instead. With --cache, videos are also kept decoded, and
    later runs find them there.
    """

    target: Target
    split: tuple[str, ...] = ()
    """Official splits to check (default: those that a result is the mean of, else the first)."""
    fold: str | None = None
    """folder with --fold-column: any of its folds; each lists all videos."""
    cache: int | None = None
    """Keep videos decoded, with a short side of so many pixels; a run with --size 112 reads 128 (8/7 of it)."""
    cache_quality: int | None = None
    """Keep them as JPEG pictures of this quality, 1 to 100, a tenth of the room; default bit for bit."""
    masks: Path | None = None
    """Folder for masks of the people in the videos, by Mask R-CNN, for `finetune --debias`."""
    device: str = "auto"
    """With --masks, where people are looked for: auto, cpu, cuda or cuda:N."""
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
    frame_rate: float | None = None
    """Pictures a second of videos that are folders of pictures, which do not say it: for rate and duration."""
    max_pixels: int = MAX_PIXELS
    """Pixels that a frame of a video may have; one with more does not count as a video. 8K has 33 to 36 million."""
    isolate: bool = False
    """Decode in child processes: a video that crashes, hangs or fills the decoder counts as broken, and no more."""
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
        if self.frame_rate is not None and not 0 < self.frame_rate <= MAX_SETTING:
            raise UserError(f"--frame-rate is {self.frame_rate:g}: it must be above 0")
        if self.download and self.target.target not in WITH_DOWNLOADS:
            raise UserError(
                f"--download: {self.target.target} has no stable public address with a checksum, only "
                f"{first_few(WITH_DOWNLOADS)}; without it, what is missing is named with where to get it"
            )

    def machine(self) -> Machine:
        """The options that runs have, too."""
        return Machine(
            device=self.device,
            threads=self.threads,
            cache_dir=self.cache_dir,
            max_broken=self.max_broken,
            max_pixels=self.max_pixels,
            isolate=self.isolate,
            progress=self.progress,
        )


def run(options: Prepare) -> None:
    """Download, check, index and decode, as far as asked; prints what there is."""
    options.check()
    announce(f"looking for the videos of {options.target.target}")
    from fractalvid.finetune.cache.reader import CacheKind
    from fractalvid.finetune.run.prepare import prepare_videos
    from fractalvid.finetune.targets.files.download import download_all
    from fractalvid.finetune.videos.data import open_data

    machine = options.machine()
    machine.check()
    if options.download and options.target.data is not None:
        downloads = TARGETS[options.target.target].downloads
        download_all(downloads, options.target.data, progress=options.progress)
    data = open_data(options.target, machine, test_only=options.test_only)
    kind = None if options.cache is None else CacheKind(options.cache, options.cache_quality)
    for line in prepare_videos(
        data,
        splits_of(data, options),
        machine,
        cache=kind,
        allow_missing=options.allow_missing,
        frame_rate=options.frame_rate,
        masks=options.masks,
    ):
        print(line)


def splits_of(data: "Data", options: Prepare) -> tuple[str, ...]:
    """The splits or the fold to check."""
    if options.fold is not None and options.split:
        raise UserError("--split and --fold exclude each other: --fold goes with --fold-column")
    official, fold_column = data.target.protocol.splits, data.options.fold_column
    if fold_column is not None and options.fold is None:
        raise UserError(f"--fold-column {fold_column} needs --fold: any of its values, for each lists all videos")
    if fold_column is None and options.fold is not None:
        raise UserError("--fold needs --fold-column: the column of --csv that says the fold")
    if options.fold is not None:
        return (options.fold,)
    for split in options.split:
        if split not in official:
            has = f"its splits are {first_few(official)}" if official else "it has no official splits"
            raise UserError(f"{data.target.name} has no split {split!r}: {has}")
    return options.split or (official if data.target.protocol.average_splits else official[:1]) or ("",)


def command(args: list[str]) -> None:
    """`finetune prepare` with the arguments behind these words."""
    text = f"{inspect.getdoc(Prepare)}\n\n{TARGETS_LINE}"
    run(
        parse(
            Prepare,
            args,
            program="finetune prepare",
            default=Prepare(target=NO_TARGET),
            description=text,
            main={
                "the benchmark": {**DATA, "split": "Official splits to check", "test-only": "Only the test videos"},
                "what is done": {
                    "download": "ucf101: fetch what is not there yet into --data",
                    "cache": "Keep videos decoded, of such a short side in pixels",
                    "cache-quality": "As JPEG pictures of this quality, 1 to 100",
                    "cache-dir": "~/.cache/fractalvid if not given",
                    "threads": "",
                },
            },
        )
    )
