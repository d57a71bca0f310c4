"""How well classes are told apart by simple features of their clips, on instances that were held out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fractalvid.stats.figures import Clips, Floats, centroids, lit_share, thumbnails

SIDE = 8
"""Of the thumbnails among the features."""
OCTAVES = 6
SHRINKAGE = 0.1
LEAST_WITHIN = 0.01
TINY = 1e-9


@dataclass(frozen=True)
class Separability:
    """Accuracy of a linear classifier.

    Attributes:
        accuracy: share of held-out clips whose class is found.
        chance: share that guessing would find, 1 / K.
        classes: K.
        trained: clips it was fitted on.
        tested: held-out clips.
    """

    accuracy: float
    chance: float
    classes: int
    trained: int
    tested: int


def clip_features(clips: Clips, power: Floats, above: int = 0) -> Floats:
    """Features (B, 146) of grey clips (B, T, H, W): what they look like, how fine they are, and how they move.

    Mean and standard deviation over time of 8 x 8 thumbnails; the logarithm of the power (B, R) of
    `fractalvid.stats.figures.radial_power` in octaves from 1 cycle a frame side; the share of pixels above a grey level
    at 4 times; the mean and the standard deviation of the centre of brightness and of its step from frame to frame.
    """
    small = thumbnails(clips, SIDE).reshape(*clips.shape[:2], -1)
    octave = [power[:, 2**o - 1 : 2 ** (o + 1) - 1].mean(axis=1) for o in range(OCTAVES) if 2**o <= power.shape[1]]
    fine = np.log(np.stack(octave, axis=1) + 1)
    lit = lit_share(clips, above)[:, np.linspace(0, clips.shape[1] - 1, 4).round().astype(int)]
    centre = np.nan_to_num(centroids(clips), nan=0.5)
    step = np.diff(centre, axis=1) if clips.shape[1] > 1 else np.zeros_like(centre)
    paths = [f(x, axis=1) for x in (centre, step) for f in (np.mean, np.std)]
    fine = np.pad(fine, ((0, 0), (0, OCTAVES - fine.shape[1])))
    return np.concatenate([small.mean(axis=1), small.std(axis=1), fine, lit, *paths], axis=1)


def separability(
    train: Floats, train_class: NDArray[np.int64], test: Floats, test_class: NDArray[np.int64]
) -> Separability:
    """Fit a linear discriminant to features (n, D) of one set of clips and let it name the classes of another.

    A clip is given the class whose mean is nearest in Mahalanobis distance under the covariance within classes, pooled
    over them, of features scaled to unit variance, shrunk by a tenth towards its diagonal. Features that vary less than
    a hundredth as much within classes as over all count as if they varied so much.
    """
    names, row = np.unique(train_class, return_inverse=True)
    scale = train.std(axis=0)
    used = scale > TINY
    known, asked = ((x[:, used] - train[:, used].mean(axis=0)) / scale[used] for x in (train, test))
    means = _class_means(known, row, len(names))
    within = known - means[row]
    covariance = within.T @ within / max(len(train) - len(names), 1)
    spread = np.maximum(np.diag(covariance), LEAST_WITHIN)
    root = np.linalg.cholesky((1 - SHRINKAGE) * covariance + np.diag(SHRINKAGE * spread))
    near, far = np.linalg.solve(root, means.T).T, np.linalg.solve(root, asked.T).T
    predicted = names[((near**2).sum(axis=1) - 2 * far @ near.T).argmin(axis=1)]
    return Separability(float(np.mean(predicted == test_class)), 1 / len(names), len(names), len(train), len(test))


def _class_means(features: Floats, class_row: NDArray[np.int64], classes: int) -> Floats:
    """The mean (K, D) of features (n, D) of clips of classes `class_row` (n,), each of 0..K - 1 at least once."""
    order, count = np.argsort(class_row, kind="stable"), np.bincount(class_row, minlength=classes)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    return np.asarray(np.add.reduceat(features[order], first) / count[:, None])
