"""How sure a comparison is: deviations over runs, intervals over test videos, paired tests.

Two things move an accuracy: training again (another seed, another fold) and asking other videos. Deviations and tests
over runs are about the first, bootstrap intervals and tests over videos about the second. Clips of one source (a film,
an uploader) resemble each other, so where sources are known they are drawn whole.
"""

import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from fractalvid.finetune.results.predictions import Predictions
from fractalvid.finetune.results.read import RunResult
from fractalvid.finetune.results.scores import Floats, Integers, confusion_matrix

CONFIDENCE = 0.95
RESAMPLES = 2000
PERMUTATIONS = 9999
_SEED = 0
_AT_ONCE = 2_000_000
"""Numbers of a resampling that are held at a time: 16 MB."""

Metric = str


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over `n` runs; the deviation of a single run is unknown (None)."""

    mean: float
    deviation: float | None
    n: int

    def __str__(self) -> str:
        """As "31.4 ± 1.6", or "31.4" for one run."""
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of values."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval at `CONFIDENCE`, in percent or points."""

    low: float
    high: float

    def __str__(self) -> str:
        """As "27.1 to 33.9"."""
        return f"{self.low:.1f} to {self.high:.1f}"


@dataclass(frozen=True)
class Tested:
    """A run and what it said of its test videos."""

    result: RunResult
    predictions: Predictions

    def hits(self, metric: Metric) -> NDArray[np.bool_]:
        """Which videos (n,) count as right: the label is among the five best for top5, else the best."""
        p = self.predictions
        return p.in_top5 if metric == "top5" else p.predicted == p.label


def clusters_of(runs: Sequence[Tested]) -> dict[str, int]:
    """The sources of all test videos of some runs, numbered."""
    return {group: k for k, group in enumerate(sorted({g for run in runs for g in run.predictions.groups}))}


class _Accuracy:
    """A metric of one run, and how much of the run was drawn, by how often each cluster was."""

    def __init__(self, run: Tested, clusters: dict[str, int], metric: Metric) -> None:
        rows = np.array([clusters[group] for group in run.predictions.groups])
        per_class = metric == "mean_class"
        columns = run.predictions.label if per_class else np.zeros(len(rows), np.int64)
        shape = (len(clusters), int(columns.max()) + 1)
        ones = np.ones(len(rows))
        self._right = sparse.csr_array((run.hits(metric) * ones, (rows, columns)), shape=shape)
        self._seen = sparse.csr_array((ones, (rows, columns)), shape=shape)

    def __call__(self, drawn: Floats) -> tuple[Floats, Floats]:
        """Percent (n,) and videos drawn for each there is (n,), for drawn (n, C).

        Classes weigh equally where the metric says so, empty ones nothing.
        """
        right: Floats = np.asarray(drawn @ self._right, np.float64)
        seen: Floats = np.asarray(drawn @ self._seen, np.float64)
        share = np.divide(right, seen, out=np.zeros_like(right), where=seen > 0)
        percent: Floats = 100 * share.sum(1) / np.maximum((seen > 0).sum(1), 1)
        weight: Floats = seen.sum(1) / self._seen.sum()
        return percent, weight


def _mean(runs: Sequence[_Accuracy], drawn: Floats, counts: Floats) -> Floats:
    """Percent (n,) over runs of which each counts so much (r,), nan where nothing of any was drawn.

    A run counts by how much of it was drawn as well: where folds test different sources, one whose sources were not
    drawn says nothing, and one whose only source was drawn twice counts twice. Runs on the same videos count alike.
    """
    values, weights = np.stack([run(drawn) for run in runs], axis=1)
    weights *= counts[:, None]
    total = weights.sum(0)
    share = np.divide(weights, total, out=np.full_like(weights, math.nan), where=total > 0)
    mean: Floats = (values * share).sum(0)
    return mean


