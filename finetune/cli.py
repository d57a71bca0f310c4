"""The command `finetune`, and `finetune compare`."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from finetune import compare
from finetune.data import Machine, Stores, open_data
from finetune.initial import parse_initial
from finetune.recipe import Recipe
from finetune.rundir import METRICS
from finetune.targets import TARGETS, Source
from finetune.transfer import plan_run, run
from fractalvid.arguments import parse
from fractalvid.errors import UserError, run_cli

_Source = Annotated[Source, tyro.conf.arg(name="")]
_Recipe = Annotated[Recipe, tyro.conf.arg(name="")]
_Machine = Annotated[Machine, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a network on real video and test it.

    `finetune compare --help` is about several initialisations at once.
    """

    source: _Source
    split: str | None = None
    """hmdb51: official split 1, 2 or 3 (default 1)."""
    fold: str | None = None
    """folder with --fold-column: the fold that is the test set."""
    init: str = "scratch"
    """What to start from: weights (a file or a run of pretrain), scratch or kinetics; LABEL=... names it."""
    seed: int = 0
    """Seed of the head, the order and the augmentation."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the result."""
    out: Path | None = None
    """Folder of the run; default runs/finetune/<target>/<init>/<split>_<seed>."""
    resume: bool = False
    """Continue the unfinished run in the output folder, if there is one."""
    recipe: _Recipe = field(default_factory=Recipe)
    machine: _Machine = field(default_factory=Machine)


@dataclass(frozen=True)
class Compare:
    """Compare initialisations over seeds, splits or folds: mean ± deviation as a table and a bar chart.

    Runs are resumed and reused: the same command again does only what is missing.
    """

    source: _Source
    out: Path
    """Folder of the comparison and its runs."""
    init: tuple[str, ...] = ("scratch",)
    """What to compare: weights files or run folders, scratch, kinetics; LABEL=... names one in the table."""
    splits: tuple[str, ...] = ()
    """hmdb51: official splits (default 1)."""
    folds: tuple[str, ...] = ()
    """folder with --fold-column: the folds, each in turn the test set."""
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


def _check_folds(source: Source, splits: object, folds: object, word: str) -> None:
    """Raise `UserError` for folds of nothing, or folds and splits at once; `word` ends the options' names."""
    if folds and splits:
        raise UserError(f"--split{word} and --fold{word} exclude each other: --fold{word} goes with --fold-column")
    if folds and source.fold_column is None:
        instead = f"; the splits of hmdb51 are chosen with --split{word}" if source.target == "hmdb51" else ""
        raise UserError(f"--fold{word} needs --fold-column: the column of --csv that says the fold{instead}")


def finetune_main(options: Finetune) -> None:
    """Run one fine-tuning."""
    options.recipe.check()
    options.machine.check()
    _check_folds(options.source, options.split is not None, options.fold is not None, "")
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
    name = f"split-{plan.split}_seed-{plan.seed}" if plan.split else f"seed-{plan.seed}"
    out = options.out or Path("runs") / "finetune" / plan.target / init.label / name
    stores = Stores(int(options.machine.cache_gb * 2**30))
    metrics = run(data, plan, out=out, machine=options.machine, stores=stores, resume=options.resume)
    videos = metrics["videos"]
    print(
        f"{plan.target} from {init.label}: top-1 {metrics['top1']:.1f} %, top-5 {metrics['top5']:.1f} %, "
        f"mean per class {metrics['mean_class']:.1f} % ({videos['test']} test videos, {plan.views} x "
        f"{plan.crops} views; {videos['missing']} missing, {videos['skipped']} skipped); {out / METRICS}"
    )


def compare_main(options: Compare) -> None:
    """Run a comparison."""
    options.recipe.check()
    options.machine.check()
    _check_folds(options.source, options.splits, options.folds, "s")
    for name in ("init", "seeds", "splits", "folds"):
        values = getattr(options, name)
        if len(set(values)) < len(values):
            raise UserError(f"--{name} names something twice: {' '.join(map(str, values))}")
    if not options.init or not options.seeds:
        raise UserError("a comparison needs at least one --init and one of --seeds")
    compare.check_out(options.out, may_hold_runs=True)
    inits = compare.parse_initials(options.init)
    data = open_data(options.source, options.machine)
    jobs = compare.plan_jobs(
        data,
        options.recipe,
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


def _main(args: list[str]) -> None:
    if args[:1] != ["compare"]:
        defaults = Finetune(source=Source(tyro.MISSING))
        text = f"{inspect.getdoc(Finetune)}\n\n{_TARGETS}"
        finetune_main(parse(Finetune, args, program="finetune", default=defaults, description=text))
    elif any(argument == "--runs" or argument.startswith("--runs=") for argument in args):
        wanted = Gather(runs=tyro.MISSING, out=tyro.MISSING)
        text = inspect.getdoc(Gather) or ""
        gather_main(parse(Gather, args[1:], program="finetune compare", default=wanted, description=text))
    else:
        about = "With --runs FOLDER ... --out DIR it only gathers runs that are finished."
        text = f"{inspect.getdoc(Compare)}\n\n{about} {_TARGETS}"
        empty = Compare(source=Source(tyro.MISSING), out=tyro.MISSING)
        compare_main(parse(Compare, args[1:], program="finetune compare", default=empty, description=text))


def main(argv: Sequence[str] | None = None) -> int:
    """Run `finetune` or `finetune compare`; the exit code is 2 for errors of the user."""
    return run_cli("finetune", _main, argv)
