"""What a tested network leaves: its record, its predictions, the confusion of its classes, its report."""

import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.report.charts import draw_confusion
from fractalvid.finetune.report.write import REPORT, write_run
from fractalvid.finetune.results.folder import CONFUSION, METRICS, PREDICTIONS
from fractalvid.finetune.results.predictions import write_predictions
from fractalvid.finetune.results.read import ACCURACIES
from fractalvid.finetune.results.scores import Floats, confusion_matrix, labels_of, top_classes
from fractalvid.finetune.targets.base import Target, Video
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.files import write_text
from fractalvid.utils.messages.phrases import counted


def write_outcome(
    out: Path,
    metrics: dict[str, Any],
    target: Target,
    videos: Sequence[Video],
    probabilities: Floats,
    classes: Sequence[str],
) -> None:
    """Write what came of a test into `out`; `metrics.json` last, for its presence says that the run is finished.

    Args:
        out: the folder.
        metrics: what `metrics.json` says, the accuracies (`results.scores.scores`) included.
        target: knows the sources of the videos.
        videos: the test videos, their labels counted in `classes`.
        probabilities: (n, K) of the videos.
        classes: names (K,).
    """
    labels = labels_of(videos)
    matrix = confusion_matrix(labels, top_classes(probabilities, 1)[:, 0], len(classes))
    title = f"{metrics['target']}, {metrics['init']['label']}: top-1 {metrics['top1']:.1f} %"
    write_predictions(out / PREDICTIONS, videos, probabilities, classes, [target.group(video.path) for video in videos])
    draw_confusion(out / CONFUSION, matrix, classes, title)
    write_run(out, metrics)
    write_text(out / METRICS, json.dumps(metrics, indent=2) + "\n")


def result_line(metrics: dict[str, Any], out: Path) -> str:
    """The result in a line, the accuracy that the protocol is headed by first."""
    videos = metrics["videos"]
    named = sorted(ACCURACIES, key=lambda name: name != metrics["metric"])
    lost = f"{videos['missing']} missing, {videos['skipped']} skipped"
    lost += f", {videos['damaged']} damaged" if videos["damaged"] else ""
    accuracies = ", ".join(f"{ACCURACIES[name]} {metrics[name]:.1f} %" for name in named)
    return (
        f"{metrics['target']} from {metrics['init']['label']}: {accuracies} ({counted(videos['test'], 'test video')}, "
        f"{metrics['views']} x {metrics['crops']} views; {lost}){_chosen_by(metrics)}; "
        f"{out / METRICS}, {out / REPORT[0]}"
    )


def _chosen_by(metrics: dict[str, Any]) -> str:
    """What the validation side says, where there is one, and which side the curve is of, where there is a curve."""
    validation, curve = metrics.get("validation"), metrics.get("curve_side")
    text = ""
    if validation:
        name = metrics["metric"]
        videos = counted(metrics["videos"]["val"], "validation video")
        text = f"; {ACCURACIES[name]} {validation[name]:.1f} % on {videos}"
    return text if curve is None else f"{text}; curve of {'validation' if curve == 'val' else 'test'} videos"


def describe_clips(views: ViewConfig, model: str) -> dict[str, Any]:
    """What `metrics.json` says of what the network saw, and how it voted."""
    return {
        "model": model,
        "clip": {"clip_len": views.frames.clip_len, "frame_stride": views.frames.frame_stride, "size": views.size},
        "views": views.views,
        "crops": views.crops,
        "sampling": views.frames.sampling,
        "first_frames": views.frames.first_frames or None,
        "voting": views.voting,
    }


def describe_videos(listing: Listing, views: ViewConfig) -> dict[str, Any]:
    """What `metrics.json` says of the videos, with the names of those that are missing or were skipped."""
    return {
        "videos": {
            "train": len(listing.side("train")),
            "val": len(listing.side("val")),
            "test": len(listing.side("test")),
            "missing": len(listing.missing),
            "skipped": len(listing.broken),
            "damaged": len(listing.damaged),
            "shorter_than_window": sum(n < views.frames.span() for n in listing.frames),
        },
        "missing": list(listing.missing),
        "skipped": [{"path": path, "why": why} for path, why in listing.broken],
        "damaged": [{"path": path, "packets": packets} for path, packets in listing.damaged],
    }


def versions(device: torch.device) -> dict[str, str]:
    """What the result was made with, the device that trained or tested included."""
    names = ("fractalvid", "torch", "torchvision", "av", "numpy")
    made_with = {"python": platform.python_version()}
    for name in names:
        try:
            made_with[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout that is not installed
            made_with[name] = "not installed"
    return made_with | {
        "machine": platform.machine(),
        "processors": str(os.cpu_count()),
        "device": _device_name(device),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
