"""Options that several commands have in common."""

import argparse
from dataclasses import replace
from typing import Annotated

import tyro

from fractalvid.finetune.clips.config import MAX_VIEWS
from fractalvid.finetune.recipes.recipe import Recipe, load_recipe, with_warmup
from fractalvid.finetune.targets.registry import TARGETS, TargetOptions
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.weights.shipped import SMALL
from fractalvid.utils.errors import UserError

Target = Annotated[TargetOptions, tyro.conf.arg(name="")]
RecipeOptions = Annotated[Recipe, tyro.conf.arg(name="")]
MachineOptions = Annotated[Machine, tyro.conf.arg(name="")]
RecipeName = Annotated[
    str | None,
    tyro.conf.arg(
        name="recipe",
        help="A published protocol by its name (see finetune --list) or the path of a .toml file; the other options "
        "change it.",
    ),
]

NO_TARGET = TargetOptions(tyro.MISSING)
"""The target that a command line has to name."""
DATA = {
    "target": "A benchmark, folder (your own) or demo: see --list",
    "data": "",
    "annotations": "Folder with the official lists, where it is another",
    "csv": "folder: table of path, label and split or fold",
}
"""Options that `--help` shows of every command that reads a benchmark."""
TRAINING = {
    "recipe": "A protocol of --list, or a .toml file",
    "mode": "Train everything, or only the head",
    "epochs": "",
    "lr": "Peak learning rate for 32 clips a step",
}
"""And of those that train."""
TARGETS_LINE = f"Targets: {', '.join(TARGETS)}."


def starting_point(init: str | None, target: TargetOptions, recipe: Recipe) -> tuple[str, str]:
    """What `--init` comes to, and, where nobody has said it, a clause on why.

    One's own videos are few, as a rule: they start from the weights that come with the program.
    """
    if init is not None:
        return init, ""
    if target.target == "folder" and recipe.model is None:
        return SMALL, ", pre-trained on fractals: no --init or --model is given (--init scratch starts afresh)"
    return "scratch", ""


def starting_recipe(args: list[str]) -> Recipe:
    """What the options change: the recipe that --recipe names, or the defaults.

    A recipe's warm-up is a share of its epochs: where --epochs asks for others, it is the same share of those.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--recipe", nargs="?")
    early.add_argument("--epochs", nargs="?", default="")
    given = early.parse_known_args(args)[0]
    if given.recipe is None:
        return Recipe()
    recipe = load_recipe(given.recipe)
    if not (given.epochs or "").isdecimal():
        return recipe
    return replace(recipe, **with_warmup(recipe, {"epochs": int(given.epochs)}))


def check_views(views: int | None, crops: int | None) -> None:
    """Raise `UserError` for numbers of views or crops that there cannot be; None leaves them open."""
    if views is not None and not 1 <= views <= MAX_VIEWS:
        raise UserError(f"--views is {views}: it must be 1 to {MAX_VIEWS}")
    if crops not in (None, 1, 3):
        raise UserError(f"--crops is {crops}: it can be 1 (the centre) or 3 (along the long side)")
