"""`finetune test`: fine-tuned weights on a test set, without any training."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import tyro
from tqdm import tqdm

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import DATA, NO_TARGET, TARGETS_LINE, MachineOptions, Target, check_views
from fractalvid.finetune.clips.config import Voting
from fractalvid.finetune.recipes.recipe import Metric
from fractalvid.finetune.targets.registry import check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import counted

if TYPE_CHECKING:
    from fractalvid.finetune.run.test import WeightsTest
    from fractalvid.finetune.weights.trained import Trained


@dataclass(frozen=True)
class WeightsTestOptions:
    """Test fine-tuned weights on a benchmark, or on any folder or list of test videos, without training.

    Classes are found by their names. It leaves the report, the predictions and all else that a run of `finetune` leaves
    but weights, and `finetune compare --runs` sets several side by side.
    """

    target: Target
    weights: str
    """Fine-tuned weights: a .safetensors file with its card beside it, or the folder of a run of finetune; LABEL=...
    before it names it."""
    split: str | None = None
    """Official split whose test videos are taken, by default the first."""
    fold: str | None = None
    """With --fold-column: the fold that is the test set."""
    class_map: Path | None = None
    """CSV file with the columns class and weights: what classes are called in the weights, where names differ in more
    than case, spaces and underscores; an empty name leaves the videos of a class out."""
    views: int | None = None
    """Clips a video, spread uniformly; default as the weights were tested."""
    crops: int | None = None
    """Squares a clip: 1 (centre) or 3 (along the long side); default as the weights were tested."""
    voting: Voting | None = None
    """How views make one judgement: softmax, logits or votes; default as the weights were tested."""
    metric: Metric | None = None
    """The accuracy that the result is headed by: top1 or mean_class; default as the weights were tested."""
    allow_missing: bool = False
    """Go on without listed videos that are not there; they are counted in the result."""
    out: Path | None = None
    """Folder of the result; default runs/test/<target>/<label>/split-<split>_seed-<seed>_of_<what the weights were
    trained on>_weights-<digits of their SHA-256>, where <target> of one's own videos is folder-<name of --data or
    --csv>."""
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        check_views(self.views, self.crops)
        check_folds(self.target, self.split is not None, self.fold is not None, "")
        self.machine.check()


def open_test(options: WeightsTestOptions) -> "WeightsTest":
    """Read the weights' card and the class map, and find the benchmark. Raises `UserError` where one is not right."""
    from fractalvid.finetune.run.test import WeightsTest
    from fractalvid.finetune.videos.data import open_data, split_name
    from fractalvid.finetune.weights.classes import read_class_map
    from fractalvid.finetune.weights.trained import open_weights

    options.check()
    init, trained = open_weights(options.weights, views=options.views, crops=options.crops, voting=options.voting)
    class_map = {} if options.class_map is None else read_class_map(options.class_map)
    data = open_data(options.target, options.machine, test_only=True)
    return WeightsTest(
        data=data,
        split=split_name(data, options.split if options.fold is None else options.fold),
        init=init,
        trained=trained,
        class_map=class_map,
        metric=options.metric or _metric_of(trained),
        allow_missing=options.allow_missing,
    )


def _metric_of(trained: "Trained") -> Metric:
    """The accuracy that the weights were headed by. Raises `UserError` where their card names one that is none."""
    told = trained.card.config.get("metric", "top1")
    if told not in get_args(Metric):
        known = " or ".join(get_args(Metric))
        where = f"the card of {trained.weights}, config: metric is {str(told)[:40]!r}"
        raise UserError(f"{where}; --metric {known} says what heads the result")
    metric: Metric = told
    return metric


def run(options: WeightsTestOptions) -> None:
    """Test, and print what came out."""
    announce(f"testing {options.weights} on {options.target.target}")
    from fractalvid.finetune.run.outcome import result_line
    from fractalvid.finetune.run.test import default_folder, test_weights

    wanted = open_test(options)
    out = options.out or default_folder(wanted)
    metrics = test_weights(wanted, out=out, machine=options.machine)
    if metrics["left_out"]:
        tqdm.write(f"{counted(metrics['left_out'], 'video')} of classes that --class-map leaves out: not tested")
    print(result_line(metrics, out))


def command(args: list[str]) -> None:
    """`finetune test` with the arguments behind these words."""
    text = f"{inspect.getdoc(WeightsTestOptions)}\n\n{TARGETS_LINE}"
    wanted = WeightsTestOptions(target=NO_TARGET, weights=tyro.MISSING)
    run(
        parse(
            WeightsTestOptions,
            args,
            program="finetune test",
            default=wanted,
            description=text,
            main={
                "the benchmark": {**DATA, "split": "The first official one if not given"},
                "what is tested": {
                    "weights": "A .safetensors file, or the folder of a run",
                    "class-map": "CSV file of class and weights, where names differ",
                    "views": "Clips a video; as the weights were tested",
                    "crops": "Squares a clip: 1 or 3; as they were tested",
                    "voting": "softmax, logits or votes; as they were tested",
                },
                "the result": {"metric": "top1 or mean_class", "out": "Folder; below runs/test if not given"},
            },
        )
    )
