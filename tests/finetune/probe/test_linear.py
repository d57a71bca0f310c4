"""The classifiers of a probe, against scikit-learn's, and what their choice may look at."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from fractalvid.finetune.probe.linear import (
    CLASSIFIERS,
    Classifier,
    classify,
    grouped_parts,
    logistic_answers,
    ridge_answers,
    scale,
)
from fractalvid.finetune.results.scores import Floats, Integers
from fractalvid.utils.errors import UserError

RNG = np.random.default_rng(0)
CLASSES = np.array([3, 5, 9])


def clips(count: int, dim: int = 12, apart: float = 1.0) -> tuple[Floats, Integers]:
    labels = CLASSES[RNG.integers(0, 3, count)]
    centres = apart * np.random.default_rng(1).normal(size=(10, dim))
    return RNG.normal(size=(count, dim)) + centres[labels], labels


def test_ridge_is_that_of_scikit_learn() -> None:
    (x, y), (asked, _) = clips(90), clips(200)
    strengths = (10.0, 0.1, 1e-3)
    for strength, given in zip(strengths, ridge_answers(x, y, asked, strengths), strict=True):
        theirs = RidgeClassifier(alpha=strength * len(x)).fit(x, y).predict(asked)
        assert (given == theirs).all()


def test_ridge_takes_more_features_than_clips() -> None:
    (x, y), (asked, _) = clips(20, dim=64), clips(50, dim=64)
    theirs = RidgeClassifier(alpha=0.5 * len(x)).fit(x, y).predict(asked)
    assert (ridge_answers(x, y, asked, (0.5,))[0] == theirs).all()


def test_logistic_regression_has_converged_as_far_as_answers_go() -> None:
    (x, y), (asked, _) = clips(90), clips(300)
    strengths = (1.0, 0.1, 0.01)
    for strength, given in zip(strengths, logistic_answers(x, y, asked, strengths), strict=True):
        exact = LogisticRegression(C=1 / (strength * len(x)), tol=1e-8, max_iter=5000).fit(x, y)
        assert (given == exact.predict(asked)).mean() > 0.98


def test_scaling_is_learned_from_the_known_side_alone() -> None:
    x, asked = RNG.normal(2, [1, 10, 0.1], (50, 3)), RNG.normal(0, 1, (7, 3))
    raw, raw_asked = scale("raw", x, asked)
    assert (raw**2).mean() == pytest.approx(1)
    assert raw[:, 1].std() / raw[:, 0].std() == pytest.approx(x[:, 1].std() / x[:, 0].std())
    np.testing.assert_allclose((raw_asked[1] - raw_asked[0]) / (asked[1] - asked[0]), raw[0, 0] / (x - x.mean(0))[0, 0])
    standard, other = scale("standard", x, asked)
    np.testing.assert_allclose(standard.std(0), 1)
    np.testing.assert_allclose(other, (asked - x.mean(0)) / x.std(0))


@pytest.mark.parametrize("scaling", ["raw", "standard"])
def test_features_that_never_change_stay_zero(scaling: str) -> None:
    x = np.column_stack([np.full(9, 0.1), np.arange(9.0)])
    for constant in (x, x * [1, 0]):
        scaled, asked = scale("raw" if scaling == "raw" else "standard", constant, np.add(constant, (1, 0)))
        assert np.isfinite(scaled).all()
        assert np.isfinite(asked).all()
        np.testing.assert_allclose(scaled[:, 0], 0, atol=1e-12)


def test_no_source_is_in_two_parts() -> None:
    labels = np.repeat([0, 1, 2], 20)
    groups = [f"film {k % 11}" for k in range(60)]
    parts = grouped_parts(labels, groups, 4, seed=0)
    assert sorted(row for _, held in parts for row in held) == list(range(60))
    for known, held in parts:
        assert not {groups[k] for k in known} & {groups[k] for k in held}
    with pytest.raises(UserError, match="--cv-folds is 4: the training videos are of 2 sources"):
        grouped_parts(labels, ["a", "b"] * 30, 4, seed=0)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_class_of_one_source_leaves_the_other_alone_where_that_is_held_out(classifier: Classifier) -> None:
    labels = np.repeat([3, 5], 4)
    x = RNG.normal(size=(8, 5))
    parts = grouped_parts(labels, ["film"] * 4 + ["p", "q", "r", "s"], 4, seed=0)
    assert any(len(set(labels[known])) == 1 for known, _ in parts)
    found = classify(classifier, "raw", (x, labels), (x, labels), parts, (1.0, 0.1))
    assert 0 <= found.cv_top1 <= 50  # nothing is known of the first when it is held out
    given = CLASSIFIERS[classifier](x[4:], labels[4:], x, (1.0, 0.1))
    assert [answers.tolist() for answers in given] == [[5] * 8] * 2


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_nothing_is_chosen_on_the_test_side(classifier: Classifier) -> None:
    (x, y), (asked, labels) = clips(80, apart=0.4), clips(60, apart=0.4)
    parts = grouped_parts(y, [str(k) for k in range(80)], 4, seed=0)
    strengths = (10.0, 1.0, 0.1, 1e-2)
    got = classify(classifier, "raw", (x, y), (asked, labels), parts, strengths)
    other = classify(classifier, "raw", (x, y), (asked, np.roll(labels, 1)), parts, strengths[::-1])
    assert (got.strength, got.at_edge, got.cv_top1) == (other.strength, other.at_edge, other.cv_top1)
    assert got.test_top1 != other.test_top1
    single = {s: classify(classifier, "raw", (x, y), (asked, labels), parts, (s,)) for s in strengths}
    assert got.cv_top1 == pytest.approx(max(one.cv_top1 for one in single.values()), abs=3)
    assert not single[1.0].at_edge


def test_sources_that_features_know_are_not_rewarded() -> None:
    """Features that tell films apart and not classes: held-out films show it, held-out clips would not."""
    films = np.repeat(np.arange(40), 4)
    labels = (films % 2).astype(np.int64)
    x = np.random.default_rng(3).normal(size=(40, 60))[films] + 0.01 * RNG.normal(size=(160, 60))
    by_film = grouped_parts(labels, [str(film) for film in films], 4, seed=0)
    by_clip = grouped_parts(labels, [str(k) for k in range(160)], 4, seed=0)
    known = (x, labels)
    assert classify("ridge", "raw", known, known, by_clip, (1e-4,)).cv_top1 > 90
    assert classify("ridge", "raw", known, known, by_film, (1e-4,)).cv_top1 < 75
