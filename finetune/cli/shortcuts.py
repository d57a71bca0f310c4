"""`finetune shortcuts`: whether fine-tuned weights look at the figure or at what is behind it."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import DATA, NO_TARGET, TARGETS_LINE, MachineOptions, Target, check_views
from fractalvid.finetune.cli.test import WeightsTestOptions, open_test
from fractalvid.finetune.clips.config import Voting
from fractalvid.finetune.targets.registry import check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.checks import check_integer
from fractalvid.utils.files import check_new
from fractalvid.utils.messages.log import announce


@dataclass(frozen=True)
class Shortcuts:
    """Find out whether fine-tuned weights look at people or at what is behind them.

    They are tested on clips as they are, with people in the mean colour of the rest, and with people before the
    background of a clip of another class. Who looks at the action alone has chance without people, and loses nothing
    by other backgrounds.
    """

    target: Target
    weights: str
    """Fine-tuned weights: a .safetensors file with its card beside it, or the folder of a run of finetune; LABEL=...
    before it names it."""
    masks: Path
    """Folder with masks of the people in all test videos, a PNG or npz file each, as `finetune prepare --masks` makes
    them."""
    split: str | None = None
    """Official split whose test videos are taken, by default the first."""
    fold: str | None = None
    """With --fold-column: the fold that is the test set."""
    class_map: Path | None = None
    """CSV file with the columns class and weights: what classes are called in the weights, as in finetune test."""
    views: int | None = None
    """Clips a video, spread uniformly; default as the weights were tested."""
    crops: int | None = None
    """Squares a clip: 1 (centre) or 3 (along the long side); default as the weights were tested."""
    voting: Voting | None = None
    """How views make one judgement: softmax, logits or votes; default as the weights were tested."""
    seed: int = 0
    """Which background each video gets."""
    allow_missing: bool = False
    """Go on without listed videos that are not there."""
    out: Path | None = None
    """Folder for the result, new or empty; default runs/shortcuts/<target>/<label>/split-<split>_seed-<seed>_of_<what
    the weights were trained on>_weights-<digits of their SHA-256>/backgrounds-<seed>; the first seed is that of the
    weights."""
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        check_views(self.views, self.crops)
        check_folds(self.target, self.split is not None, self.fold is not None, "")
        check_integer("--seed", self.seed, 0, 2**63 - 1)
        self.machine.check()

    def as_test(self) -> WeightsTestOptions:
        """What `finetune test` would be asked."""
        return WeightsTestOptions(
            target=self.target,
            weights=self.weights,
            split=self.split,
            fold=self.fold,
            class_map=self.class_map,
            views=self.views,
            crops=self.crops,
            voting=self.voting,
            allow_missing=self.allow_missing,
            machine=self.machine,
        )


def run(options: Shortcuts) -> None:
    """Probe, and print the table."""
    announce(f"looking for shortcuts of {options.weights} on {options.target.target}")
    from fractalvid.finetune.explain.shortcut_test import find_shortcuts
    from fractalvid.finetune.run.test import default_folder

    options.check()
    wanted = open_test(options.as_test())
    out = options.out or default_folder(wanted, "shortcuts") / f"backgrounds-{options.seed}"
    check_new(out)
    found = find_shortcuts(wanted, options.masks, out=out, machine=options.machine, seed=options.seed)
    print(found.table())
    print(f"\nwritten: {out}")


def command(args: list[str]) -> None:
    """`finetune shortcuts` with the arguments behind these words."""
    text = f"{inspect.getdoc(Shortcuts)}\n\n{TARGETS_LINE}"
    wanted = Shortcuts(target=NO_TARGET, weights=tyro.MISSING, masks=tyro.MISSING)
    main = {
        "the benchmark": {**DATA, "split": "The first official one if not given"},
        "what is tested": {
            "weights": "A .safetensors file, or the folder of a run",
            "masks": "Folder with people, of finetune prepare --masks",
            "views": "Clips a video; as the weights were tested",
        },
        "the result": {"seed": "", "out": "Folder; below runs/shortcuts if not given"},
    }
    run(parse(Shortcuts, args, program="finetune shortcuts", default=wanted, description=text, main=main))
