"""Finished runs as they lie on disk: their metrics, their predictions, and whether they compare."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.rundir import LOG, METRICS, PREDICTIONS
from finetune.targets.base import some
from fractalvid.errors import UserError

ACCURACIES = {"top1": "top-1", "top5": "top-5", "mean_class": "mean per class"}
MODES = {"full": "Fine-tuning", "linear": "Linear probe", "test": "Test of fine-tuned weights"}
"""What a run did with the weights it started from; in the order of a table."""


@dataclass(frozen=True)
class RunResult:
    """A finished run: the initialisation it started from, its split, its seed and its `metrics.json`.

    `folder` is where it lies; None for metrics alone.
    """

    label: str
    split: str
    seed: int
    metrics: dict[str, Any]
    folder: Path | None = field(default=None, compare=False)

    @property
    def mode(self) -> str:
        """full, linear or test (`MODES`)."""
        return str(self.metrics.get("mode", "full"))

    @property
    def precision(self) -> str:
        """What it was trained in. Runs that do not say were in fp32 on a CPU, and on a GPU nobody knows."""
        device = self.metrics.get("versions", {}).get("device", "cpu")
        return str(self.metrics.get("precision", "fp32" if device == "cpu" else "unknown"))

    @property
    def trained_on(self) -> dict[str, Any]:
        """Of a test of fine-tuned weights: their target, split, mode, epochs and precision. Else empty."""
        said = dict(self.metrics.get("trained_on") or {})
        # Cards of earlier versions do not say it: fp32 on a CPU.
        return said | {"precision": said.get("precision") or "fp32"} if said else said

    @property
    def repetition(self) -> tuple[str, str, int]:
        """What tells runs of one initialisation apart: the split, that of tested weights' training, and the seed."""
        return self.split, str(self.trained_on.get("split") or ""), self.seed


@dataclass(frozen=True)
class Predictions:
    """What a run said of each of its n test videos.

    `videos` tell them apart: the path, and for the k-th cut of one file its number. `groups` are their sources, or the
    video itself where none is known (`grouped` says whether any is). `label` and `predicted` are int64 (n,), `in_top5`
    bool (n,).
    """

    videos: tuple[str, ...]
    groups: tuple[str, ...]
    grouped: bool
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    in_top5: NDArray[np.bool_]


def read_run(folder: Path, label: str | None = None) -> RunResult:
    """Read the `metrics.json` of a finished run; `label` renames its initialisation."""
    path = folder / METRICS
    try:
        metrics = json.loads(path.read_bytes())
        name = label or metrics["init"]["label"]
        result = RunResult(name, str(metrics["split"]), int(metrics["seed"]), metrics, folder)
        if all(isinstance(metrics[name], float) for name in ACCURACIES):
            return result
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the result of a fine-tuning run: {error!r}") from error
    except OSError as error:
        raise UserError(f"{folder} holds no finished run: cannot read {METRICS} ({error.strerror})") from error
    raise UserError(f"{path} is not the result of a fine-tuning run: its accuracies are no numbers")


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """The folders of finished runs at or below the given ones, sorted."""
    found = []
    for folder in folders:
        runs = sorted(path.parent for path in folder.rglob(METRICS))
        if not runs:
            raise UserError(f"{folder} holds no finished run (no {METRICS} in it or below it)")
        found += runs
    return sorted(set(found))


