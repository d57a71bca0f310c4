"""Classes that differ are told apart, classes that do not are not."""

import numpy as np
import pytest

from fractalvid.stats.figures import radial_power
from fractalvid.stats.separability import clip_features, separability


def toy(distance: float, *, classes: int = 10, clips: int = 20, test: int = 20) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    means = distance * rng.normal(size=(classes, 12))
    train_class, test_class = np.repeat(np.arange(classes), clips), np.repeat(np.arange(classes), test)
    noise = rng.normal(size=(len(train_class) + len(test_class), 12))
    return (
        means[train_class] + noise[: len(train_class)],
        train_class,
        means[test_class] + noise[len(train_class) :],
        test_class,
    )


def test_separable_and_inseparable_classes() -> None:
    assert separability(*toy(5.0)).accuracy > 0.99
    none = separability(*toy(0.0))
    assert none.accuracy == pytest.approx(0.1, abs=0.07)
    assert (none.chance, none.classes, none.trained, none.tested) == (0.1, 10, 200, 200)


def test_scales_and_useless_features_do_not_matter() -> None:
    train, train_class, test, test_class = toy(1.0)
    plain = separability(train, train_class, test, test_class).accuracy
    assert 0.5 < plain < 1
    units = 10.0 ** np.arange(-6, 6)
    assert separability(train * units, train_class, test * units, test_class).accuracy == plain
    dull, spoilt = np.full((len(train), 1), 7.0), np.full((len(test), 1), 9.0)
    more = separability(np.hstack([train, dull]), train_class, np.hstack([test, spoilt]), test_class)
    assert more.accuracy == plain


def test_class_names_are_kept() -> None:
    train, train_class, test, test_class = toy(5.0)
    names = np.array([40, 3, 17, 99, 5, 6, 70, 8, 9, 10])
    shuffled = np.random.default_rng(1).permutation(len(train))
    found = separability(train[shuffled], names[train_class][shuffled], test, names[test_class])
    assert found.accuracy > 0.99


def test_one_clip_a_class_is_enough_to_fit() -> None:
    assert separability(*toy(5.0, clips=1)).accuracy > 0.9


@pytest.mark.parametrize(("frames", "size"), [(1, 16), (6, 64), (20, 100)])
def test_features_are_numbers_of_one_length(frames: int, size: int) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (3, frames, size, size), dtype=np.uint8)
    clips[1] = 0
    features = clip_features(clips, radial_power(clips))
    assert features.shape == (3, 146)
    assert np.isfinite(features).all()
