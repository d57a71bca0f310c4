"""Testing: uniformly spread views of every video, their vote, and what is said about the result."""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from fractalvid.finetune.cache.frames import Frames
from fractalvid.finetune.cache.store import ClipStore
from fractalvid.finetune.clips.augment import Bytes, Floats, Triple, resize, to_network
from fractalvid.finetune.clips.sampling import FrameConfig, Sampling, view_frames
from fractalvid.finetune.targets.base import Row
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_with

Integers = NDArray[np.int64]
_NAMED = 120
"""Classes that a picture of the confusion matrix names: with the 600 of Kinetics it would have 260 million pixels."""
Voting = Literal["softmax", "logits", "votes"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ViewConfig:
    """What the network sees of a video, and how it judges: `views` clips times `crops` squares (1: the centre)."""

    clip_len: int
    frame_stride: int
    size: int
    mean: Triple
    std: Triple
    views: int
    crops: int
    sampling: Sampling = "window"
    first_frames: int = 0
    voting: Voting = "softmax"

    def frames(self) -> FrameConfig:
        """How a clip's frames are chosen."""
        return FrameConfig(self.clip_len, self.frame_stride, self.sampling, self.first_frames)


def squares(frames: Bytes, crops: int) -> Iterator[Bytes]:
    """Squares of the frame's short side, spread along the long side of (T, H, W, 3); one alone is central."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    room = max(height, width) - side
    for offset in np.linspace(0, room, crops) if crops > 1 else [room / 2]:
        first = int(offset + 0.5)
        yield frames[:, first : first + side] if height > width else frames[:, :, first : first + side]


def video_views(frames: Frames, config: ViewConfig) -> Tensor:
    """All views of a video: uint8 (N, H, W, 3) to uint8 (views · crops, T, size, size, 3)."""
    windows = view_frames(len(frames), config.frames(), config.views)
    # A frame is in several windows: resize each once, then pick.
    used, where = np.unique(windows, return_inverse=True)
    return cut_views(frames[used], where.reshape(windows.shape), config)


def cut_views(seen: Bytes, windows: Integers, config: ViewConfig) -> Tensor:
    """The views of a video of which only the frames `seen` are there: `windows` (views, T) counts among those."""
    cut = [resize(np.ascontiguousarray(square), config.size) for square in squares(seen, config.crops)]
    picks = torch.from_numpy(windows)
    return torch.cat([video[picks] for video in cut])


def ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """`function` of each item in turn, made in threads; at most `threads` + 1 results wait."""
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="views")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > max(1, threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def vote(logits: Tensor, voting: Voting) -> Tensor:
    """Probabilities (n, K) of videos from the logits (n, V, K) of their V views.

    softmax: the mean of the views' softmax. logits: the softmax of their mean. votes: the share of the views whose best
    class it is; of classes with equally many votes, the one that the mean softmax prefers comes first.
    """
    mean = logits.softmax(2).mean(1)
    if voting == "logits":
        return logits.mean(1).softmax(1)
    if voting == "votes":
        views, classes = logits.shape[1:]
        shares = functional.one_hot(logits.argmax(2), classes).to(mean).mean(1)
        little = 1 / (4 * views)  # less than any difference of two shares
        return (1 - little) * shares + little * mean
    return mean


def probabilities(model: nn.Module, videos: list[Tensor], config: ViewConfig, batch_size: int) -> Tensor:
    """Class probabilities (n, K), float64, of n videos with equally many views, uint8 (V, T, size, size, 3) each."""
    device = next(model.parameters()).device
    parts = [
        model(to_network(part, config.mean, config.std).to(device)).float().double().cpu()
        for part in torch.split(torch.cat(videos), batch_size)
    ]
    clips = torch.cat(parts)
    return vote(clips.view(len(videos), -1, clips.shape[1]), config.voting)


@torch.no_grad()
def predict(
    model: nn.Module,
    rows: Sequence[Row],
    store: ClipStore,
    config: ViewConfig,
    *,
    batch_size: int = 16,
    threads: int = 1,
    progress: bool = False,
) -> Floats:
    """Class probabilities (n, K) of the videos `rows`: what their views vote.

    `batch_size` counts clips in a forward pass; the result does not depend on it but for rounding. The model
    is left in the mode (training or evaluation) it was in.

    Raises:
        UserError: the network gives probabilities that are no numbers, as after a training that diverged.
    """
    was_training = model.training
    model.eval()
    at_once = max(1, batch_size // (config.views * config.crops))
    results, waiting = list[Tensor](), list[Tensor]()
    views = ahead(lambda row: video_views(store.clip(row), config), rows, threads)
    try:
        for number, video in enumerate(
            tqdm(views, total=len(rows), desc="testing", unit="video", disable=not progress), start=1
        ):
            waiting.append(video)
            if len(waiting) == at_once or number == len(rows):
                results.append(probabilities(model, waiting, config, batch_size))
                waiting.clear()
    finally:
        model.train(was_training)
    found: Floats = torch.cat(results).numpy()
    if not np.isfinite(found).all():
        raise UserError("the network's outputs are not finite: the training diverged; a lower --lr helps")
    return found


def labels_of(rows: Sequence[Row]) -> Integers:
    """The labels (n,) of rows."""
    return np.array([row.label for row in rows], dtype=np.int64)


def top_classes(probabilities: Floats, k: int) -> Integers:
    """The k most probable classes (n, min(k, K)), best first; equals in the order of the classes."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k]


def confusion_matrix(labels: Integers, predicted: Integers, num_classes: int) -> Integers:
    """Counts (K, K): row the true class, column the predicted one."""
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def scores(probabilities: Floats, labels: Integers) -> dict[str, float]:
    """Top-1, top-5 and mean per-class accuracy in percent; a class without test videos counts nowhere."""
    best = top_classes(probabilities, 5)
    right = best[:, 0] == labels
    per_class = [right[labels == label].mean() for label in np.unique(labels)]
    return {
        "top1": 100 * float(right.mean()),
        "top5": 100 * float((best == labels[:, None]).any(1).mean()),
        "mean_class": 100 * float(np.mean(per_class)),
    }


def write_predictions(
    path: Path,
    rows: Sequence[Row],
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
    sources = groups if groups is not None and known else [None] * len(rows)
    for row, best, p, source in zip(rows, top_classes(probabilities, 5), probabilities, sources, strict=True):
        names = [classes[k] for k in best]
        line = [row.path, classes[row.label], names[0], "|".join(names), f"{p[best[0]]:.4f}"]
        table.writerow([*line, *([source or ""] if known else [])])
    # Names that are no Unicode come out as the bytes they are on disk.
    data = text.getvalue().encode("utf-8", "surrogateescape")
    write_with(path, lambda file: file.write(data))


def draw_confusion(path: Path, matrix: Integers, classes: Sequence[str], title: str) -> None:
    """Write the confusion matrix as a PNG, each row in percent of its class's test videos."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from fractalvid.pages.charts import save

    share = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    named = len(classes) <= _NAMED
    side = 3 + 0.22 * min(len(classes), _NAMED)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    picture = axes.imshow(share, vmin=0, vmax=100, cmap="viridis")
    names = [_plain(name) for name in classes] if named else []
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    figure.colorbar(picture, label="% of the class", shrink=0.8)
    write_with(path, lambda file: save(figure, file, format="png", dpi=120))


def _plain(name: str) -> str:
    """A class name as matplotlib prints it: `$` would start a formula, surrogates have no glyph."""
    return name.replace("$", r"\$").encode("utf-8", "replace").decode()
