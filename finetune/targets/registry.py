"""The registry of benchmarks, and how a command line's options become one."""

from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.targets.anigifs import Gifs
from fractalvid.finetune.targets.base import Target, some
from fractalvid.finetune.targets.demo import DemoSet, demo_protocol, render_actions
from fractalvid.finetune.targets.diving48 import Diving48
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.hmdb51 import Hmdb51
from fractalvid.finetune.targets.kinetics import Kinetics
from fractalvid.finetune.targets.ucf101 import Ucf101
from fractalvid.utils.errors import UserError
from fractalvid.utils.nearest import ALIKE, nearest

_TABLE = ("csv", "label_column", "split_column", "fold_column", "group_column")
# Each benchmark, and the options that go with it beside --data.
_OPTIONS = {
    "hmdb51": ("annotations",),
    "ucf101": ("annotations",),
    "diving48": ("annotations",),
    "kinetics400": ("annotations",),
    "kinetics600": ("annotations",),
    "anigifs": (*_TABLE, "most_frequent"),
    "kinetics-gifs": (*_TABLE, "most_frequent"),
    "folder": _TABLE,
    "demo": (),
}
TARGETS = tuple(_OPTIONS)
WITH_SPLITS = tuple(name for name, options in _OPTIONS.items() if "annotations" in options)
"""Those with official lists of official splits."""
_DRAWN = "The demo's clips of twelve actions by stick figures are drawn on the spot: there is nothing to obtain."


@dataclass(frozen=True)
class Source:
    """Where a benchmark's videos come from, as the command line says it."""

    target: str
    """hmdb51, ucf101, diving48, kinetics400, kinetics600, anigifs, kinetics-gifs, folder, or demo (needs no data)."""
    data: Path | None = None
    """Folder with the videos."""
    annotations: Path | None = None
    """hmdb51, ucf101, diving48, kinetics: folder with the official lists, where they are not with the videos."""
    csv: Path | None = None
    """folder, GIFs: table with the columns path, label and split (train or test) or a fold column."""
    label_column: str = "label"
    """folder, GIFs: the column of the table that names the class."""
    split_column: str = "split"
    """folder, GIFs: the column of the table that says train or test."""
    fold_column: str | None = None
    """folder, GIFs: the column of the table that says the fold; --fold is the test set, all others are for training."""
    group_column: str | None = None
    """folder, GIFs: the column of the table that says the source of a video; intervals draw sources, not videos."""
    most_frequent: int | None = None
    """anigifs, kinetics-gifs: only the classes with the most GIFs, so many (40 in the article's subset)."""


def _refuse_others(source: Source) -> None:
    """Raise `UserError` for options that mean nothing to the target: a silent flag would mislead."""
    allowed = _OPTIONS[source.target]
    for field in ("annotations", *_TABLE, "most_frequent"):
        if field not in allowed and getattr(source, field) != getattr(Source(source.target), field):
            raise UserError(f"--{field.replace('_', '-')} does not go with --target {source.target}")
    for field in _TABLE[1:]:
        if source.csv is None and getattr(source, field) != getattr(Source(source.target), field):
            raise UserError(f"--{field.replace('_', '-')} does not go without --csv, the table that has it")


def make_target(source: Source, *, test_only: bool = False) -> Target:
    """The benchmark that the options name; `test_only`: its test videos are all that is needed.

    Raises:
        UserError: an unknown one, or options of another.
    """
    name = source.target
    if name not in TARGETS:
        near = nearest(name, TARGETS, at_least=ALIKE)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(f"unknown target {name!r}: the targets are {some(TARGETS, len(TARGETS))}{hint}")
    _refuse_others(source)
    if name == "demo":
        if source.data is not None:
            raise UserError("--data does not go with --target demo")
        return Folder(name="demo", protocol=demo_protocol(), obtain=_DRAWN, layout="nothing")
    if source.data is None:
        raise UserError(f"--target {name} needs --data: the folder with its videos")
    if source.most_frequent is not None and source.most_frequent < 2:
        raise UserError(f"--most-frequent is {source.most_frequent}: telling classes apart takes two")
    columns = (source.label_column, source.split_column, source.fold_column)
    table = Folder(source.csv, *columns, group_column=source.group_column, test_only=test_only)
    if source.csv is not None:
        table = replace(table, layout=f"the videos that {source.csv} lists")
    made: dict[str, Target] = {
        "hmdb51": Hmdb51(source.annotations),
        "ucf101": Ucf101(source.annotations),
        "diving48": Diving48(source.annotations),
        "kinetics400": Kinetics(400, source.annotations, test_only),
        "kinetics600": Kinetics(600, source.annotations, test_only),
        "folder": table,
    }
    return made[name] if name in made else Gifs(name, table if source.csv else None, source.most_frequent)


def demo_path(cache_dir: Path, config: DemoSet) -> Path:
    """The folder in the cache for the embedded target's clips, drawn or not."""
    name = f"seed{config.seed}-{config.clips_per_class_train}+{config.clips_per_class_test}"
    return cache_dir / "demo" / f"{name}-{config.size}px-{config.frames}frames-v{config.version}"


def draw_demo(folder: Path, config: DemoSet, *, progress: bool) -> None:
    """Draw the embedded target's clips, unless they are there."""
    with tqdm(desc="drawing clips", unit="clip", disable=not progress, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        render_actions(folder, config, progress=show)
