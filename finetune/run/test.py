"""Fine-tuned weights tested on a benchmark, without any training."""

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.clips.prediction import predict
from fractalvid.finetune.results.folder import CONFIG, METRICS, write_config
from fractalvid.finetune.results.scores import labels_of, scores
from fractalvid.finetune.run.outcome import describe_clips, describe_videos, versions, write_outcome
from fractalvid.finetune.videos.data import Data, data_name, decode_listed, list_split
from fractalvid.finetune.videos.leakage import check_untrained
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.videos.machine import Machine
from fractalvid.finetune.weights.classes import ClassMap, map_classes
from fractalvid.finetune.weights.trained import Trained, trained_on
from fractalvid.pretrain.machine import resolve_device
from fractalvid.pretrain.weights import Initial
from fractalvid.utils.documents import Table, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, remove_temporaries

_MODE = "test"
_DIGITS = 8
"""Of the weights' digest, in a folder's name."""
_LONGEST = 40
"""Characters of a folder's or table's name within another."""


@dataclass(frozen=True)
class WeightsTest:
    """A test with nothing left open: weights, and the videos that they are tested on.

    `metric` is the accuracy that heads the result; `class_map` says what classes of the benchmark are called in the
    weights, where that differs (`weights.classes.read_class_map`).
    """

    data: Data
    split: str
    init: Initial
    trained: Trained
    metric: str = "top1"
    class_map: Mapping[str, str] = field(default_factory=dict)
    allow_missing: bool = False

    @property
    def trained_on(self) -> dict[str, Any]:
        """What the weights' card says of their training; None for what it does not."""
        card = self.trained.card
        told = {name: card.config.get(name) for name in ("target", "split", "mode", "epochs")}
        return told | {"precision": card.precision}


def default_folder(test: WeightsTest, kind: str = _MODE) -> Path:
    """Where the result of a `kind` of test lies unless the user says otherwise, below `runs`.

    The name tells what the weights were trained on. It ends in digits of their file's digest: weights of other sizes,
    epochs or folders may otherwise be called the same.
    """
    learned, seed = test.trained_on, test.trained.card.seed
    split, trained = (f"split-{name}" if name else None for name in (test.split, learned["split"]))
    of = [str(part) for part in (_learned_from(test), trained, learned["mode"]) if part]
    weights = f"weights-{(test.init.sha256 or '')[:_DIGITS]}"
    name = "_".join(part for part in (split, f"seed-{seed}", *(["of", *of] if of else []), weights) if part)
    # A card may come from elsewhere: its words are no path.
    return Path("runs") / kind / data_name(test.data) / test.init.label / re.sub(r"[^\w.-]", "-", name)


def _learned_from(test: WeightsTest) -> str | None:
    """What the weights were trained on: a benchmark; of one's own videos also the table or the folder, as `data_name`.

    A part of that name is enough, as file systems take no long ones.
    """
    config = test.trained.card.config
    target, data, table = (config.get(name) for name in ("target", "data", "table"))
    own = Path(table).stem if table else Path(data).name if data and target == "folder" else ""
    return f"{target}-{own[:_LONGEST]}" if target and own else target


def test_weights(test: WeightsTest, *, out: Path, machine: Machine) -> dict[str, Any]:
    """Test; everything is left in `out`. Whatever the user has got wrong shows before a video is decoded.

    Returns:
        What `metrics.json` says.

    Raises:
        UserError: data, weights or a folder that do not serve.
    """
    trained = test.trained
    _check_folder(out)
    listing, classes, left_out = list_tested(test, machine)
    network = trained.network()
    listing = decode_listed(test.data, listing, machine)
    device = resolve_device(machine.device)
    write_config(out, _config(test))
    stores = machine.stores()
    store = stores.get(test.data.root, decoded_side(trained.views.size))
    started = time.perf_counter()
    p = predict(
        network.to(device),
        listing.videos,
        store,
        trained.views,
        threads=machine.decoders(),
        progress=machine.progress,
    )
    p = p[:, classes.columns]
    metrics = {
        **scores(p, labels_of(listing.videos)),
        "side": "test",
        **_describe(test, listing, classes),
        "left_out": left_out,
        "frames": store.origin(video.path for video in listing.videos),
        "seconds": {"training": 0.0, "test": round(time.perf_counter() - started, 1)},
        "versions": versions(device),
    }
    write_outcome(out, metrics, test.data.target, listing.videos, p, classes.names)
    remove_temporaries(out)
    return metrics


def list_tested(test: WeightsTest, machine: Machine) -> tuple[Listing, ClassMap, int]:
    """The videos, their labels counting the answers of the weights; these; and how many videos are left out.

    Raises:
        UserError: videos are missing or were trained on, or the weights lack a class.
    """
    listing = list_split(test.data, test.split, machine, allow_missing=test.allow_missing)
    classes = map_classes(listing.classes, test.trained.classes, test.class_map)
    answers = [(video, classes.answers[video.label]) for video in listing.videos]
    kept = tuple(replace(video, label=answer) for video, answer in answers if answer is not None)
    learned = trained_on(test.trained.card.config, test.data)
    check_untrained(str(test.trained.weights), test.data.root, kept, learned)
    return replace(listing, classes=classes.names, videos=kept), classes, len(answers) - len(kept)


def _check_folder(out: Path) -> None:
    """Raise `UserError` unless `out` is new, empty, or what a test that was interrupted left."""
    check_can_make(out)
    if (out / METRICS).exists():
        raise UserError(f"{out} holds a finished run; choose another --out, or remove it")
    if out.is_dir() and not is_empty(out) and not _is_test(out / CONFIG):
        raise UserError(f"--out {out} is not empty and holds no test that was interrupted; choose another folder")


def _is_test(config: Path) -> bool:
    try:
        return read_json(config, Table, what="the configuration").get("mode") == _MODE
    except UserError:
        return False


def _config(test: WeightsTest) -> dict[str, Any]:
    """What `config.json` says: enough to test the same again."""
    options, views = asdict(test.data.options), asdict(test.trained.views)
    frames = views.pop("frames")
    return {
        **{name: str(value) if isinstance(value, Path) else value for name, value in options.items()},
        "mode": _MODE,
        "data": str(test.data.root.resolve()),
        "split": test.split,
        "init": vars(test.init),
        "model": test.trained.card.architecture,
        **frames,
        **views,
        "metric": test.metric,
        "class_map": dict(test.class_map),
        "allow_missing": test.allow_missing,
        "training": test.trained.card.config,
    }


def _describe(test: WeightsTest, listing: Listing, classes: ClassMap) -> dict[str, Any]:
    """What `metrics.json` says beside the accuracies, under the names that trained runs have."""
    card, views = test.trained.card, test.trained.views
    return {
        "target": test.data.target.name,
        "split": test.split,
        "seed": card.seed,
        "init": vars(test.init).copy(),
        "mode": _MODE,
        "trained_on": test.trained_on,
        **describe_clips(views, card.architecture),
        "metric": test.metric,
        "classes": len(classes.names),
        "tested_classes": len({video.label for video in listing.videos}),
        "official_classes": test.data.target.protocol.num_classes,
        "class_names": list(classes.names),
        **describe_videos(listing, views),
        "epochs": 0,
        "batch_size": 0,
        "steps": 0,
        "lr": None,
    }
