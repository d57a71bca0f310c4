"""Finished runs as they lie on disk: their metrics, their settings, their predictions."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.results.folder import CONFIG, LOG, METRICS, PREDICTIONS, completed, read_settings
from fractalvid.finetune.targets.base import counted
from fractalvid.utils.errors import UserError

ACCURACIES = {"top1": "top-1", "top5": "top-5", "mean_class": "mean per class"}
MODES = {"full": "Fine-tuning", "linear": "Linear probe", "test": "Test of fine-tuned weights"}
"""What a run did with the weights it started from; in the order of a table."""


@dataclass(frozen=True)
class RunResult:
    """A finished run: the initialisation it started from, its split, its seed and its `metrics.json`.

    `folder` is where it lies; None for metrics alone. `settings` are those of its `config.json` (`recipes.plan.Plan`),
    of the training of the weights where it tests these; empty where nothing is kept of them.
    """

    label: str
    split: str
    seed: int
    metrics: dict[str, Any]
    folder: Path | None = field(default=None, compare=False)
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)

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
    def frames(self) -> str | None:
        """How the videos' frames were kept, as far as samples depend on it; None where it does not say."""
        return _some_kept(str(self.metrics.get("frames") or "").partition(", ")[2])

    @property
    def frames_trained_on(self) -> str | None:
        """Likewise those of the training, where `settings` say it."""
        return _some_kept(str(self.settings.get("frames") or ""))

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


def _some_kept(frames: str) -> str | None:
    """What `ClipStore.kept` gave, as far as splits of one data set have it in common; None for nothing."""
    return re.sub(r", \d+ from files$", ", some from files", frames) or None


def read_run(folder: Path, label: str | None = None) -> RunResult:
    """Read the `metrics.json` of a finished run; `label` renames its initialisation."""
    path = folder / METRICS
    try:
        metrics = json.loads(path.read_bytes())
        name = label or metrics["init"]["label"]
        result = RunResult(name, str(metrics["split"]), int(metrics["seed"]), metrics, folder, _settings(folder))
        if all(isinstance(metrics[name], float) for name in ACCURACIES):
            return result
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the result of a fine-tuning run: {error!r}") from error
    except OSError as error:
        raise UserError(f"{folder} holds no finished run: cannot read {METRICS} ({error.strerror})") from error
    raise UserError(f"{path} is not the result of a fine-tuning run: its accuracies are no numbers")


def _settings(folder: Path) -> dict[str, Any]:
    """What a run's folder says of its training; nothing where `config.json` was not kept."""
    if not (folder / CONFIG).exists():
        return {}
    settings = read_settings(folder)
    if settings.get("mode") != "test":
        return settings
    training = settings.get("training")  # earlier versions did not keep it
    return completed(training) if isinstance(training, dict) and training else {}


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
            f"{path} is damaged, or not of the run beside it: {counted(len(lines), 'video')} with a top-1 of "
            f"{top1:.2f} %, where {METRICS} says {expected} and {result.metrics['top1']:.2f} %"
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


def by_mode(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """The runs of each mode, in the order of `MODES`."""
    there = {result.mode for result in results}
    modes = [*(mode for mode in MODES if mode in there), *sorted(there - MODES.keys())]
    return {mode: [result for result in results if result.mode == mode] for mode in modes}
