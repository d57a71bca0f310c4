"""`finetune sweep`: a grid of settings on validation videos, and the best of them on test videos, once."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

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
    starting_point,
    starting_recipe,
)
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.targets.registry import check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import first_few


@dataclass(frozen=True)
class SweepOptions:
    """Fine-tune with every combination of some settings, choose by validation videos, and test the best once.

    Settings of the training that are given several values are the grid, as --lr 1e-4 5e-4 1e-3. The same command again
    goes on where it was interrupted. Needs validation videos: --val-share 0.2.
    """

    target: Target
    out: Path
    """Folder of the sweep and its runs."""
    grid: str | None = None
    """A published grid, synapt_r50_transfer or synapt_r50_pretraining, or the path of a .toml file: a table [grid] of
    settings by their dotted names, each with a list of values, and absolute_lr."""
    absolute_lr: bool = False
    """Rates are those of a step, whatever its clips; without, they are for 32 clips, and scaled with the batch."""
    preset: RecipeName = None
    init: str | None = None
    """What to start from, as for `finetune --init`, with the same default."""
    split: str | None = None
    """Official split, by default the first."""
    fold: str | None = None
    """With --fold-column: the fold that is the test set."""
    seeds: tuple[int, ...] = (0,)
    """Seeds; every cell is run with each, and its mean decides."""
    test: bool = True
    """Test the best in the end; without, test videos are not looked at."""
    jobs: int | None = None
    """Runs at a time; default one for each GPU, or one on a CPU, whose cores they share."""
    retry_failed: bool = False
    """Run what has failed again."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the results."""
    recipe: RecipeOptions = field(default_factory=Recipe)
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        from fractalvid.finetune.recipes.plan import check_training_seed

        self.machine.check()
        check_folds(self.target, self.split is not None, self.fold is not None, "")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"--seeds names {'something twice' if self.seeds else 'no seed'}")
        for seed in self.seeds:
            check_training_seed(seed, "--seeds")


def run(options: SweepOptions, axes: dict[str, list[Any]], fixed: frozenset[str]) -> None:
    """Run a sweep of axes from the command line, which has also fixed some settings."""
    start, why = starting_point(options.init, options.target, options.recipe)
    announce(f"sweeping on {options.target.target} from {start}{why}: {first_few(axes) if axes else options.grid}")
    from fractalvid.finetune.grids import find_places
    from fractalvid.finetune.sweep import Sweep, read_grid, run_sweep
    from fractalvid.finetune.videos.data import open_data
    from fractalvid.pretrain.weights import parse_initial

    options.check()
    grid = read_grid(options.grid, axes, absolute_lr=options.absolute_lr, fixed=fixed)
    sweep = Sweep(
        data=open_data(options.target, options.machine),
        recipe=options.recipe,
        grid=grid,
        init=parse_initial(start, options.recipe.model),
        split=options.split if options.fold is None else options.fold,
        seeds=options.seeds,
        allow_missing=options.allow_missing,
        out=options.out,
    )
    places = find_places(options.machine.device, options.jobs)
    machine = options.machine
    print(run_sweep(sweep, machine, places, test=options.test, retry_failed=options.retry_failed))


def single_options() -> dict[str, str]:
    """Options of the training that take one value -> the setting's dotted name."""
    from fractalvid.pretrain.recipes import field_names

    names = {f"--{name.replace('_', '-')}": name for name in field_names(Recipe()) if _is_single(name)}
    return {**names, "--arch": "model"}


def _is_single(name: str) -> bool:
    kind: Any = Recipe
    for part in name.split("."):
        kind = get_type_hints(kind)[part]
    return not any(getattr(one, "__origin__", None) is tuple or one is bool for one in (kind, *get_args(kind)))


def split_axes(args: list[str]) -> tuple[list[str], dict[str, list[Any]], frozenset[str]]:
    """The command line without settings that have several values, these, and the names of those that have one."""
    from fractalvid.finetune.grids import parse_value

    known, axes, fixed = single_options(), dict[str, list[Any]](), set[str]()
    rest, waiting = list[str](), list(args)
    while waiting:
        word = waiting.pop(0)
        option, joined, first = word.partition("=")
        name = known.get(option.replace("_", "-"))
        count = next((k for k, other in enumerate(waiting) if other.startswith("--")), len(waiting))
        values, waiting = (waiting[:count], waiting[count:]) if word.startswith("--") else ([], waiting)
        words, values = [word, *values], [first, *values] if joined else values
        if name is None or len(values) < 2:
            rest += words
            fixed |= {name} if name else set()
        elif name in axes:
            raise UserError(f"{option} stands there twice; give all its values at once")
        else:
            axes[name] = [parse_value(value) for value in values]
    return rest, axes, frozenset(fixed)


def command(args: list[str]) -> None:
    """`finetune sweep` with the arguments behind these words."""
    text = f"{inspect.getdoc(SweepOptions)}\n\n{TARGETS_LINE}"
    rest, axes, fixed = split_axes(args)
    options = parse(
        SweepOptions,
        rest,
        program="finetune sweep",
        default=SweepOptions(target=NO_TARGET, out=tyro.MISSING, recipe=starting_recipe(rest)),
        description=text,
        main={
            "the benchmark": {**DATA, "val-share": "Share of the training videos to choose by"},
            "what is swept": {
                "grid": "As synapt_r50_transfer, or a .toml file; or with",
                "init": "Weights, fractal-small, scratch or kinetics:ARCH",
                **TRAINING,
                "lr": "Several values make an axis, as of all of these",
            },
            "the sweep": {"out": "", "jobs": "Runs at a time; default one a GPU", "seeds": "Of every cell"},
        },
    )
    run(options, axes, fixed)
