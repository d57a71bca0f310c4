"""The command `finetune test`: fine-tuned weights on a test set, without any training."""

import inspect
import json
import re
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.clips import evaluate
from fractalvid.finetune.clips.evaluate import Voting
from fractalvid.finetune.recipes.recipe import Metric
from fractalvid.finetune.results.folder import CONFIG, METRICS, write_config
from fractalvid.finetune.run.outcome import describe_clips, describe_videos, told, versions, write_outcome
from fractalvid.finetune.targets import TARGETS, Source
from fractalvid.finetune.targets.base import counted
from fractalvid.finetune.videos.data import (
    Data,
    Machine,
    Stores,
    check_folds,
    decode_listed,
    list_split,
    open_data,
    split_name,
)
from fractalvid.finetune.videos.leakage import check_untrained
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.weights.classes import ClassMap, map_classes, read_class_map
from fractalvid.finetune.weights.initial import Initial
from fractalvid.finetune.weights.trained import Trained, open_weights, trained_on
from fractalvid.pretrain.engine.folder import check_can_make, is_empty
from fractalvid.pretrain.machine.precision import resolve_device
from fractalvid.utils.errors import UserError

_MODE = "test"


@dataclass(frozen=True)
class WeightsTest:
    """Test fine-tuned weights on a benchmark, or on any folder or list of test videos, without training.

    Classes are found by their names. It leaves the report, the predictions and all else that a run of `finetune` leaves
    but weights, and `finetune compare --runs` sets several side by side.
    """

    source: Annotated[Source, tyro.conf.arg(name="")]
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
    """Folder of the result; default runs/test/<target>/<label>/<split>_<seed>_of_<what the weights were trained on>."""
    machine: Annotated[Machine, tyro.conf.arg(name="")] = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        if self.views is not None and not 1 <= self.views <= 1024:
            raise UserError(f"--views is {self.views}: it must be 1 to 1024")
        if self.crops not in (None, 1, 3):
            raise UserError(f"--crops is {self.crops}: it can be 1 (the centre) or 3 (along the long side)")
        check_folds(self.source, self.split is not None, self.fold is not None, "")
        self.machine.check()


@dataclass(frozen=True)
class _Trial:
    """A test with nothing left open: weights, and the videos that they are tested on."""

    options: WeightsTest
    data: Data
    split: str
    init: Initial
    trained: Trained
    class_map: dict[str, str]

    @property
    def metric(self) -> str:
        """The accuracy that heads the result."""
        return self.options.metric or str(self.trained.card.config.get("metric", "top1"))

    @property
    def out(self) -> Path:
        """The folder of the result."""
        learned, seed = self.trained_on, self.trained.card.seed
        split, trained = (f"split-{name}" if name else None for name in (self.split, learned["split"]))
        of = [str(part) for part in (learned["target"], trained, learned["mode"]) if part]
        name = "_".join(part for part in (split, f"seed-{seed}", *(["of", *of] if of else [])) if part)
        # A card may come from elsewhere: its words are no path.
        folder = re.sub(r"[^\w.-]", "-", name)
        return self.options.out or Path("runs") / "test" / self.data.target.name / self.init.label / folder

    @property
    def trained_on(self) -> dict[str, Any]:
        """What the weights' card says of their training; None for what it does not."""
        card = self.trained.card
        said = {name: card.config.get(name) for name in ("target", "split", "mode", "epochs")}
        return said | {"precision": card.precision}


def open_trial(options: WeightsTest) -> _Trial:
    """Read the weights' card and the class map, and find the benchmark. Raises `UserError` where one is not right."""
    options.check()
    init, trained = open_weights(options.weights, views=options.views, crops=options.crops)
    if options.voting is not None:
        trained = replace(trained, views=replace(trained.views, voting=options.voting))
    class_map = {} if options.class_map is None else read_class_map(options.class_map)
    data = open_data(options.source, options.machine, test_only=True)
    split = split_name(data, options.split if options.fold is None else options.fold)
    return _Trial(options, data, split, init, trained, class_map)


