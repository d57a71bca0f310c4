"""The command `finetune` and its subcommands."""

import argparse
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune import compare, predict, prepare
from fractalvid.finetune import test as testing
from fractalvid.finetune.recipes.recipe import RECIPES, Mode, Recipe
from fractalvid.finetune.results.folder import run_name
from fractalvid.finetune.run.outcome import told
from fractalvid.finetune.run.transfer import plan_run, run
from fractalvid.finetune.targets import TARGETS, Source
from fractalvid.finetune.videos.data import Machine, Stores, check_folds, open_data
from fractalvid.finetune.weights.initial import parse_initial
from fractalvid.pretrain.machine.distributed import is_main, process_name, run_together, several
from fractalvid.pretrain.models import ARCHITECTURES
from fractalvid.pretrain.recipes.load import headline, load_recipe, recipe_names
from fractalvid.utils.errors import UserError, run_cli

_Source = Annotated[Source, tyro.conf.arg(name="")]
_Recipe = Annotated[Recipe, tyro.conf.arg(name="")]
_Machine = Annotated[Machine, tyro.conf.arg(name="")]
_Preset = Annotated[
    str | None,
    tyro.conf.arg(
        name="recipe",
        help="A published protocol by its name (see finetune --list) or the path of a .toml file; the other options "
        "change it.",
    ),
]


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a network on real video and test it.

    `finetune compare` does so with several initialisations, `finetune test` tests weights without training, `finetune
    predict` names what is in videos, `finetune prepare` checks a data set; each has its own --help. `finetune --list`
    names recipes, targets and networks.
    """

    source: _Source
    preset: _Preset = None
    split: str | None = None
    """Official split, by default the first: 1, 2 or 3 (hmdb51, ucf101), v2 or v1 (diving48), val or test (kinetics)."""
    fold: str | None = None
    """With --fold-column: the fold that is the test set."""
    init: str = "scratch"
    """What to start from: weights (a file or a run of pretrain), scratch, torchvision's weights as kinetics:ARCH or
    imagenet:ARCH, or a checkpoint of TSM's or X3D's authors as FILE:ARCH; LABEL=... before it names it."""
    seed: int = 0
    """Seed of the head, the order and the augmentation."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the result."""
    out: Path | None = None
    """Folder of the run; default runs/finetune/<target>/<init>/<split>_<seed>."""
    resume: bool = False
    """Continue the unfinished run in the output folder, if there is one."""
    list_all: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(name="list")] = False
    """List targets, recipes and networks, and end; no other option is needed."""
    recipe: _Recipe = field(default_factory=Recipe)
    machine: _Machine = field(default_factory=Machine)


