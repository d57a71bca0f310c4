import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fractalvid.finetune.report.statistics import (
    bootstrap,
    class_accuracy,
    confusion,
    corrected_t_test,
    mcnemar,
    sign_flips,
    sign_flips_over_videos,
    t_test,
)
from tests.finetune.report.helpers import folds, run_of


def coin(seed: int, n: int, p: float) -> list[bool]:
    return [bool(x) for x in np.random.default_rng(seed).random(n) < p]


def test_an_interval_over_single_videos_is_that_of_the_binomial() -> None:
    right = coin(0, 400, 0.3)
    found = bootstrap([run_of(right)], "top1")
    assert found is not None
    mean = 100 * np.mean(right)
    half = 1.96 * 100 * math.sqrt(np.mean(right) * (1 - np.mean(right)) / 400)
    assert found.low == pytest.approx(mean - half, abs=0.6)
    assert found.high == pytest.approx(mean + half, abs=0.6)


def test_clips_of_one_source_count_once() -> None:
    right = [value for value in coin(1, 80, 0.5) for _ in range(5)]
    groups = [f"film{k // 5}" for k in range(400)]
    alone, clustered = (bootstrap([run_of(right, chosen)], "top1") for chosen in ((), groups))
    assert alone is not None
    assert clustered is not None
    # Five copies of a clip tell as much as one: the interval is that of 80 videos, wider by the root of 5.
    assert (clustered.high - clustered.low) / (alone.high - alone.low) == pytest.approx(math.sqrt(5), rel=0.12)


def naive(runs: list[np.ndarray], clusters: list[str], draws: int) -> tuple[float, float]:
    """Quantiles of the mean of runs' accuracies, a loop over resamples."""
    rng = np.random.default_rng(5)
    names = sorted(set(clusters))
    members = {name: [k for k, c in enumerate(clusters) if c == name] for name in names}
    values = []
    for _ in range(draws):
        chosen = [k for name in rng.choice(names, len(names)) for k in members[name]]
        values.append(100 * np.mean([run[chosen].mean() for run in runs]))
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def test_the_interval_agrees_with_a_plain_loop_over_unequal_clusters() -> None:
    groups = [f"g{int(math.sqrt(k))}" for k in range(120)]
    answers = [coin(k, 120, 0.4) for k in (2, 3, 4)]
    found = bootstrap([run_of(right, groups) for right in answers], "top1")
    low, high = naive([np.array(right, float) for right in answers], groups, 4000)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.8)


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    first = coin(6, 300, 0.5)
    second = [a or b for a, b in zip(first, coin(7, 300, 0.1), strict=True)]
    gain = bootstrap([run_of(second)], "top1", minus=[run_of(first)])
    alone = bootstrap([run_of(second)], "top1")
    assert gain is not None
    assert alone is not None
    assert gain.low > 0  # no video got worse
    assert gain.high - gain.low < 0.7 * (alone.high - alone.low)
    mean = 100 * (np.mean(second) - np.mean(first))
    assert gain.low < mean < gain.high


def test_the_mean_over_classes_weighs_them_equally() -> None:
    run = run_of([True] * 30)
    run.predictions.label[:] = [0] * 28 + [1] * 2
    run.predictions.predicted[:] = [0] * 28 + [2] * 2
    found = bootstrap([run], "mean_class")
    plain = bootstrap([run], "top1")
    assert found is not None
    assert plain is not None
    # A resample without class 1 has one class, all right: 100; any other one 50.
    assert (found.low, found.high) == (50.0, 100.0)
    assert plain.low > 80


def test_the_same_data_give_the_same_interval() -> None:
    run = run_of(coin(8, 50, 0.5))
    assert bootstrap([run], "top1") == bootstrap([run], "top1")


def test_a_single_source_has_no_interval() -> None:
    assert bootstrap([run_of([True, False], ["film", "film"])], "top1") is None
    assert bootstrap([], "top1") is None


def test_mcnemar_is_a_binomial_of_the_videos_that_differ() -> None:
    first = run_of([True] * 10 + [False] * 20)
    second = run_of([True] * 8 + [False] * 2 + [True] * 9 + [False] * 11)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (2, 9)
    expected = 2 * sum(math.comb(11, k) for k in range(3)) / 2**11
    assert found.p == pytest.approx(expected)
    assert mcnemar(first, first).p == 1.0


def test_mcnemar_takes_sources_for_independent_not_their_clips() -> None:
    films = [f"film{k // 6}" for k in range(30)]
    first = run_of([True] * 6 + [False] * 12 + [True] * 12, films)
    second = run_of([False] * 6 + [True] * 12 + [True] * 12, films)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (6, 12)
    # Three films changed, by 6 clips each: one of them the other way. All 8 ways to choose signs are as likely.
    assert found.clustered == pytest.approx(1.0)
    assert found.p < 0.25
    alone = mcnemar(
        run_of([True] * 6 + [False] * 2, list("abcdefgh")), run_of([False] * 6 + [True] * 2, list("abcdefgh"))
    )
    assert alone.clustered == pytest.approx(alone.p)  # each clip is a source
    assert mcnemar(run_of([True]), run_of([False])).clustered is None
    assert mcnemar(first, first).clustered == 1.0
    one = ["film"] * 6
    assert mcnemar(run_of([True] * 6, one), run_of([False] * 6, one)).clustered == 1.0