def bootstrap(
    runs: Sequence[Tested], metric: Metric, minus: Sequence[Tested] = (), counts: Sequence[float] | None = None
) -> Interval | None:
    """Percentile interval of the mean accuracy of `runs`, or of its difference to that of `minus`.

    Sources of test videos are drawn with replacement, with all their videos, and the same ones for all runs; a run
    counts by how much of it was drawn. None where there is only one source, and where there are no runs.

    Args:
        runs: of one initialisation.
        metric: top1, top5 or mean_class.
        minus: the runs of another one, on the same splits and seeds, in the same order.
        counts: how much each run counts, and each of `minus` likewise; default all alike.
    """
    clusters = clusters_of([*runs, *minus])
    if len(clusters) < 2 or not runs:
        return None
    added = [_Accuracy(run, clusters, metric) for run in runs]
    taken = [_Accuracy(run, clusters, metric) for run in minus]
    each = np.asarray([1.0] * len(runs) if counts is None else counts)

    def statistic(index: Integers, axis: int = -1) -> Floats:
        flat = index.reshape(-1, len(clusters))
        offset = len(clusters) * np.arange(len(flat))[:, None]
        drawn = np.bincount((flat + offset).ravel(), minlength=flat.size).reshape(flat.shape).astype(np.float64)
        value = _mean(added, drawn, each)
        if taken:
            value = value - _mean(taken, drawn, each)
        return np.asarray(value.reshape(index.shape[:-1]))

    with warnings.catch_warnings():  # of resamples that say nothing of one side: they are dropped below
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        resampled = stats.bootstrap(
            (np.arange(len(clusters)),),
            statistic,
            n_resamples=RESAMPLES,
            batch=max(1, _AT_ONCE // len(clusters)),
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(_SEED),
        )
    values = resampled.bootstrap_distribution[np.isfinite(resampled.bootstrap_distribution)]
    low, high = np.quantile(values, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two runs on the same test videos, by their top-1 answers.

    `p` takes videos for independent; `clustered` takes sources for so, and is None where none is known.
    """

    split: str
    seed: int
    only_first: int
    only_second: int
    p: float
    clustered: float | None = None


def mcnemar(first: Tested, second: Tested) -> McNemar:
    """Compare two runs of one split and seed, which tested the same videos.

    Of the videos that only one of them got right, each is as likely to have done so if they are equally good:
    a binomial test. Clips of one source are right or wrong together, so where sources are known, the difference of each
    source changes its sign as a whole instead.
    """
    a, b, groups = _aligned(first, second)
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    p = float(stats.binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0
    known = first.predictions.grouped and second.predictions.grouped
    clustered = _clustered(a.astype(np.int64) - b, groups) if known else None
    return McNemar(first.result.split, first.result.seed, only_first, only_second, p, clustered)


def _clustered(differences: Integers, groups: Sequence[str]) -> float:
    """Two-sided p of differences -1, 0, 1 of videos, whose sources change sign as a whole."""
    names, where = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    total = np.bincount(where, differences, len(names))
    changed = total[total != 0]
    if len(changed) and (abs(changed) == 1).all():  # as many signs as can be: exact however many sources there are
        return float(stats.binomtest(int((changed > 0).sum()), len(changed)).pvalue)
    # One source alone can have either sign: half of all ways are as far from 0 on either side, which is all of them.
    return sign_flips([float(value) for value in changed]) or 1.0


def _aligned(first: Tested, second: Tested) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[str]]:
    """Which of the videos that both runs tested either got right, in one order, and their sources."""
    place = {video: k for k, video in enumerate(second.predictions.videos)}
    both = [(k, place[video]) for k, video in enumerate(first.predictions.videos) if video in place]
    mine, theirs = np.array([k for k, _ in both], np.int64), np.array([k for _, k in both], np.int64)
    return first.hits("top1")[mine], second.hits("top1")[theirs], [first.predictions.groups[k] for k in mine]


def t_test(differences: Sequence[float]) -> float | None:
    """Two-sided p of Student's paired t test; None for fewer than two pairs, or where all differ alike."""
    if len(differences) < 2 or np.ptp(differences) < 1e-9:
        return None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def corrected_t_test(differences: Sequence[float], test_share: float) -> float | None:
    """Two-sided p of the corrected resampled t test (Nadeau & Bengio 2003, Machine Learning 52).

    Folds share training videos, so their differences are alike, and Student's test takes too small a variance: instead
    of s² / k it is (1 / k + n_test / n_train) s². None as for `t_test`.

    Args:
        differences: one of each of k folds.
        test_share: n_test / n_train.
    """
    if len(differences) < 2 or np.ptp(differences) < 1e-9:
        return None
    count = len(differences)
    deviation = math.sqrt((1 / count + test_share) * statistics.variance(differences))
    return float(2 * stats.t.sf(abs(statistics.fmean(differences)) / deviation, count - 1))


def sign_flips(differences: Sequence[float]) -> float | None:
    """Two-sided p of the paired permutation test: under equality each difference is as likely with either sign.

    Exact where there are at most `PERMUTATIONS` ways to choose the signs. None for fewer than two pairs. With n pairs
    no p is below 2^(1 - n).
    """
    if len(differences) < 2:
        return None
    values = np.array([value for value in differences if value])  # a 0 has no sign to flip
    if len(values) < 2:
        return 1.0
    test = stats.permutation_test(
        (values, np.zeros_like(values)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=PERMUTATIONS,
        batch=max(1, _AT_ONCE // len(values)),
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    )
    return min(1.0, float(test.pvalue))


def sign_flips_over_videos(pairs: Sequence[tuple[Tested, Tested]]) -> float | None:
    """The permutation test over test videos: the differences of their sources, summed over the runs, change sign."""
    if not pairs:
        return None
    clusters = clusters_of([run for pair in pairs for run in pair])
    total = np.zeros(len(clusters))
    for pair in pairs:
        for run, sign in zip(pair, (1, -1), strict=True):
            where = np.array([clusters[group] for group in run.predictions.groups])
            hits = run.hits("top1")
            np.add.at(total, where, sign * hits / len(hits))
    return sign_flips([float(value) if abs(value) > 1e-12 else 0.0 for value in total])


def class_accuracy(runs: Sequence[Tested], num_classes: int) -> Floats:
    """Percent (K,) of each class's test videos that were named right, over all runs; nan where none was tested."""
    right, seen = np.zeros(num_classes), np.zeros(num_classes)
    for run in runs:
        right += np.bincount(run.predictions.label, run.hits("top1"), num_classes)
        seen += np.bincount(run.predictions.label, minlength=num_classes)
    accuracy: Floats = np.divide(100 * right, seen, out=np.full(num_classes, math.nan), where=seen > 0)
    return accuracy


def confusion(runs: Sequence[Tested], num_classes: int) -> Integers:
    """Counts (K, K) over all runs: row the true class, column the predicted one."""
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    for run in runs:
        matrix += confusion_matrix(run.predictions.label, run.predictions.predicted, num_classes)
    return matrix
