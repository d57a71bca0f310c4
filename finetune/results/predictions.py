"""`predictions.csv`: what a run said of each of its test videos."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.results.folder import METRICS, PREDICTIONS
from fractalvid.finetune.results.read import RunResult
from fractalvid.finetune.results.scores import Floats, top_classes
from fractalvid.finetune.targets.base import Video
from fractalvid.utils.documents import MAX_LOG_BYTES, read_bytes
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_with
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class Predictions:
    """What a run said of each of its n test videos.

    `videos` tell them apart: the path, and for the k-th cut of one file its number. `groups` are their sources, or the
    file where none is known (`grouped` says whether any is, or a file has several cuts). `label` and `predicted` are
    int64 (n,), `in_top5` bool (n,).
    """

    videos: tuple[str, ...]
    groups: tuple[str, ...]
    grouped: bool
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    in_top5: NDArray[np.bool_]


def write_predictions(
    path: Path,
    videos: Sequence[Video],
    probabilities: Floats,
    classes: Sequence[str],
    groups: Sequence[str | None] | None = None,
) -> None:
    """Write a CSV with a line a video: path, label, predicted, top5 (best first, `|` between), confidence.

    With `groups`, one more column: the source of each video (empty where it is not known). Clips of one source are not
    independent, which intervals have to heed.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    known = groups is not None and any(groups)
    table.writerow(["path", "label", "predicted", "top5", "confidence", *(["group"] if known else [])])
    sources = groups if groups is not None and known else [None] * len(videos)
    for video, best, p, source in zip(videos, top_classes(probabilities, 5), probabilities, sources, strict=True):
        names = [classes[k] for k in best]
        line = [video.path, classes[video.label], names[0], "|".join(names), f"{p[best[0]]:.4f}"]
        table.writerow([*line, *([source or ""] if known else [])])
    # Names that are no Unicode come out as the bytes they are on disk.
    data = text.getvalue().encode("utf-8", "surrogateescape")
    write_with(path, lambda file: file.write(data))


def read_predictions(result: RunResult) -> Predictions | None:
    """The `predictions.csv` of a run; None where it has no folder, no such file, or no names of classes.

    Raises:
        UserError: the file is damaged or names classes that the run does not know.
    """
    path = None if result.folder is None else result.folder / PREDICTIONS
    if path is None or not path.is_file() or not result.metrics.get("class_names"):
        return None
    try:
        text = read_bytes(path, what="the predictions", most=MAX_LOG_BYTES).decode("utf-8", "surrogateescape")
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        number = {name: k for k, name in enumerate(result.metrics["class_names"])}
        label = np.array([number[line["label"]] for line in lines], dtype=np.int64)
        predicted = np.array([number[line["predicted"]] for line in lines], dtype=np.int64)
        paths = [line["path"] for line in lines]
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
    groups = tuple(source or path for source, path in zip(sources, paths, strict=True))
    grouped = any(sources) or len(set(paths)) < len(paths)
    return Predictions(_told_apart(paths), groups, grouped, label, predicted, np.array(in_top5))


def _told_apart(paths: Sequence[str]) -> tuple[str, ...]:
    """Names of videos that may be cuts of one file, in its order: the second is `path#2`."""
    seen = Counter[str]()
    names = []
    for path in paths:
        seen[path] += 1
        names.append(path if seen[path] == 1 else f"{path}#{seen[path]}")
    return tuple(names)