def test_the_corrected_t_test_is_that_of_nadeau_and_bengio() -> None:
    values = [4.0, 1.0, 2.5, 3.0, 0.5]
    assert corrected_t_test(values, 0.0) == pytest.approx(t_test(values))
    t = np.mean(values) / math.sqrt((1 / 5 + 1 / 4) * np.var(values, ddof=1))
    assert corrected_t_test(values, 1 / 4) == pytest.approx(2 * stats.t.sf(t, 4))
    assert corrected_t_test([-v for v in values], 1 / 4) == corrected_t_test(values, 1 / 4)
    assert corrected_t_test([3.0], 0.5) is None
    assert corrected_t_test([3.0, 3.0], 0.5) is None


def test_videos_are_paired_by_name_not_by_place() -> None:
    first, second = run_of([True, False, True, True]), run_of([True, False, True, True])
    p = second.predictions
    turned = type(p)(p.videos[::-1], p.groups[::-1], False, p.label[::-1], p.predicted[::-1], p.in_top5[::-1])
    found = mcnemar(first, type(second)(second.result, turned))
    assert (found.only_first, found.only_second) == (0, 0)


@pytest.mark.parametrize("differences", [[1.0, 2.5, -0.5], [4.0, 3.0, 0.0, 1.0, -2.0], [1.0, 1.0, 1.0, 1.0]])
def test_sign_flips_are_all_enumerated(differences: list[float]) -> None:
    observed = abs(sum(differences))
    flips = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
             for signs in itertools.product((1, -1), repeat=len(differences))]  # fmt: skip
    expected = np.mean([value >= observed - 1e-9 for value in flips])
    assert sign_flips(differences) == pytest.approx(expected)


def test_tests_need_pairs() -> None:
    assert sign_flips([3.0]) is None
    assert sign_flips([0.0, 0.0]) == 1.0
    assert sign_flips([0.0, 3.0]) == 1.0
    assert t_test([3.0]) is None
    assert t_test([3.0, 3.0]) is None
    assert sign_flips_over_videos([]) is None


def test_the_t_test_is_students() -> None:
    values = [1.0, 2.0, 4.0, 5.0]
    t = np.mean(values) / (np.std(values, ddof=1) / 2)
    # Student's distribution with 3 degrees of freedom in closed form.
    cdf = 0.5 + (math.atan(t / math.sqrt(3)) + math.sqrt(3) * t / (3 + t * t)) / math.pi
    assert t_test(values) == pytest.approx(2 * (1 - cdf))


def test_over_videos_heeds_sources() -> None:
    first, better = coin(9, 200, 0.4), coin(10, 200, 0.4)
    better = [b or k % 9 == 0 for k, b in enumerate(better)]
    single = sign_flips_over_videos([(run_of(first), run_of(better))])
    films = [f"film{k // 50}" for k in range(200)]
    few = sign_flips_over_videos([(run_of(first, films), run_of(better, films))])
    assert single is not None
    assert few is not None
    assert single < 0.2
    assert few >= 2 / 2**4  # four sources: sixteen ways to choose the signs
    assert sign_flips_over_videos([(run_of(first), run_of(first))]) == 1.0


def test_p_values_are_even_where_nothing_differs() -> None:
    found = [
        sign_flips_over_videos([(run_of(coin(2 * k, 60, 0.5)), run_of(coin(2 * k + 1, 60, 0.5)))]) for k in range(16)
    ]
    assert 0.3 < np.mean([p for p in found if p is not None]) < 0.8
    assert sum(p is not None and p < 0.05 for p in found) <= 3


def test_classes_and_confusion_add_up_over_runs() -> None:
    runs = [run_of([True] * 6), run_of([True, False, True, True, False, True])]
    assert class_accuracy(runs, 4).tolist()[:3] == [100.0, 50.0, 100.0]
    assert math.isnan(class_accuracy(runs, 4)[3])
    matrix = confusion(runs, 4)
    assert matrix.sum() == 12
    assert matrix[1].tolist() == [0, 2, 2, 0]


FOLDS = [80, 95, 90, 85, 99, 88, 76, 92, 84, 91]


@pytest.mark.parametrize("metric", ["top1", "top5", "mean_class"])
def test_a_fold_of_which_nothing_is_drawn_is_left_out(metric: str) -> None:
    found = bootstrap(folds(FOLDS), metric)
    assert found is not None
    # Folds of one source each: the interval is that of the mean of ten numbers.
    rng = np.random.default_rng(3)
    means = rng.choice(FOLDS, (20000, 10)).mean(1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), abs=0.4)
    assert found.low < np.mean(FOLDS) < found.high


def test_folds_that_are_drawn_in_part_keep_the_interval_about_the_mean() -> None:
    found = bootstrap(folds(FOLDS, sources=2), "top1")
    assert found is not None
    assert found.low < np.mean(FOLDS) < found.high
    assert found.high - found.low < 12


def test_the_interval_of_a_difference_is_over_folds_that_were_drawn() -> None:
    gains = [4, 1, 3, -2, 0, 6, 5, 2, -1, 3]
    first, second = folds(FOLDS), folds([a + gain for a, gain in zip(FOLDS, gains, strict=True)])
    found = bootstrap(second, "top1", minus=first)
    assert found is not None
    means = np.random.default_rng(4).choice(gains, (20000, 10)).mean(1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), abs=0.25)
    same = bootstrap(folds([a - 5 for a in FOLDS]), "top1", minus=first)
    assert same is not None
    assert (same.low, same.high) == pytest.approx((-5.0, -5.0))


def test_resamples_that_say_nothing_of_one_side_are_dropped() -> None:
    first, second = folds([40, 70])
    found = bootstrap([second], "top1", minus=[first])
    assert found is not None
    assert (found.low, found.high) == pytest.approx((30.0, 30.0))
