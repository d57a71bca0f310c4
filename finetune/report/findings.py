"""Everything that a report says, worked out once from the runs; tables, pictures and pages only show it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from fractalvid.finetune.report.statistics import (
    Interval,
    McNemar,
    Spread,
    Tested,
    bootstrap,
    class_accuracy,
    clusters_of,
    confusion,
    corrected_t_test,
    mcnemar,
    sign_flips,
    sign_flips_over_videos,
    spread,
    t_test,
)
from fractalvid.finetune.results.predictions import read_predictions
from fractalvid.finetune.results.read import ACCURACIES, MODES, RunResult, by_mode
from fractalvid.finetune.results.scores import Floats, Integers

Repetition = tuple[str, str, int]
"""What runs are paired by (`RunResult.repetition`)."""


@dataclass(frozen=True)
class Comparison:
    """Two initialisations on the same splits and seeds: `second` against `first`.

    `difference` of the headline accuracy over the `unit` and its bootstrap `interval`. The unit is the fold, over whose
    seeds and pre-trainings is averaged, since its runs test the same videos; with one fold alone it is the seed.
    p-values of the paired t test over units, of the corrected resampled one (of folds whose training videos are known
    in number), of the permutation test
    over units and of that over test videos (of their sources where known), and McNemar's of each pair. What there are
    too few runs or no predictions for is None or empty.
    """

    first: str
    second: str
    difference: Spread
    unit: str
    interval: Interval | None
    t_test: float | None
    corrected_t_test: float | None
    run_flips: float | None
    video_flips: float | None
    pairs: tuple[McNemar, ...]


@dataclass(frozen=True)
class Findings:
    """What is known of some runs of one mode.

    `intervals` by label and accuracy; `class_accuracy` (percent) and `confusion` by label, over all its runs; `videos`
    distinct test videos of `sources` sources (None: no sources are known). Without predictions these are empty. `part`
    names the mode where a report has several.
    """

    results: tuple[RunResult, ...]
    metric: str
    summary: tuple[dict[str, Any], ...]
    intervals: dict[str, dict[str, Interval | None]]
    comparisons: tuple[Comparison, ...]
    class_names: tuple[str, ...]
    class_accuracy: dict[str, Floats]
    confusion: dict[str, Integers]
    videos: int
    sources: int | None
    part: str = ""

    def title(self, text: str) -> str:
        """The heading of a part of a report, with the mode where there are several."""
        return f"{self.part}: {text}" if self.part else text

    @property
    def labels(self) -> tuple[str, ...]:
        """The initialisations, in order of appearance."""
        return tuple(entry["label"] for entry in self.summary)


def headline_metric(results: Sequence[RunResult]) -> str:
    """The accuracy that the runs' protocol is headed by."""
    return str(results[0].metrics["metric"])


