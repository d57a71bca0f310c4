"""How right predictions are: accuracies and confusion."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.targets.base import Video

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def labels_of(videos: Sequence[Video]) -> Integers:
    """The labels (n,) of videos."""
    return np.array([video.label for video in videos], dtype=np.int64)


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
