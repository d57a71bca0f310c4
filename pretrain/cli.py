"""The command `pretrain`: classes in, weights out."""

import argparse
import dataclasses
import shlex
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.pretrain.machine import from_main, is_main, keep_freed_memory, process_name, run_together, wait_asleep
from fractalvid.pretrain.models import ARCHITECTURES
from fractalvid.pretrain.objectives import OBJECTIVES
from fractalvid.pretrain.recipes import headline, load_recipe, recipe_names
from fractalvid.pretrain.run import BUDGETS, PROGRAM, PretrainConfig, check_settings, kept_config, without_unused
from fractalvid.utils.errors import UserError, run_cli
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.nearest import unknown_command

ABOUT = (
    "Train a video network to tell fractal classes apart, straight from the stream: no data set is needed. "
    "`pretrain export RUN --out DIR` makes of its weights what others can use. "
    "Settings come from --recipe, then from the options. Ends with weights.safetensors and its card in --out."
)

MAIN = {
    "the run": {
        "recipe": "One of --list, or a .toml file",
        "out": "Folder of the run, new or empty",
        "resume": "Go on with the run in --out",
        "dry-run": "Print settings, memory, steps and time, and end",
        "list": "",
    },
    "what is trained": {
        "model": "The network: see --list",
        "objective": "supervised, moco, simclr or byol",
        "classes": "How many to invent (1000 if not given), or",
        "bank": "classes from `fractalvid classes`",
        "size": "Height and width in pixels",
    },
    "how long": {"steps": "", "hours": "Time to train: 2h, 20m, or a number of hours", "batch-size": ""},
}
"""The options that `--help` shows."""


@dataclass(frozen=True)
class ExportArguments:
    """What `pretrain export` takes."""

    source: Annotated[Path, tyro.conf.Positional]
    """Weights, a checkpoint.pt, or the folder of a run, finished or not."""
    out: Path
    """Folder for the weights, their card and README.md; new or empty."""
    half: bool = False
    """Store them in float16, in half the bytes; whoever loads them computes in float32 as before."""


@dataclass(frozen=True)
class Arguments:
    """What the command line says."""

    config: Annotated[PretrainConfig, tyro.conf.arg(name="")] = field(default_factory=PretrainConfig)
    recipe: str | None = None
    """A recipe by its name (see --list) or the path of a .toml file; the other options change it."""
    out: Path | None = None
    """Folder of the run, new or empty; runs/<recipe or arch>-seed<seed> if not given."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the run in --out; its own settings hold, no other option is needed."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the resolved recipe, shapes, parameters, memory, steps and time from a short probe, and end."""
    list_all: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(name="list")] = False
    """List recipes, architectures and objectives, and end."""
    progress: bool = True
    """Show a progress bar."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, alone or as one of the processes that torchrun has started; returns its exit code."""
    wait_asleep()
    keep_freed_memory()
    return run_cli(process_name(PROGRAM), partial(run_together, _main), argv)


def _main(argv: list[str]) -> None:
    if argv[:1] == ["export"]:
        _export(argv[1:])
        return
    if argv and not argv[0].startswith("-"):
        raise UserError(unknown_command(argv[0], ("export",)))
    base = from_main(partial(_before_options, argv))
    default = Arguments(config=base)
    given = parse(Arguments, argv, program=PROGRAM, default=default, description=ABOUT, main=MAIN)
    if given.list_all:
        print(_listing())
        return
    config = last_budget_wins(given.config, named_budgets(argv))
    if given.resume and given.out is None and not _has_budget(config):
        raise UserError("--resume needs --out, the folder of the run to go on with: pretrain --resume --out RUN")
    if not given.resume:
        config = without_unused(config, base)
    # Here already, since what follows imports torch, which takes seconds.
    from_main(partial(check_settings, config))
    if given.dry_run:
        _dry_run(config, None if given.resume else given.out)
        return
    out = given.out or _default_out(given.recipe, config)
    announce(f"pre-training {config.arch} by the objective {config.objective.name}, in {out}")
    _compile_ahead(config)
    from fractalvid.pretrain.run import pretrain

    weights = pretrain(config, out, resume=given.resume, progress=given.progress)
    if is_main():
        init = shlex.quote(str(weights))
        print(
            f"weights: {weights}; fine-tune from them on drawn clips, or on your own by --target folder --data DIR: "
            f"finetune --target demo --init {init}"
        )


