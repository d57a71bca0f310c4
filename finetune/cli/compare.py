"""`finetune compare`: several initialisations over several seeds and splits, or finished runs side by side."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import (
    DATA,
    NO_TARGET,
    TARGETS_LINE,
    TRAINING,
    MachineOptions,
    RecipeName,
    RecipeOptions,
    Target,
    starting_recipe,
)
from fractalvid.finetune.recipes.recipe import Mode, Recipe
from fractalvid.finetune.targets.registry import check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import first_few


@dataclass(frozen=True)
class Compare:
    """Compare initialisations over seeds, splits or folds: tables, a bar chart and a page with intervals and tests.

    Runs are resumed and reused: the same command again does only what is missing.
    """

    target: Target
    out: Path
    """Folder of the comparison and its runs."""
    runs: tuple[str, ...] = ()
    """With --out alone: only gather runs that are finished, in or below these folders; LABEL=PATH renames their
    initialisation; several of one LABEL are one row."""
    preset: RecipeName = None
    init: tuple[str, ...] = ("scratch",)
    """What to compare, each as for `finetune --init`; LABEL=... names one in the table, and LABEL=A,B,C makes several
    pre-trainings one row, over which is averaged."""
    splits: tuple[str, ...] = ()
    """hmdb51, ucf101: official splits to average over, of 1 2 3 (default 1); others: one of theirs."""
    folds: tuple[str, ...] = ()
    """With --fold-column: the folds, each in turn the test set."""
    modes: tuple[Mode, ...] = ()
    """full and linear for both in one report: fine-tuning and linear probe of every initialisation (default --mode)."""
    linear_lr: float | None = None
    """With --modes: peak learning rate of the linear probe; default --lr or the recipe's, else 1e-2."""
    seeds: tuple[int, ...] = (0,)
    """Seeds; every initialisation is run with each."""
    jobs: int | None = None
    """Runs at a time; default one for each GPU, or one on a CPU, whose cores they share."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the results."""
    recipe: RecipeOptions = field(default_factory=Recipe)
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        from fractalvid.finetune.recipes.plan import check_training_seed

        self.machine.check()
        check_folds(self.target, self.splits, self.folds, "s")
        for name in ("init", "seeds", "splits", "folds", "modes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UserError(f"--{name} names something twice: {' '.join(map(str, values))}")
        for seed in self.seeds:
            check_training_seed(seed, "--seeds")
        if not self.init or not self.seeds:
            raise UserError("a comparison needs at least one --init and one of --seeds")


@dataclass(frozen=True)
class Gather:
    """Compare runs that are finished, wherever they lie."""

    runs: tuple[str, ...]
    """Folders with runs in or below them, as PATH or LABEL=PATH (which renames their initialisation). Gains are over
    what comes first; without labels those from scratch do."""
    out: Path
    """Folder for the comparison."""


def run(options: Compare) -> None:
    """Run a comparison."""
    announce(f"comparing on {options.target.target}: {', '.join(options.init)}")
    from fractalvid.finetune.grids import find_places
    from fractalvid.finetune.run import compare
    from fractalvid.finetune.run.jobs import run_jobs
    from fractalvid.finetune.videos.data import open_data

    options.check()
    places = find_places(options.machine.device, options.jobs)
    recipes = compare.recipes_for_modes(options.recipe, options.modes, options.linear_lr)
    compare.check_out(options.out, may_hold_runs=True)
    inits = compare.parse_initials(options.init, options.recipe.model)
    data = open_data(options.target, options.machine)
    jobs = compare.plan_jobs(
        data,
        recipes,
        inits,
        splits=options.splits or options.folds or (None,),
        seeds=options.seeds,
        allow_missing=options.allow_missing,
        out=options.out,
    )
    compare.finish(options.out, run_jobs(data, jobs, options.machine, places=places))


def gather(options: Gather) -> None:
    """Compare finished runs."""
    announce(f"comparing finished runs of {first_few(options.runs)}")
    from fractalvid.finetune.run import compare

    if not options.runs:
        raise UserError("--runs names no folder")
    compare.check_out(options.out, may_hold_runs=False)
    compare.finish(options.out, compare.gather(options.runs))


def command(args: list[str]) -> None:
    """`finetune compare` with the arguments behind these words."""
    if any(argument == "--runs" or argument.startswith("--runs=") for argument in args):
        wanted = Gather(runs=tyro.MISSING, out=tyro.MISSING)
        text = inspect.getdoc(Gather) or ""
        gather(parse(Gather, args, program="finetune compare", default=wanted, description=text))
        return
    text = f"{inspect.getdoc(Compare)}\n\n{TARGETS_LINE}"
    empty = Compare(target=NO_TARGET, out=tyro.MISSING, recipe=starting_recipe(args))
    run(
        parse(
            Compare,
            args,
            program="finetune compare",
            default=empty,
            description=text,
            main={
                "the benchmark": {**DATA, "splits": "Official splits to average over, as 1 2 3"},
                "what is compared": {
                    "init": "As for `finetune --init`; several as LABEL=A,B,C",
                    "seeds": "Every initialisation is run with each",
                    **TRAINING,
                },
                "the comparison": {"out": "", "runs": "Only gather finished runs, in these folders"},
            },
        )
    )
