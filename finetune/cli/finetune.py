"""`finetune` itself: one fine-tuning, and the list of what there is to choose from."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

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
from fractalvid.finetune.recipes.recipe import RECIPES, Recipe
from fractalvid.finetune.targets.registry import TARGETS, check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.recipes import headline, recipe_names
from fractalvid.utils.messages.log import announce


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a network on real video and test it.

    `finetune compare` does so from several starts, `finetune test` tests weights without training, `finetune predict`
    names what is in videos, `finetune probe` classifies frozen features, `finetune prepare` checks a data set. Each has
    its own --help. `finetune --list` names recipes, targets and networks.
    """

    target: Target
    preset: RecipeName = None
    split: str | None = None
    """Official split, by default the first: 1, 2 or 3 (hmdb51, ucf101), v2 or v1 (diving48), val or test (kinetics)."""
    fold: str | None = None
    """With --fold-column: the fold that is the test set."""
    init: str | None = None
    """What to start from: weights (a file or a run of pretrain), fractal-small (pre-trained on fractals, comes with
    the program; the default for folder where no --model is given), scratch (the default otherwise), torchvision's
    weights as kinetics:ARCH or imagenet:ARCH, or as FILE:ARCH any file, or folder of a hub's, with the tensors of one
    of the networks by name; LABEL=... before it names it."""
    seed: int = 0
    """Seed of the head, the order and the augmentation."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the result."""
    scenes: Path | None = None
    """For --debias: CSV file with the columns video (its path below --data) and scene, of all training videos."""
    masks: Path | None = None
    """For --debias: folder with masks of the people in all training videos, a PNG or npz file each."""
    out: Path | None = None
    """Folder of the run; default runs/finetune/<target>/<init>/split-<split>_seed-<seed>; of one's own videos <target>
    is folder-<name of --data or --csv>."""
    resume: bool = False
    """Continue the unfinished run in the output folder, if there is one; with other --epochs, for so many."""
    keep_checkpoint: bool = False
    """Keep the last checkpoint, so that --resume with more --epochs can go on with the finished run."""
    list_all: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(name="list")] = False
    """List targets, recipes and networks, and end; no other option is needed."""
    recipe: RecipeOptions = field(default_factory=Recipe)
    machine: MachineOptions = field(default_factory=Machine)


def run(options: Finetune) -> None:
    """Run one fine-tuning."""
    start, why = starting_point(options.init, options.target, options.recipe)
    announce(f"fine-tuning on {options.target.target} from {start}{why}")
    from fractalvid.finetune.recipes.plan import plan_run
    from fractalvid.finetune.results.folder import run_name
    from fractalvid.finetune.run.outcome import result_line
    from fractalvid.finetune.run.pipeline import transfer
    from fractalvid.finetune.videos.data import data_name, open_data
    from fractalvid.pretrain.machine import is_main
    from fractalvid.pretrain.weights import parse_initial

    options.machine.check()
    check_folds(options.target, options.split is not None, options.fold is not None, "")
    init = parse_initial(start, options.recipe.model)
    data = open_data(options.target, options.machine)
    plan = plan_run(
        data,
        options.recipe,
        init,
        split=options.split if options.fold is None else options.fold,
        seed=options.seed,
        allow_missing=options.allow_missing,
        scenes=options.scenes,
        masks=options.masks,
    )
    out = options.out or Path("runs") / "finetune" / data_name(data) / init.label / run_name(plan)
    metrics = transfer(
        data, plan, out=out, machine=options.machine, resume=options.resume, keep_checkpoint=options.keep_checkpoint
    )
    if is_main():
        print(result_line(metrics, out))


def _list() -> str:
    """The recipes, targets and networks that there are."""
    from fractalvid.pretrain.models import ARCHITECTURES

    rows = [("recipes", "")] + [(f"  {name}", headline(name, RECIPES)) for name in recipe_names(RECIPES)]
    rows += [("targets", ""), *((f"  {name}", "") for name in TARGETS)]
    rows += [("networks", "")] + [(f"  {name}", row.about) for name, row in ARCHITECTURES.items()]
    return "\n".join(f"{left:<22}{right}".rstrip() for left, right in rows)


def command(args: list[str]) -> None:
    """`finetune` with its arguments."""
    if "--list" in args:
        print(_list())
        return
    defaults = Finetune(target=NO_TARGET, recipe=starting_recipe(args))
    text = f"{inspect.getdoc(Finetune)}\n\n{TARGETS_LINE}"
    run(
        parse(
            Finetune,
            args,
            program="finetune",
            default=defaults,
            description=text,
            main={
                "the benchmark": {**DATA, "split": "1, 2, 3 (hmdb51, ucf101); v1, v2; val, test"},
                "the training": {"init": "Weights, fractal-small, scratch or kinetics:ARCH", **TRAINING},
                "the run": {
                    "out": "Folder; below runs/finetune if not given",
                    "resume": "Continue the unfinished run there",
                    "list": "",
                },
            },
        )
    )
