"""Elementary functions against double precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fractalvid.kernels.compiled.elementary import (
    atan2,
    cos,
    exp,
    fmod,
    log,
    log10,
    raised,
    sin,
    sincos_turns,
    tan,
    tanh,
)


@pytest.mark.parametrize(
    ("function", "reference", "low", "high"),
    [
        (sin, np.sin, -1e3, 1e3),
        (cos, np.cos, -1e3, 1e3),
        (tan, np.tan, -1.2, 1.2),
        (tanh, np.tanh, -20, 20),
        (exp, np.exp, -80, 80),
        (log, np.log, 1e-6, 1e6),
        (log10, np.log10, 1e-6, 1e6),
        (lambda t: sincos_turns(t)[0], lambda t: np.sin(2 * np.pi * t), -3, 3),
        (lambda t: sincos_turns(t)[1], lambda t: np.cos(2 * np.pi * t), -3, 3),
    ],
)
def test_elementary_functions(function: Callable[..., float], reference: Any, low: float, high: float) -> None:
    x = np.random.default_rng(1).uniform(low, high, 5000).astype(np.float32)
    got = np.array([function(v) for v in x])
    expected = reference(x.astype(np.float64))
    assert np.abs((got - expected) / np.maximum(np.abs(expected), 1)).max() < 1e-6


def test_the_arctangent_of_a_quotient() -> None:
    rng = np.random.default_rng(1)
    x, y = (rng.normal(0, 1, (2, 5000)) * 10 ** rng.uniform(-12, 12, (2, 5000))).astype(np.float32)
    got = np.array([atan2(*pair) for pair in zip(y, x, strict=True)])
    assert np.abs(got - np.arctan2(y.astype(float), x.astype(float))).max() < 4e-7
    axes = [(0, 1), (1, 0), (0, -1), (-1, 0), (0, 0), (1, 1), (-1, -1)]
    got = np.array([atan2(np.float32(b), np.float32(a)) for b, a in axes])
    assert np.abs(got - [np.arctan2(b, a) for b, a in axes]).max() < 4e-7


def test_powers() -> None:
    rng = np.random.default_rng(2)
    x, p = 10 ** rng.uniform(-6, 6, 5000).astype(np.float32), rng.uniform(-3, 3, 5000).astype(np.float32)
    got = np.array([raised(*pair) for pair in zip(x, p, strict=True)])
    expected = x.astype(float) ** p
    error = np.abs(got / expected - 1)
    assert (error < 1e-7 * (2 + np.abs(p * np.log(x)))).all()
    zero, one = np.float32(0), np.float32(1)
    assert raised(zero, one) == 0
    assert raised(zero, zero) == 1
    assert raised(zero, -one) > 1e37


def test_remainders() -> None:
    rng = np.random.default_rng(3)
    m = 10 ** rng.uniform(-4, 2, 5000).astype(np.float32)
    x = (m * rng.uniform(-50, 50, 5000)).astype(np.float32)
    got = np.array([fmod(*pair) for pair in zip(x, m, strict=True)], np.float64)
    expected = np.fmod(x.astype(float), m.astype(float))
    off = np.abs(got - expected)
    assert (np.minimum(off, m - off) < 1e-6 * np.abs(x) + 1e-12).all()
    assert (np.abs(got) < m).all()
    assert (got * x >= 0).all()


@pytest.mark.parametrize("value", [1e6, -3.3e7, 1e30, -1e38])
def test_sine_stays_bounded_for_huge_arguments(value: float) -> None:
    assert abs(sin(np.float32(value))) <= 1.000001
    assert abs(cos(np.float32(value))) <= 1.000001
