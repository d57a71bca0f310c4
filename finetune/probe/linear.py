"""Linear classifiers of features, their strength chosen on the training side alone.

The strength is chosen by cross-validation in which whole sources are held out: clips of one film on both sides would
favour features that know films. Every scaling is estimated on what a classifier is trained on.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.results.scores import Floats, Integers
from fractalvid.utils.errors import UserError

Scaling = Literal["raw", "standard"]
SCALINGS: tuple[Scaling, ...] = ("raw", "standard")
"""raw: centred, and divided by one number for all features, so that strengths mean the same; standard: each feature
divided by its own deviation."""
Classifier = Literal["ridge", "logistic"]
Parts = Sequence[tuple[Integers, Integers]]
"""Rows to learn from and rows that are held out, of each part."""
_ITERATIONS, _TOLERANCE = 200, 1e-3
"""Of the logistic regression: answers settle long before coefficients."""


@dataclass(frozen=True)
class Fitted:
    """What came of one classifier: the strength that was chosen, and shares in percent.

    `cv_top1` of the held-out training videos, `test_top1` and `test_mean_class` of the test videos. `at_edge`: the
    strength is the largest or the smallest on offer, so that another might be better.
    """

    strength: float
    at_edge: bool
    cv_top1: float
    test_top1: float
    test_mean_class: float


def scale(scaling: Scaling, known: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Features (N, D) and (M, D), scaled by what is known of the first."""
    mean, deviation = known.mean(0), known.std(0)
    # One number for all features is the root of their mean variance; what never changes stays 0.
    by = np.full_like(deviation, np.sqrt((deviation**2).mean())) if scaling == "raw" else deviation
    by = np.where(by > 1e-12 * max(float(np.abs(mean).max(initial=0)), 1e-30), by, 1.0)
    return (known - mean) / by, (asked - mean) / by


def grouped_parts(labels: Integers, groups: Sequence[str], parts: int, seed: int) -> Parts:
    """The training side cut into parts of about the same classes, no source in two of them.

    Raises:
        UserError: there are fewer sources than parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    sources = len(set(groups))
    if sources < parts:
        raise UserError(f"--cv-folds is {parts}: the training videos are of {sources} sources only; ask for fewer")
    with warnings.catch_warnings():  # of classes with fewer videos than parts, which some parts then lack
        warnings.simplefilter("ignore", UserWarning)
        cut = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
        return [(known, held) for known, held in cut.split(np.zeros(len(labels)), labels, groups) if len(held)]


def ridge_answers(x: Floats, y: Integers, asked: Floats, strengths: Sequence[float]) -> list[Integers]:
    """Classes (M,) that ridge regression on ±1 for each class gives features (M, D), for each strength.

    It minimises |XW + b - Y|² + strength N |W|² in closed form, from one decomposition of X (N, D) for all strengths.
    """
    classes = np.unique(y)
    wanted = np.where(y[:, None] == classes, 1.0, -1.0)
    centre, level = x.mean(0), wanted.mean(0)
    left, values, right = np.linalg.svd(x - centre, full_matrices=False)
    inner, outer = left.T @ (wanted - level), (asked - centre) @ right.T
    shrunk = [values / (values**2 + strength * len(x)) for strength in strengths]
    return [classes[(outer @ (by[:, None] * inner) + level).argmax(1)] for by in shrunk]


def logistic_answers(x: Floats, y: Integers, asked: Floats, strengths: Sequence[float]) -> list[Integers]:
    """Classes (M,) that multinomial logistic regression gives features (M, D), for each strength.

    Each begins with the coefficients of the one before, so the largest comes first at best. Of a single class there is
    nothing to learn: all are taken for it.
    """
    from sklearn.linear_model import LogisticRegression

    if (y == y[0]).all():
        return [np.full(len(asked), y[0])] * len(strengths)
    model, given = LogisticRegression(max_iter=_ITERATIONS, tol=_TOLERANCE, warm_start=True), []
    x, asked = x.astype(np.float32), asked.astype(np.float32)
    for strength in strengths:
        model.set_params(C=1 / (strength * len(x))).fit(x, y)
        given.append(np.asarray(model.predict(asked), np.int64))
    return given


Answers = Callable[[Floats, Integers, Floats, Sequence[float]], list[Integers]]
CLASSIFIERS: dict[Classifier, Answers] = {"ridge": ridge_answers, "logistic": logistic_answers}


def classify(
    classifier: Classifier,
    scaling: Scaling,
    known: tuple[Floats, Integers],
    asked: tuple[Floats, Integers],
    parts: Parts,
    strengths: Sequence[float],
) -> Fitted:
    """Choose the strength on the training side, learn from all of it, and look at the test side once.

    Args:
        classifier: ridge or logistic.
        scaling: raw or standard.
        known: features (N, D) and classes (N,) of the training side.
        asked: those of the test side.
        parts: of the training side (`grouped_parts`).
        strengths: to choose from; of equally good ones the largest is taken.
    """
    answers, strengths = CLASSIFIERS[classifier], sorted(strengths, reverse=True)
    x, y = known
    right = np.zeros(len(strengths))
    for rows, held in parts:
        given = answers(*_learn(scaling, x[rows], y[rows], x[held]), strengths)
        right += [(each == y[held]).sum() for each in given]
    best = int(right.argmax())
    final = answers(*_learn(scaling, x, y, asked[0]), strengths[best : best + 1])[0] == asked[1]
    return Fitted(
        strength=strengths[best],
        at_edge=len(strengths) > 1 and best in (0, len(strengths) - 1),
        cv_top1=100 * float(right[best]) / sum(len(held) for _, held in parts),
        test_top1=100 * float(final.mean()),
        test_mean_class=_mean_class(final, asked[1]),
    )


def _learn(scaling: Scaling, x: Floats, y: Integers, asked: Floats) -> tuple[Floats, Integers, Floats]:
    scaled, other = scale(scaling, x, asked)
    return scaled, y, other


def _mean_class(right: NDArray[np.bool_], labels: Integers) -> float:
    return 100 * float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
