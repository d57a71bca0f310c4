"""The benchmarks, a row each, and how a command line's options become one.

A new benchmark is a file in this folder and a row of `TARGETS`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fractalvid.finetune.targets import ucf101
from fractalvid.finetune.targets.anigifs import Gifs
from fractalvid.finetune.targets.base import Download, Target
from fractalvid.finetune.targets.demo.target import CARTOON, demo_target
from fractalvid.finetune.targets.diving48 import Diving48
from fractalvid.finetune.targets.egtea import Egtea
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.hmdb51 import Hmdb51
from fractalvid.finetune.targets.ikeafa import IkeaFa
from fractalvid.finetune.targets.kinetics import Kinetics
from fractalvid.finetune.targets.ssv2 import SomethingSomething
from fractalvid.finetune.targets.uavhuman import UavHuman
from fractalvid.finetune.targets.volleyball import Volleyball
from fractalvid.finetune.targets.yup import Yup
from fractalvid.utils.checks import check_count, check_fields, check_integer
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import did_you_mean
from fractalvid.utils.messages.phrases import first_few

_TABLE = (
    *("csv", "path_column", "label_column", "split_column", "fold_column", "group_column"),
    *("start_column", "end_column"),
)
_SHARES = ("val_share", "val_by", "val_seed")
_GIFS = (*_TABLE, "most_frequent")
_LISTS = ("annotations",)


@dataclass(frozen=True)
class TargetRow:
    """A benchmark: how it is made, the options that go with it beside --data, and what can be downloaded for it.

    `make` takes the options, and whether test videos are all that is needed.
    """

    make: Callable[["TargetOptions", bool], Target]
    options: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    needs_data: bool = True


TARGETS: dict[str, TargetRow] = {
    "hmdb51": TargetRow(lambda options, _: Hmdb51(options.annotations), _LISTS),
    "ucf101": TargetRow(lambda options, _: ucf101.Ucf101(options.annotations), _LISTS, ucf101.DOWNLOADS),
    "diving48": TargetRow(lambda options, _: Diving48(options.annotations), _LISTS),
    "kinetics400": TargetRow(lambda options, test_only: Kinetics(400, options.annotations, test_only), _LISTS),
    "kinetics600": TargetRow(lambda options, test_only: Kinetics(600, options.annotations, test_only), _LISTS),
    "ssv2": TargetRow(lambda options, _: SomethingSomething("ssv2", options.annotations), _LISTS),
    "ssv2-mini": TargetRow(lambda options, _: SomethingSomething("ssv2-mini", options.annotations), _LISTS),
    "ikeafa": TargetRow(lambda options, _: IkeaFa(options.annotations), _LISTS),
    "uavhuman": TargetRow(lambda options, _: UavHuman(options.annotations), _LISTS),
    "egtea": TargetRow(lambda options, _: Egtea(options.annotations), _LISTS),
    "volleyball": TargetRow(lambda *_: Volleyball()),
    "yup++": TargetRow(lambda options, _: Yup(options.annotations), _LISTS),
    "anigifs": TargetRow(lambda options, test_only: _gifs(options, test_only), _GIFS),
    "kinetics-gifs": TargetRow(lambda options, test_only: _gifs(options, test_only), _GIFS),
    "folder": TargetRow(lambda options, test_only: _folder(options, test_only), _TABLE),
    "demo": TargetRow(lambda *_: demo_target(), needs_data=False),
    CARTOON: TargetRow(lambda *_: demo_target(CARTOON), needs_data=False),
}
WITH_LISTS = tuple(name for name, row in TARGETS.items() if "annotations" in row.options)
"""Those whose official lists may lie elsewhere than the videos."""
WITH_SPLITS = tuple(name for name, row in TARGETS.items() if row.needs_data and "csv" not in row.options)
"""Those with official splits."""
WITH_DOWNLOADS = tuple(name for name, row in TARGETS.items() if row.downloads)
_NAMES = ", ".join(name for name, row in TARGETS.items() if row.needs_data)


@dataclass(frozen=True)
class TargetOptions:
    """Which benchmark, and where its videos and lists are, as the command line says it."""

    target: Annotated[str, tyro.conf.arg(help=f"{_NAMES}, or demo or demo-cartoon (drawn, need no data).")]
    data: Path | None = None
    """Folder with the videos."""
    annotations: Annotated[
        Path | None,
        tyro.conf.arg(
            help=f"{', '.join(WITH_LISTS)}: folder with the official lists, where they are not with the videos."
        ),
    ] = None
    csv: Path | None = None
    """folder, GIFs: table with the columns path, label and split (train or test) or a fold column."""
    path_column: str = "path"
    """folder, GIFs: the column of the table that names the file."""
    label_column: str = "label"
    """folder, GIFs: the column of the table that names the class."""
    split_column: str = "split"
    """folder, GIFs: the column of the table that says train or test, or val, which is tested where nothing is test."""
    fold_column: str | None = None
    """folder, GIFs: the column of the table that says the fold; the one asked for is the test set, all others train."""
    group_column: str | None = None
    """folder, GIFs: the column of the table that says the source of a video; intervals draw sources, not videos."""
    start_column: str | None = None
    """folder, GIFs: the column of the table that says a clip's first frame, from 0, where videos hold several."""
    end_column: str | None = None
    """folder, GIFs: the column of the table that says the first frame behind a clip."""
    most_frequent: int | None = None
    """anigifs, kinetics-gifs: only the classes with the most GIFs, so many (40 in the article's subset)."""
    val_share: float | None = None
    """Share of each class's training videos that is held out to choose by; of a folder without train/ and test/, the
    share that is tested."""
    val_by: Literal["group", "file"] = "group"
    """With --val-share: group takes whole sources (of one's own videos, unless --group-column says them, names without
    the numbers at the end), file single files."""
    val_seed: int = 0
    """With --val-share: another number holds out other videos."""

    def __post_init__(self) -> None:
        """Refuse values that no benchmark can use."""
        if self.target is tyro.MISSING:  # the defaults of a command line, which has to name one
            return
        check_fields(self)
        check_count("most_frequent", self.most_frequent)
        if self.most_frequent is not None and self.most_frequent < 2:
            raise UserError(f"--most-frequent is {self.most_frequent}: telling classes apart takes two")
        if self.val_share is not None and not 0 < self.val_share < 1:
            raise UserError(f"--val-share is {self.val_share:g}: a share between 0 and 1, as 0.2")
        check_integer("val_seed", self.val_seed, 0, 2**64 - 1)