def summarise(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """One entry per initialisation, in order of appearance.

    Each holds its runs, a `Spread` of every metric, and, but for the first initialisation, the spread of the
    differences of the headline accuracy to the first over the unit of a `Comparison`.
    """
    by_label, metric = _by_label(results), headline_metric(results)
    first = next(iter(by_label))
    summary = []
    for label, runs in by_label.items():
        entry: dict[str, Any] = {"label": label, "runs": runs}
        entry |= {name: spread([run.metrics[name] for run in runs]) for name in ACCURACIES}
        _, paired = _of_units(by_label[first], runs, metric)
        entry["gain"] = spread(paired) if paired and label != first else None
        summary.append(entry)
    return summary


def _by_label(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    labels = dict.fromkeys(result.label for result in results)
    return {label: [result for result in results if result.label == label] for label in labels}


def _by_repetition(runs: Sequence[RunResult], metric: str) -> dict[Repetition, float]:
    values = defaultdict[Repetition, list[float]](list)  # of the runs of several pre-trainings
    for run in runs:
        values[run.repetition].append(float(run.metrics[metric]))
    return {key: fmean(each) for key, each in values.items()}


def _of_units(first: Sequence[RunResult], second: Sequence[RunResult], metric: str) -> tuple[str, list[float]]:
    """The unit, and the difference of each: of folds, where both have several, over whose seeds is averaged."""
    ours, theirs = _by_repetition(first, metric), _by_repetition(second, metric)
    folds = defaultdict[tuple[str, str], list[float]](list)
    for key, value in theirs.items():
        if key in ours:
            folds[key[:2]].append(value - ours[key])
    if len(folds) > 1:
        return "fold", [fmean(each) for each in folds.values()]
    return "seed", [value for each in folds.values() for value in each]


def _test_share(results: Sequence[RunResult]) -> float | None:
    """Test videos for each training video, over the runs; None where one does not know what it was trained on."""
    videos = [run.metrics["videos"] for run in results]
    if not all(one["train"] for one in videos):  # a test of weights has none
        return None
    tested, trained = (sum(int(one[side]) for one in videos) for side in ("test", "train"))
    return tested / trained


def analyse(results: Sequence[RunResult]) -> Findings:
    """Read the predictions of comparable runs and work out all that a report says.

    Raises:
        UserError: predictions that are damaged.
    """
    metric = headline_metric(results)
    tested = _tested(results)
    names = tuple(results[0].metrics.get("class_names", ()))
    runs = [run for group in tested.values() for run in group]
    grouped = any(run.predictions.grouped for run in runs)
    return Findings(
        results=tuple(results),
        metric=metric,
        summary=tuple(summarise(results)),
        intervals={label: {name: bootstrap(group, name) for name in ACCURACIES} for label, group in tested.items()},
        comparisons=tuple(_comparisons(results, tested, metric)),
        class_names=names,
        class_accuracy={label: class_accuracy(group, len(names)) for label, group in tested.items()},
        confusion={label: confusion(group, len(names)) for label, group in tested.items()},
        videos=len({video for run in runs for video in run.predictions.videos}),
        sources=len(clusters_of(runs)) if grouped else None,
    )


def analyse_modes(results: Sequence[RunResult]) -> tuple[Findings, ...]:
    """What is known of the runs of each mode: nothing is averaged or tested across modes. Raises like `analyse`."""
    modes = by_mode(results)
    if len(modes) == 1:
        return (analyse(results),)
    return tuple(replace(analyse(runs), part=MODES.get(mode, mode)) for mode, runs in modes.items())


def _tested(results: Sequence[RunResult]) -> dict[str, list[Tested]]:
    """The runs with predictions, by initialisation; nothing of one that lacks those of a run."""
    with_predictions = {}
    for label, runs in _by_label(results).items():
        read = [(run, read_predictions(run)) for run in runs]
        tested = [Tested(run, predictions) for run, predictions in read if predictions is not None]
        if len(tested) == len(runs):
            with_predictions[label] = tested
    return with_predictions


def _comparisons(results: Sequence[RunResult], tested: dict[str, list[Tested]], metric: str) -> list[Comparison]:
    """Each initialisation against each one before it that shares splits and seeds with it."""
    comparisons = []
    for (first, ours), (second, theirs) in combinations(_by_label(results).items(), 2):
        unit, differences = _of_units(ours, theirs, metric)
        if not differences:
            continue
        share = _test_share([*ours, *theirs])
        pairs = _pairs(tested.get(first, ()), tested.get(second, ()))
        comparisons.append(
            Comparison(
                first=first,
                second=second,
                difference=spread(differences),
                unit=unit,
                interval=bootstrap([b for _, b in pairs], metric, [a for a, _ in pairs], _counts(pairs)),
                t_test=t_test(differences),
                corrected_t_test=None if share is None or unit != "fold" else corrected_t_test(differences, share),
                run_flips=sign_flips(differences),
                video_flips=sign_flips_over_videos(pairs),
                pairs=tuple(mcnemar(a, b) for a, b in pairs),
            )
        )
    return comparisons


def _pairs(first: Sequence[Tested], second: Sequence[Tested]) -> list[tuple[Tested, Tested]]:
    """Runs of one split and seed; where one side has several pre-trainings, each of them against what there is."""
    return [(a, b) for b in second for a in first if a.result.repetition == b.result.repetition]


def _counts(pairs: Sequence[tuple[Tested, Tested]]) -> list[float]:
    """How much each pair counts where folds count alike, and in a fold its seeds, whatever their pre-trainings."""
    keys = [b.result.repetition for _, b in pairs]
    seeds = Counter(key[:2] for key in dict.fromkeys(keys))
    return [1 / (keys.count(key) * seeds[key[:2]]) for key in keys]