@dataclass(frozen=True)
class Compare:
    """Compare initialisations over seeds, splits or folds: tables, a bar chart and a page with intervals and tests.

    Runs are resumed and reused: the same command again does only what is missing.
    """

    source: _Source
    out: Path
    """Folder of the comparison and its runs."""
    runs: tuple[str, ...] = ()
    """With --out alone: only gather runs that are finished, in or below these folders; LABEL=PATH renames their
    initialisation."""
    preset: _Preset = None
    init: tuple[str, ...] = ("scratch",)
    """What to compare, each as for `finetune --init`; LABEL=... names one in the table."""
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
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the results."""
    recipe: _Recipe = field(default_factory=Recipe)
    machine: _Machine = field(default_factory=Machine)


@dataclass(frozen=True)
class Gather:
    """Compare runs that are finished, wherever they lie."""

    runs: tuple[str, ...]
    """Folders with runs in or below them, as PATH or LABEL=PATH (which renames their initialisation)."""
    out: Path
    """Folder for the comparison."""


def finetune_main(options: Finetune) -> None:
    """Run one fine-tuning."""
    options.recipe.check()
    options.machine.check()
    check_folds(options.source, options.split is not None, options.fold is not None, "")
    init = parse_initial(options.init)
    data = open_data(options.source, options.machine)
    plan = plan_run(
        data,
        options.recipe,
        init,
        split=options.split if options.fold is None else options.fold,
        seed=options.seed,
        allow_missing=options.allow_missing,
    )
    out = options.out or Path("runs") / "finetune" / plan.target / init.label / run_name(plan)
    stores = Stores(int(options.machine.cache_gb * 2**30), options.machine.cache())
    metrics = run(data, plan, out=out, machine=options.machine, stores=stores, resume=options.resume)
    if is_main():
        print(told(metrics, out))


def compare_main(options: Compare) -> None:
    """Run a comparison."""
    options.recipe.check()
    options.machine.check()
    check_folds(options.source, options.splits, options.folds, "s")
    for name in ("init", "seeds", "splits", "folds", "modes"):
        values = getattr(options, name)
        if len(set(values)) < len(values):
            raise UserError(f"--{name} names something twice: {' '.join(map(str, values))}")
    if not options.init or not options.seeds:
        raise UserError("a comparison needs at least one --init and one of --seeds")
    recipes = compare.recipes_of(options.recipe, options.modes, options.linear_lr)
    compare.check_out(options.out, may_hold_runs=True)
    inits = compare.parse_initials(options.init)
    data = open_data(options.source, options.machine)
    jobs = compare.plan_jobs(
        data,
        recipes,
        inits,
        splits=options.splits or options.folds or (None,),
        seeds=options.seeds,
        allow_missing=options.allow_missing,
        out=options.out,
    )
    compare.finish(options.out, compare.run_jobs(data, jobs, options.machine))


def gather_main(options: Gather) -> None:
    """Compare finished runs."""
    if not options.runs:
        raise UserError("--runs names no folder")
    compare.check_out(options.out, may_hold_runs=False)
    compare.finish(options.out, compare.gather(options.runs))


_TARGETS = f"Targets: {', '.join(TARGETS)}."


def _recipe(args: list[str]) -> Recipe:
    """What the options change: the recipe that --recipe names, or the defaults.

    A recipe's warm-up is a share of its epochs: where --epochs asks for others, it is the same share of those.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--recipe", nargs="?")
    early.add_argument("--epochs", nargs="?", default="")
    given = early.parse_known_args(args)[0]
    if given.recipe is None:
        return Recipe()
    recipe = load_recipe(given.recipe, Recipe(), RECIPES)
    if recipe.warmup_epochs is None or not (given.epochs or "").isdecimal():
        return recipe
    return replace(recipe, warmup_epochs=recipe.warmup_epochs * int(given.epochs) / recipe.epochs)


def _listing() -> str:
    rows = [("recipes", "")] + [(f"  {name}", headline(name, RECIPES)) for name in recipe_names(RECIPES)]
    rows += [("targets", ""), *((f"  {name}", "") for name in TARGETS)]
    rows += [("networks", "")] + [(f"  {name}", row.about) for name, row in ARCHITECTURES.items()]
    return "\n".join(f"{left:<22}{right}".rstrip() for left, right in rows)


def _finetune(args: list[str]) -> None:
    if "--list" in args:
        print(_listing())
        return
    defaults = Finetune(source=Source(tyro.MISSING), recipe=_recipe(args))
    text = f"{inspect.getdoc(Finetune)}\n\n{_TARGETS}"
    finetune_main(parse(Finetune, args, program="finetune", default=defaults, description=text))


def _compare(args: list[str]) -> None:
    if any(argument == "--runs" or argument.startswith("--runs=") for argument in args):
        wanted = Gather(runs=tyro.MISSING, out=tyro.MISSING)
        text = inspect.getdoc(Gather) or ""
        gather_main(parse(Gather, args, program="finetune compare", default=wanted, description=text))
        return
    text = f"{inspect.getdoc(Compare)}\n\n{_TARGETS}"
    empty = Compare(source=Source(tyro.MISSING), out=tyro.MISSING, recipe=_recipe(args))
    compare_main(parse(Compare, args, program="finetune compare", default=empty, description=text))


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "predict": predict.command,
    "compare": _compare,
    "prepare": prepare.command,
    "test": testing.command,
}
"""Subcommands; what follows their name -> the exit code (None is 0). Without one, `finetune` fine-tunes."""


def _main(args: list[str]) -> int | None:
    if not args or args[0] not in COMMANDS:
        return run_together(_finetune, args)
    if several():
        raise UserError(f"finetune {args[0]} runs on one process: start it without torchrun")
    return COMMANDS[args[0]](args[1:])


def main(argv: Sequence[str] | None = None) -> int:
    """Run `finetune` or one of its subcommands; the exit code is 2 for errors of the user."""
    return run_cli(process_name("finetune"), _main, argv)