def _compile_ahead(config: PretrainConfig) -> None:
    """Begin to compile what a stream of fractals needs: importing torch takes seconds."""
    sampled = config.bank is None and config.data is None and config.kind in (None, "ifs")
    streamed = config.videos is None or config.mix is not None
    if is_main() and sampled and streamed and config.render_on == "cpu":
        from fractalvid.fractals.mix import PAPER_VARIATIONS
        from fractalvid.kernels.cpu.ahead import begin

        begin(PAPER_VARIATIONS, summed=False, coloured=config.stream.colour is not None)


def _dry_run(config: PretrainConfig, out: Path | None) -> None:
    """Print what is known of a run, part by part; the first line at once."""
    if is_main():
        print(f"# dry run of {config.arch} by {config.objective.name}: its settings, then a probe of it", flush=True)
    from fractalvid.pretrain.dryrun import dry_run_parts

    for part in dry_run_parts(config, out):
        if is_main():
            print(part, flush=True)


def _export(argv: Sequence[str]) -> None:
    """`pretrain export`."""
    wanted = ExportArguments(source=tyro.MISSING, out=tyro.MISSING)
    text = "Weights, their card and a README, ready to be given to others."
    given = parse(ExportArguments, argv, program="pretrain export", default=wanted, description=text)
    announce(f"exporting {given.source} to {given.out}")
    from fractalvid.pretrain.export import export_weights  # not for --help: it brings torch

    weights = export_weights(given.source, given.out, half=given.half)
    print(f"{weights}, {weights.with_suffix('.json').name} and README.md: give the folder {given.out} to others")


def _before_options(argv: list[str]) -> PretrainConfig:
    """The configuration the options change: the recipe's, or that of the run to resume, or the defaults."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--recipe", nargs="?")
    early.add_argument("--out", nargs="?")
    early.add_argument("--resume", action="store_true")
    try:
        known, _ = early.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise UserError(f"{error.argument_name} takes no value; see {PROGRAM} --help") from None
    if known.recipe is not None:
        return load_recipe(known.recipe, PretrainConfig())
    if known.resume and known.out:
        return kept_config(Path(known.out))
    return PretrainConfig()


def _has_budget(config: PretrainConfig) -> bool:
    return any(value is not None for value in (config.engine.steps, config.engine.epochs, config.engine.hours))


def named_budgets(argv: Sequence[str]) -> set[str]:
    """The budgets that a command line names, also at the value that a recipe gives them."""
    return {arg.removeprefix("--").split("=")[0] for arg in argv if arg.startswith("--")} & set(BUDGETS)


def last_budget_wins(given: PretrainConfig, named: Container[str]) -> PretrainConfig:
    """A budget that the command line names replaces another kind of budget of a recipe.

    Raises:
        UserError: it names two.
    """
    names = [name for name in BUDGETS if getattr(given.engine, name) is not None]
    if len(names) < 2:
        return given
    new = [name for name in names if name in named]
    if len(new) != 1:
        new = new or names
        raise UserError(f"both --{new[0]} and --{new[1]} are given; a run has one budget")
    others: dict[str, Any] = {name: None for name in names if name not in new}
    return dataclasses.replace(given, engine=dataclasses.replace(given.engine, **others))


def _default_out(recipe: str | None, config: PretrainConfig) -> Path:
    return Path("runs") / f"{Path(recipe).stem if recipe else config.arch}-seed{config.seed}"


def _listing() -> str:
    rows = [("recipes", "")] + [(f"  {name}", headline(name)) for name in recipe_names()]
    rows += [("architectures", "")] + [(f"  {name}", row.about) for name, row in ARCHITECTURES.items()]
    rows += [("objectives", "")] + [(f"  {name}", row.about) for name, row in OBJECTIVES.items()]
    return "\n".join(f"{left:<22}{right}".rstrip() for left, right in rows)
