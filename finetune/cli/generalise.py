"""`finetune generalise`: learn in one domain, be tested in another."""

import argparse
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import DATA, NO_TARGET, TARGETS_LINE, MachineOptions, Target
from fractalvid.finetune.generalise.config import GeneraliseRecipe, MethodName, load_generalise_recipe
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class GeneraliseOptions:
    """Train in one domain by a method of single-source generalisation, and test in another.

    Labels of the target are used by the test alone. Classes are matched by name; those that only one domain has are
    left out. The same command goes on with --resume. Runs side by side in a folder, alike but for method and seed, are
    set in one table, with what is published of the study beside.
    """

    source: str
    """Domain to learn from: one of finetune's targets; of GIFs without a table, all are learned from."""
    target: Target
    source_data: Path | None = None
    """Folder with the source's videos; demo needs none."""
    source_annotations: Path | None = None
    """Folder with the source's official lists, where they are not with the videos."""
    source_csv: Path | None = None
    """Table of the source's videos, with the columns path, label and split."""
    method: MethodName = "plain"
    """plain: the source alone; random: a random tuple of the augmentation pool a step; search: the worst tuples found;
    explain: saliency against boxes; pseudo: sure answers to the target's clips; rada: a simplified RADA."""
    preset: Annotated[
        str | None,
        tyro.conf.arg(name="recipe", help="study_gifs, study_ava, or the path of a .toml file; options change it."),
    ] = None
    classes: Path | None = None
    """File with the source's classes of the study, one a line; default all that both domains have."""
    class_map: Path | None = None
    """Table with the columns target and source: which class of the target is which of the source; empty: left out."""
    boxes: Path | None = None
    """explain: CSV file with video,time,x1,y1,x2,y2,action (AVA-Kinetics) of the source; those of demo are known."""
    init: str = "scratch"
    """What to start from, as for finetune; of fine-tuned weights that name all classes, the head is kept."""
    seed: int = 0
    """Of the head, the order and all that is drawn."""
    allow_missing: bool = False
    """Go on without listed videos that are not there."""
    out: Path | None = None
    """Folder of the run; default runs/generalise/<source>-<target>/<method>_seed-<seed>."""
    resume: bool = False
    """Continue the unfinished run in the output folder, if there is one."""
    recipe: Annotated[GeneraliseRecipe, tyro.conf.arg(name="")] = field(default_factory=GeneraliseRecipe)
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for what cannot be meant."""
        self.machine.check()
        if self.boxes is not None and self.method != "explain":
            raise UserError(f"--boxes does not go with --method {self.method}: boxes are explain's")

    def source_options(self) -> TargetOptions:
        """The source as a benchmark; its own errors are about options that begin with --source."""
        return TargetOptions(self.source, self.source_data, annotations=self.source_annotations, csv=self.source_csv)


def run(options: GeneraliseOptions) -> None:
    """Train, test, and print the table."""
    announce(f"generalising from {options.source} to {options.target.target} by {options.method}")
    from fractalvid.finetune.generalise.domains import naming_the_source
    from fractalvid.finetune.generalise.folder import Accuracies, siblings
    from fractalvid.finetune.generalise.run import Task, generalise
    from fractalvid.finetune.generalise.table import describe, table
    from fractalvid.finetune.videos.data import data_name, open_data
    from fractalvid.pretrain.weights import parse_initial

    options.check()
    init = parse_initial(options.init, options.recipe.model)
    with naming_the_source():
        source = open_data(options.source_options(), options.machine)
    target = open_data(options.target, options.machine, test_only=True)
    pair = f"{data_name(source)}-{data_name(target)}"
    out = options.out or Path("runs") / "generalise" / pair / f"{options.method}_seed-{options.seed}"
    task = Task(
        source=source,
        target=target,
        method=options.method,
        recipe=options.recipe,
        init=init,
        seed=options.seed,
        classes=options.classes,
        class_map=options.class_map,
        boxes=options.boxes,
        allow_missing=options.allow_missing,
    )
    found = generalise(task, out=out, machine=options.machine, resume=options.resume)
    print(f"{options.method}, {data_name(target)}: {describe(Accuracies(**found['target_scores']))}; {out}\n")
    alike, others = siblings(out)
    print(table(alike))
    if others:
        print(f"\nNot in the table: {counted(others, 'run')} beside, of other data, weights or settings.")


def starting_generalise_recipe(args: list[str]) -> GeneraliseRecipe:
    """What the options change: the recipe that --recipe names, or the defaults."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--recipe", nargs="?")
    given = early.parse_known_args(args)[0].recipe
    return GeneraliseRecipe() if given is None else load_generalise_recipe(given)


def command(args: list[str]) -> None:
    """`finetune generalise` with the arguments behind these words."""
    defaults = GeneraliseOptions(source=tyro.MISSING, target=NO_TARGET, recipe=starting_generalise_recipe(args))
    run(
        parse(
            GeneraliseOptions,
            args,
            program="finetune generalise",
            default=defaults,
            description=f"{inspect.getdoc(GeneraliseOptions)}\n\n{TARGETS_LINE}",
            main={
                "the domains": {
                    "source": "What is learned from: see finetune --list",
                    "source-data": "",
                    **{name: DATA[name] for name in ("target", "data")},
                    "classes": "Classes of the study, one a line",
                    "class-map": "CSV file of target and source, where names differ",
                },
                "the training": {
                    "method": "",
                    "recipe": "study_gifs, study_ava, or a .toml file",
                    "boxes": "explain: CSV file of AVA-Kinetics",
                    "init": "Weights, fractal-small, scratch or kinetics:ARCH",
                    "steps": "",
                    "every": "Steps between a method's searches, looks or answers",
                },
                "the run": {
                    "out": "Folder; below runs/generalise if not given",
                    "resume": "Go on with the run in --out",
                },
            },
        )
    )
