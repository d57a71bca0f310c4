"""The registry of benchmarks, and how a command line's options become one."""

from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from finetune.targets.base import Target, some
from finetune.targets.demo import DemoSet, demo_protocol, render_actions
from finetune.targets.folder import Folder
from finetune.targets.hmdb51 import Hmdb51
from fractalvid.errors import UserError
from pretrain.nearest import ALIKE, nearest

TARGETS = ("hmdb51", "folder", "demo")


@dataclass(frozen=True)
class Source:
    """Where a benchmark's videos come from, as the command line says it."""

    target: str
    """hmdb51, folder or demo (drawn on the spot: needs no data)."""
    data: Path | None = None
    """Folder with the videos."""
    annotations: Path | None = None
    """hmdb51: folder with the official split files, where it is not in the data folder or beside it."""
    csv: Path | None = None
    """folder: table with the columns path, label and split (train or test) or a fold column."""
    label_column: str = "label"
    """folder: the column of the table that names the class."""
    split_column: str = "split"
    """folder: the column of the table that says train or test."""
    fold_column: str | None = None
    """folder: the column of the table that says the fold; --fold is the test set, all others train."""


def _refuse(source: Source, *fields: str) -> None:
    """Raise `UserError` for options that mean nothing to the target: a silent flag would mislead."""
    for field in fields:
        if getattr(source, field) != getattr(Source(source.target), field):
            raise UserError(f"--{field.replace('_', '-')} does not go with --target {source.target}")


def make_target(source: Source) -> Target:
    """The benchmark that the options name. Raises `UserError` for an unknown one, or options of another."""
    if source.target not in TARGETS:
        near = nearest(source.target, TARGETS, at_least=ALIKE)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(f"unknown target {source.target!r}: the targets are {some(TARGETS)}{hint}")
    table = ("csv", "label_column", "split_column", "fold_column")
    if source.target == "demo":
        _refuse(source, "data", "annotations", *table)
        return Folder(name="demo", protocol=demo_protocol())
    if source.data is None:
        raise UserError(f"--target {source.target} needs --data: the folder with its videos")
    if source.target == "hmdb51":
        _refuse(source, *table)
        return Hmdb51(source.annotations)
    _refuse(source, "annotations")
    if source.csv is None:
        _refuse(source, *table)
    return Folder(source.csv, source.label_column, source.split_column, source.fold_column)


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
