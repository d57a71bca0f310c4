"""Made-up runs with predictions, on disk and in memory."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fractalvid.finetune.report.statistics import Tested
from fractalvid.finetune.results.predictions import Predictions
from fractalvid.finetune.results.read import RunResult

NAMES = ("clap & wave", "jump", "run_fast")


def metrics(label: str, split: str, seed: int, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "top1": 50.0,
        "top5": 100.0,
        "mean_class": 50.0,
        "target": "folder",
        "split": split,
        "seed": seed,
        "init": {"label": label},
        "mode": "full",
        "metric": "top1",
        "precision": "fp32",
        "sampling": "window",
        "voting": "softmax",
        "frames": "files, 73 pixels",
        "model": "r3d_10",
        "clip": {"clip_len": 8, "frame_stride": 2, "size": 64},
        "views": 2,
        "crops": 1,
        "classes": len(NAMES),
        "class_names": list(NAMES),
        "videos": {"train": 60, "test": 30, "missing": 0, "skipped": 0},
        "epochs": 30,
        "batch_size": 16,
        "steps": 100,
        "seconds": {"training": 40.0, "test": 2.0},
        "versions": {"device": "cpu"},
    }
    return values | changes


def run_of(right: Sequence[bool], groups: Sequence[str] = (), label: str = "a", split: str = "1") -> Tested:
    """A run that answered so; the classes of its videos take turns."""
    labels = np.arange(len(right)) % len(NAMES)
    predicted = np.where(right, labels, (labels + 1) % len(NAMES))
    videos = tuple(f"v{k}" for k in range(len(right)))
    hits = np.array(right, bool)
    predictions = Predictions(videos, tuple(groups) or videos, bool(groups), labels, predicted, hits)
    top1 = 100 * float(hits.mean())
    return Tested(RunResult(label, split, 0, metrics(label, split, 0, top1=top1)), predictions)


def folds(accuracies: list[int], sources: int = 1) -> list[Tested]:
    """Runs that each test 100 videos of sources of their own, the first so many of them right."""
    made = []
    for fold, right in enumerate(accuracies):
        run = run_of([k < right for k in range(100)], [f"film{fold}.{k % sources}" for k in range(100)])
        p = run.predictions
        apart = replace(p, videos=tuple(f"{fold}/{video}" for video in p.videos))
        made.append(Tested(replace(run.result, split=str(fold)), apart))
    return made


def write_run_folder(folder: Path, run: Tested, *, seed: int = 0, **changes: Any) -> Path:
    """The files that a finished run leaves, as far as reports read them."""
    folder.mkdir(parents=True)
    p = run.predictions
    top1 = 100 * float((p.predicted == p.label).mean())
    per_class = [100 * float((p.predicted == p.label)[p.label == k].mean()) for k in range(len(NAMES))]
    values = metrics(run.result.label, run.result.split, seed, top1=top1, mean_class=float(np.mean(per_class)))
    values["videos"] = {"train": 60, "test": len(p.videos), "missing": 0, "skipped": 0}
    (folder / "metrics.json").write_text(json.dumps(values | changes))
    rows = [{"kind": "train", "step": 10 * k, "loss": 3.0 / k} for k in range(1, 5)]
    rows.append({"kind": "val", "step": 40, "top1": top1})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"kind": "tr')
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "predicted", "top5", "confidence", *(["group"] if p.grouped else [])])
        for video, group, label, guess in zip(p.videos, p.groups, p.label, p.predicted, strict=True):
            line = [video, NAMES[label], NAMES[guess], f"{NAMES[guess]}|{NAMES[label]}", "0.5000"]
            table.writerow([*line, *([group] if p.grouped else [])])
    return folder