def read_predictions(result: RunResult) -> Predictions | None:
    """The `predictions.csv` of a run; None where it has no folder, no such file, or no names of classes.

    Raises:
        UserError: the file is damaged or names classes that the run does not know.
    """
    path = None if result.folder is None else result.folder / PREDICTIONS
    if path is None or not path.is_file() or not result.metrics.get("class_names"):
        return None
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        number = {name: k for k, name in enumerate(result.metrics["class_names"])}
        label = np.array([number[line["label"]] for line in lines], dtype=np.int64)
        predicted = np.array([number[line["predicted"]] for line in lines], dtype=np.int64)
        videos = _told_apart([line["path"] for line in lines])
        # Names of classes may hold the character between them.
        in_top5 = [f"|{line['label']}|" in f"|{line['top5']}|" for line in lines]
    except (KeyError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is damaged, or not of the run beside it: {error!r}") from error
    expected, top1 = result.metrics["videos"]["test"], 100 * float(np.mean(predicted == label)) if lines else 0.0
    if len(lines) != expected or abs(top1 - result.metrics["top1"]) > 1e-6:
        raise UserError(
            f"{path} is damaged, or not of the run beside it: {len(lines)} videos with a top-1 of {top1:.2f} %, where "
            f"{METRICS} says {expected} and {result.metrics['top1']:.2f} %"
        )
    sources = [line.get("group") for line in lines]
    groups = tuple(source or video for source, video in zip(sources, videos, strict=True))
    return Predictions(videos, groups, any(sources), label, predicted, np.array(in_top5))


def _told_apart(paths: Sequence[str]) -> tuple[str, ...]:
    """Names of videos that may be cuts of one file, in its order: the second is `path#2`."""
    seen = Counter[str]()
    names = []
    for path in paths:
        seen[path] += 1
        names.append(path if seen[path] == 1 else f"{path}#{seen[path]}")
    return tuple(names)


def read_history(result: RunResult) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`; none where it is not there. A last line that broke off is left out."""
    path = None if result.folder is None else result.folder / LOG
    rows = []
    for line in (
        path.read_text(encoding="utf-8", errors="replace").splitlines() if path is not None and path.is_file() else ()
    ):
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return [row for row in rows if isinstance(row, dict) and {"kind", "step"} <= row.keys()]


_EQUAL = ("target", "classes", "mode", "model", "clip", "views", "crops", "epochs", "batch_size", "lr")
_SINCE = {"shots": None, "sampling": "window", "first_frames": None, "voting": "softmax", "optimizer": "adamw"}
"""Settings of later versions, and what runs of earlier ones did."""


_OF_A_MODE = {"mode", "epochs", "batch_size", "lr", "optimizer", "shots"}
"""What a head alone may be trained with otherwise than a whole network."""


def by_mode(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """The runs of each mode, in the order of `MODES`."""
    there = {result.mode for result in results}
    modes = [*(mode for mode in MODES if mode in there), *sorted(there - MODES.keys())]
    return {mode: [result for result in results if result.mode == mode] for mode in modes}


def check_comparable(results: Sequence[RunResult]) -> None:
    """Raise `UserError` for runs that must not stand in one report: other data or budget, or one run twice.

    Target, classes, network, clip and views must be equal, and in each split the numbers of videos and, as far as
    predictions tell, the test videos and their labels. The budget must be equal among the runs of a mode, the precision
    among all that trained, and the training of tested weights but for its split.
    """
    for runs in by_mode(results).values():
        _check_equal(runs, (*_EQUAL, *_SINCE))
        for split in dict.fromkeys(run.split for run in runs):
            _check_counts([run for run in runs if run.split == split], ("train", "test"))
    _check_equal(results, [name for name in (*_EQUAL, *_SINCE) if name not in _OF_A_MODE])
    _check_one("precision", [result.precision for result in results if result.mode != "test"])
    tests = [result.trained_on for result in results if result.mode == "test"]
    for name in sorted({name for one in tests for name in one} - {"split"}):
        _check_one(f"trained_on {name}, the training of the weights", [one.get(name) for one in tests])
    if len({json.dumps(result.metrics.get("class_names")) for result in results}) > 1:
        raise UserError("the runs differ in class_names, the names of their classes: they do not compare")
    for split in dict.fromkeys(result.split for result in results):
        _check_counts([result for result in results if result.split == split], ("test",))
        _check_tested([result for result in results if result.split == split])
    seen = set[tuple[object, ...]]()
    for result in results:
        key = (result.mode, result.label, *result.repetition, result.trained_on.get("mode"))
        if key in seen:
            _, trained, seed = result.repetition
            of = f", trained on split {trained}," if trained else ""
            raise UserError(
                f"two runs of {result.label!r}{of} have split {result.split} and seed {seed}; "
                "name them apart with LABEL=..."
            )
        seen.add(key)


def _check_equal(results: Sequence[RunResult], names: Sequence[str]) -> None:
    """Raise `UserError` where the runs' settings of these names differ."""
    for name in names:
        _check_one(name, [result.metrics.get(name, _SINCE.get(name)) for result in results])


def _check_one(name: str, values: Iterable[object]) -> None:
    """Raise `UserError` where the runs' values of a setting differ."""
    said = {json.dumps(value, sort_keys=True) for value in values}
    if len(said) > 1:
        raise UserError(f"the runs differ in {name} ({some(sorted(said), 3)}): they do not compare")


def _check_counts(results: Sequence[RunResult], sides: Sequence[str]) -> None:
    """Raise `UserError` where runs of one split have other numbers of videos."""
    counts = set()
    for result in results:
        videos = result.metrics.get("videos", {})
        counts.add(" and ".join(f"{videos.get(side)} to {side}" for side in sides))
    if len(counts) > 1:
        where = f" of split {results[0].split}" if results[0].split else ""
        raise UserError(f"the runs{where} differ in videos ({some(sorted(counts), 3)}): they do not compare")


def _check_tested(results: Sequence[RunResult]) -> None:
    """Raise `UserError` where runs of one split were tested on other videos, or the same with other labels."""
    first: tuple[RunResult, set[tuple[str, int]]] | None = None
    for result in results if len(results) > 1 else ():
        predictions = read_predictions(result)
        if predictions is None:
            continue
        tested = set(zip(predictions.videos, predictions.label.tolist(), strict=True))
        first = first or (result, tested)
        if tested != first[1]:
            video, label = min(tested ^ first[1])
            has, lacks = (result, first[0]) if (video, label) in tested else (first[0], result)
            where = f" of split {result.split}" if result.split else ""
            raise UserError(
                f"the runs{where} differ in test videos or labels ({video} as {result.metrics['class_names'][label]!r} "
                f"is in {has.folder}, not in {lacks.folder}): they do not compare"
            )
