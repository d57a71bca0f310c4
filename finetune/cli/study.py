"""`finetune study`: what a choice of pre-training is worth after transfer."""

import inspect
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import NO_TARGET, TARGETS_LINE, MachineOptions, Target
from fractalvid.finetune.study.axes import Axis
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce

if TYPE_CHECKING:
    from fractalvid.finetune.study import Study


@dataclass(frozen=True)
class StudyOptions:
    """Pre-train with each value of an axis and each of several seeds, transfer all, and set them side by side.

    The same command again goes on where it was interrupted; what is finished is not made again.
    """

    axis: Annotated[Axis, tyro.conf.Positional, tyro.conf.arg(metavar="AXIS")]
    """What differs between the columns: classes, clips (of a class), budget (steps), init, objectives, kinds or
    emulation."""
    grid: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GRID")]
    """A study that comes with the program, such as mini_classes or synapt_classes, or the path of a .toml file."""
    target: Target
    out: Path | None = None
    """Folder of the study and its runs; default runs/study/<target>/<axis>-<name of the grid>."""
    pretrainings: Path | None = None
    """Folder of the pre-trainings, for studies of several targets to share; default in --out."""
    pretrain_seeds: tuple[int, ...] = ()
    """Seeds of the pre-trainings, instead of the grid's."""
    seeds: tuple[int, ...] = ()
    """Seeds of the transfers, instead of the grid's."""
    splits: tuple[str, ...] = ()
    """Official splits, or folds of --fold-column, instead of the grid's; default the first."""
    jobs: int | None = None
    """Pre-trainings, with their transfers, at a time; default one for each GPU, or one on a CPU, whose cores they
    share."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print how many runs there are and how long they would take, by a short probe, and end."""
    retry_failed: bool = False
    """Run what has failed again."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the results."""
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        from fractalvid.finetune.recipes.plan import check_training_seed

        self.machine.check()
        for name in ("pretrain_seeds", "seeds", "splits"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UserError(f"--{name.replace('_', '-')} names something twice: {' '.join(map(str, values))}")
        for seed in self.seeds:
            check_training_seed(seed, "--seeds")
        for seed in self.pretrain_seeds:
            check_training_seed(seed, "--pretrain-seeds")


def run(options: StudyOptions) -> None:
    """Run a study, or say what it would be."""
    announce(f"studying {options.axis} by {options.grid} on {options.target.target}")
    from fractalvid.finetune.grids import find_places
    from fractalvid.finetune.study import dry_run, run_study
    from fractalvid.finetune.videos.data import data_name, open_data

    options.check()
    study = read_options(options)
    name = f"{options.axis}-{Path(options.grid).stem}"
    out = options.out or Path("runs") / "study" / data_name(open_data(options.target, options.machine)) / name
    places, missing = find_places(options.machine.device, options.jobs), options.allow_missing
    if options.dry_run:
        for line in dry_run(study, out, options.machine, places, allow_missing=missing):
            print(line, flush=True)
        return
    again = options.retry_failed
    print(run_study(study, out, options.machine, places, allow_missing=missing, retry_failed=again))


def read_options(options: StudyOptions) -> "Study":
    """The study of the file, with what the command line says instead."""
    from fractalvid.finetune.study.design import find_study, read_study

    study = read_study(options.axis, find_study(options.grid), options.target)
    return replace(
        study,
        pretrain_seeds=options.pretrain_seeds or study.pretrain_seeds,
        seeds=options.seeds or study.seeds,
        splits=options.splits or study.splits,
        pretrainings=options.pretrainings,
    )


def _target_of(args: list[str]) -> TargetOptions:
    """The target that the grid of a command line names, which its options change; one that it does not has to be."""
    if {"--help", "-h", "--help-all"} & set(args):
        return replace(NO_TARGET, target="the grid's")
    axes = get_args(Axis)
    grid = next((grid for axis, grid in pairwise(args) if axis in axes and not grid.startswith("-")), None)
    if grid is None:
        return NO_TARGET
    from fractalvid.finetune.study.design import find_study, read_target

    return read_target(find_study(grid), NO_TARGET)


def command(args: list[str]) -> None:
    """`finetune study` with the arguments behind these words."""
    text = f"{inspect.getdoc(StudyOptions)}\n\n{TARGETS_LINE}"
    default = StudyOptions(axis=tyro.MISSING, grid=tyro.MISSING, target=_target_of(args))
    run(
        parse(
            StudyOptions,
            args,
            program="finetune study",
            default=default,
            description=text,
            main={
                "what is compared": {
                    "axis": "What varies: classes, clips, budget, kinds, ...",
                    "grid": "mini_<axis>, synapt_classes or a .toml file",
                    "pretrain-seeds": "Of the pre-trainings, instead of the grid's",
                },
                "the benchmark": {
                    "target": "Instead of the grid's; see finetune --list",
                    "data": "",
                    "splits": "Official splits, or folds of --fold-column",
                },
                "the study": {
                    "out": "Folder; below runs/study if not given",
                    "jobs": "Runs at a time; default one a GPU",
                    "dry-run": "Print the plan and about how long it takes, and end",
                },
            },
        )
    )