def run_trial(trial: _Trial) -> dict[str, Any]:
    """Test; what `metrics.json` says. Whatever the user has got wrong shows before a video is decoded."""
    machine, trained = trial.options.machine, trial.trained
    _check_folder(trial.out)
    listing, classes, left_out = _list(trial)
    network = trained.network()
    listing = decode_listed(trial.data, listing, machine)
    device = resolve_device(machine.device)
    write_config(trial.out, _config(trial))
    stores = Stores(int(machine.cache_gb * 2**30), machine.cache())
    store = stores.get(trial.data.root, decoded_side(trained.views.size))
    started = time.perf_counter()
    p = evaluate.predict(
        network.to(device),
        listing.rows,
        store,
        trained.views,
        threads=machine.decoders(),
        progress=machine.progress,
    )
    p = p[:, classes.columns]
    metrics = {
        **evaluate.scores(p, evaluate.labels_of(listing.rows)),
        **_record(trial, listing, classes),
        "left_out": left_out,
        "frames": store.origin(row.path for row in listing.rows),
        "seconds": {"training": 0.0, "test": round(time.perf_counter() - started, 1)},
        "versions": versions(device),
    }
    write_outcome(trial.out, metrics, trial.data.target, listing.rows, p, classes.names)
    return metrics


def _list(trial: _Trial) -> tuple[Listing, ClassMap, int]:
    """The videos, their labels counting the answers of the weights; these; and how many videos are left out.

    Raises:
        UserError: videos are missing or were trained on, or the weights lack a class.
    """
    listing = list_split(trial.data, trial.split, trial.options.machine, allow_missing=trial.options.allow_missing)
    classes = map_classes(listing.classes, trial.trained.classes, trial.class_map)
    rows = [(row, classes.answers[row.label]) for row in listing.rows]
    kept = tuple(replace(row, label=answer) for row, answer in rows if answer is not None)
    check_untrained(str(trial.trained.weights), kept, trained_on(trial.trained.card.config, trial.data))
    return replace(listing, classes=classes.names, rows=kept), classes, len(rows) - len(kept)


def _check_folder(out: Path) -> None:
    """Raise `UserError` unless `out` is new, empty, or what a test that was interrupted left."""
    check_can_make(out)
    if (out / METRICS).exists():
        raise UserError(f"{out} holds a finished run; choose another --out, or remove it")
    if out.is_dir() and not is_empty(out) and not _is_test(out / CONFIG):
        raise UserError(f"--out {out} is not empty and holds no test that was interrupted; choose another folder")


def _is_test(config: Path) -> bool:
    try:
        content = json.loads(config.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("mode") == _MODE


def _config(trial: _Trial) -> dict[str, Any]:
    """What `config.json` says: enough to test the same again."""
    source = asdict(trial.options.source)
    return {
        **{name: str(value) if isinstance(value, Path) else value for name, value in source.items()},
        "mode": _MODE,
        "data": str(trial.data.root.resolve()),
        "split": trial.split,
        "init": vars(trial.init),
        "model": trial.trained.card.architecture,
        **asdict(trial.trained.views),
        "metric": trial.metric,
        "class_map": trial.class_map,
        "allow_missing": trial.options.allow_missing,
        "training": trial.trained.card.config,
    }


def _record(trial: _Trial, listing: Listing, classes: ClassMap) -> dict[str, Any]:
    """What `metrics.json` says beside the accuracies, under the names that trained runs have."""
    card, views = trial.trained.card, trial.trained.views
    return {
        "target": trial.data.target.name,
        "split": trial.split,
        "seed": card.seed,
        "init": vars(trial.init).copy(),
        "mode": _MODE,
        "trained_on": trial.trained_on,
        **describe_clips(views, card.architecture),
        "metric": trial.metric,
        "classes": len(classes.names),
        "tested_classes": len({row.label for row in listing.rows}),
        "official_classes": trial.data.target.protocol.num_classes,
        "class_names": list(classes.names),
        **describe_videos(listing, views),
        "epochs": 0,
        "batch_size": 0,
        "steps": 0,
        "lr": None,
    }


def test_main(options: WeightsTest) -> None:
    """Test, and print what came out."""
    trial = open_trial(options)
    metrics = run_trial(trial)
    if metrics["left_out"]:
        tqdm.write(f"{counted(metrics['left_out'], 'video')} of classes that --class-map leaves out: not tested")
    print(told(metrics, trial.out))


def command(args: list[str]) -> None:
    """`finetune test` with the arguments behind these words."""
    text = f"{inspect.getdoc(WeightsTest)}\n\nTargets: {', '.join(TARGETS)}."
    wanted = WeightsTest(source=Source(tyro.MISSING), weights=tyro.MISSING)
    test_main(parse(WeightsTest, args, program="finetune test", default=wanted, description=text))
