"""Finished runs as they lie on disk: their metrics, their settings, their logs."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from fractalvid.finetune.results.folder import CONFIG, LOG, METRICS, read_settings
from fractalvid.pretrain.engine import read_rows
from fractalvid.utils.documents import Count, DocumentError, Percent, Table, convert, read_json
from fractalvid.utils.errors import UserError

ACCURACIES = {"top1": "top-1", "top5": "top-5", "mean_class": "mean per class"}
MODES = {"full": "Fine-tuning", "linear": "Linear probe", "test": "Test of fine-tuned weights"}
"""What a run did with the weights it started from; in the order of a table."""


@dataclass(frozen=True)
class _Init:
    label: str


@dataclass(frozen=True)
class _Videos:
    train: Count
    test: Count
    missing: Count = 0
    skipped: Count = 0


@dataclass(frozen=True)
class _Metrics:
    """What reports read of a `metrics.json`."""

    init: _Init
    target: str
    split: str
    seed: int
    mode: str
    metric: str
    classes: Count
    videos: _Videos
    frames: str
    top1: Percent
    top5: Percent
    mean_class: Percent
    clip: Table | None = None
    class_names: list[str] | None = None
    trained_on: Table | None = None
    versions: Table | None = None
    precision: str | None = None
    sampling: str | None = None
    voting: str | None = None
    shots: Count | None = None
    first_frames: Count | None = None
    left_out: Count | None = None
    official_classes: Count | None = None
    tested_classes: Count | None = None


@dataclass(frozen=True)
class RunResult:
    """A finished run: the initialisation it started from, its split, its seed and its `metrics.json`.

    `folder` is where it lies; None for metrics alone. `settings` are those of its `config.json` (`recipes.plan.Plan`),
    of the training of the weights where it tests these; empty where nothing is kept of them. `together` says that
    runs of its label may be of several pre-trainings, as one row.
    """

    label: str
    split: str
    seed: int
    metrics: dict[str, Any]
    folder: Path | None = field(default=None, compare=False)
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    together: bool = field(default=False, compare=False)

    @property
    def pretraining(self) -> str:
        """What tells the weights it started from apart: their file's digest, else what kind they are of."""
        init = self.metrics["init"]
        return str(init.get("sha256") or init.get("kind"))

    @property
    def mode(self) -> str:
        """full, linear or test (`MODES`)."""
        return str(self.metrics["mode"])

    @property
    def precision(self) -> str | None:
        """What it was trained in; None for a test, and where an early version did not say it of a GPU."""
        said = self.metrics.get("precision")
        early = said is None and self.mode != "test" and (self.metrics.get("versions") or {}).get("device") == "cpu"
        return "fp32" if early else said

    @property
    def frames(self) -> str:
        """How the videos' frames were kept, as far as samples depend on it."""
        return _without_count(str(self.metrics["frames"]).partition(", ")[2])

    @property
    def frames_trained_on(self) -> str:
        """Likewise those of the training, where `settings` say it; else empty."""
        return _without_count(str(self.settings.get("frames") or ""))

    @property
    def trained_on(self) -> dict[str, Any]:
        """Of a test of fine-tuned weights: their target, split, mode, epochs and precision. Else empty."""
        return self.metrics.get("trained_on") or {}

    @property
    def repetition(self) -> tuple[str, str, int]:
        """What tells runs of one initialisation apart: the split, that of tested weights' training, and the seed."""
        return self.split, str(self.trained_on.get("split") or ""), self.seed


def _without_count(frames: str) -> str:
    """What `ClipStore.kept` says, as far as splits of one data set have it in common."""
    return re.sub(r", \d+ from files$", ", some from files", frames)


def read_run(folder: Path, label: str | None = None, *, together: bool = False) -> RunResult:
    """Read the `metrics.json` of a finished run; `label` renames its initialisation.

    `together`: what has that label may be several pre-trainings.
    """
    path = folder / METRICS
    if not path.is_file():
        raise UserError(f"{folder} holds no finished run: it has no {METRICS}")
    try:
        metrics = read_json(path, Table, what="the result")
        known = convert(metrics, _Metrics, where="it")
    except DocumentError as error:
        raise UserError(f"{path} is not the result of a fine-tuning run: {error}") from error
    return RunResult(label or known.init.label, known.split, known.seed, metrics, folder, _settings(folder), together)


def _settings(folder: Path) -> dict[str, Any]:
    """What a run's folder says of its training; nothing where `config.json` was not kept."""
    if not (folder / CONFIG).exists():
        return {}
    settings = read_settings(folder)
    if settings.get("mode") != "test":
        return settings
    training = settings.get("training")
    return training if isinstance(training, dict) else {}


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """The folders of finished runs at or below the given ones, sorted."""
    finished = set[Path]()
    for folder in folders:
        runs = [path.parent for path in folder.rglob(METRICS)]
        if not runs:
            raise UserError(f"{folder} holds no finished run (no {METRICS} in it or below it)")
        finished.update(runs)
    return sorted(finished)


def read_history(result: RunResult) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`; none where it is not there. A last line that broke off is left out."""
    path = None if result.folder is None else result.folder / LOG
    if path is None or not path.is_file():
        return []
    return read_rows(path)


def by_mode(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """The runs of each mode, in the order of `MODES`."""
    there = {result.mode for result in results}
    modes = [*(mode for mode in MODES if mode in there), *sorted(there - MODES.keys())]
    return {mode: [result for result in results if result.mode == mode] for mode in modes}


def mean_over_splits(runs: Sequence[RunResult], name: str) -> float:
    """The mean over splits of the means of their runs, so that a split with more seeds does not count for more.

    Args:
        runs: of one initialisation and mode; at least one.
        name: an accuracy, as "top1".
    """
    splits = defaultdict[str, list[float]](list)
    for run in runs:
        splits[run.split].append(float(run.metrics[name]))
    return fmean(map(fmean, splits.values()))