def make_target(options: TargetOptions, *, test_only: bool = False) -> Target:
    """The benchmark that the options name; `test_only`: its test videos are all that is needed.

    Raises:
        UserError: an unknown one, or options of another.
    """
    name = options.target
    if name not in TARGETS:
        targets = first_few(TARGETS, len(TARGETS))
        raise UserError(f"unknown target {name!r}: the targets are {targets}{did_you_mean(name, TARGETS)}")
    _refuse_others(options)
    if not TARGETS[name].needs_data and options.data is not None:
        raise UserError(f"--data does not go with --target {name}")
    if TARGETS[name].needs_data and options.data is None:
        raise UserError(f"--target {name} needs --data: the folder with its videos")
    return TARGETS[name].make(options, test_only)


def _refuse_others(options: TargetOptions) -> None:
    """Raise `UserError` for options that mean nothing to the target: a silent flag would mislead."""
    allowed, default = TARGETS[options.target].options, TargetOptions(options.target)
    given = [field for field in (*_LISTS, *_GIFS, *_SHARES) if getattr(options, field) != getattr(default, field)]
    for field in given:
        if field not in (*allowed, *_SHARES):
            raise UserError(f"--{field.replace('_', '-')} does not go with --target {options.target}")
        if field in _TABLE and options.csv is None:
            raise UserError(f"--{field.replace('_', '-')} does not go without --csv, the table that has it")
        if field in _SHARES and options.val_share is None:
            raise UserError(f"--{field.replace('_', '-')} does not go without --val-share, the share that is held out")


def _folder(options: TargetOptions, test_only: bool) -> Folder:
    folder = Folder(
        options.csv,
        label_column=options.label_column,
        split_column=options.split_column,
        fold_column=options.fold_column,
        group_column=options.group_column,
        test_only=test_only,
        path_column=options.path_column,
        start_column=options.start_column,
        end_column=options.end_column,
        val_share=options.val_share,
        val_by=options.val_by,
        val_seed=options.val_seed,
    )
    return folder if options.csv is None else replace(folder, layout=f"the videos that {options.csv} lists")


def _gifs(options: TargetOptions, test_only: bool) -> Gifs:
    return Gifs(options.target, _folder(options, test_only) if options.csv else None, options.most_frequent)


def check_folds(options: TargetOptions, splits: object, folds: object, ending: str) -> None:
    """Raise `UserError` for folds of nothing, or folds and splits at once.

    `ending` is that of the options' names: "" or "s".
    """
    if folds and splits:
        either = f"--split{ending} and --fold{ending} exclude each other"
        raise UserError(f"{either}: --fold{ending} goes with --fold-column")
    if folds and options.fold_column is None:
        instead = f"; official splits are chosen with --split{ending}" if options.target in WITH_SPLITS else ""
        raise UserError(f"--fold{ending} needs --fold-column: the column of --csv that says the fold{instead}")
    if options.fold_column is not None and not folds:
        which = "which of its values is the test set" if not ending else "those of its values that are tested in turn"
        raise UserError(f"--fold-column {options.fold_column} needs --fold{ending}: {which}")
