"""Every row of the table against its formula in double precision."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from kernels import Jobs, orbit
from kernels.elementary import cos, exp, log, sin, tan, tanh
from kernels.variations import VARIATIONS, by_name

C, F = 0.3, -0.7


def _popcorn(x: float, y: float) -> tuple[float, float]:
    return x + C * math.sin(math.tan(3 * y)), y + F * math.sin(math.tan(3 * x))


def _horseshoe(x: float, y: float) -> tuple[float, float]:
    r = math.hypot(x, y) + 1e-10
    return (x - y) * (x + y) / r, 2 * x * y / r


FORMULAS: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "linear": lambda x, y: (x, y),
    "horseshoe": _horseshoe,
    "bent": lambda x, y: (x if x >= 0 else 2 * x, y if y >= 0 else y / 2),
    "fisheye": lambda x, y: (2 * y / (math.hypot(x, y) + 1), 2 * x / (math.hypot(x, y) + 1)),
    "popcorn": _popcorn,
    "cosine": lambda x, y: (math.cos(math.pi * x) * math.tanh(y), -math.sin(math.pi * x) * math.tanh(y)),
    "eyefish": lambda x, y: (2 * x / (math.hypot(x, y) + 1), 2 * y / (math.hypot(x, y) + 1)),
    "cylinder": lambda x, y: (math.sin(x), y),
}
NUMBERS = {
    "linear": 0, "horseshoe": 4, "bent": 14, "fisheye": 16, "popcorn": 17, "cosine": 20, "eyefish": 27, "cylinder": 29,
}  # fmt: skip


def test_every_row_has_a_formula_here_and_the_fields_number() -> None:
    assert {row.name: number for number, row in VARIATIONS.items()} == NUMBERS
    assert set(FORMULAS) == set(NUMBERS)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_scalar_function(name: str) -> None:
    row = by_name(name)
    rng = np.random.default_rng(5)
    points = np.concatenate([rng.uniform(-3, 3, (2000, 2)), [[0, 0], [0, 1], [-1, 0], [1e-20, 0]]]).astype(np.float32)
    extra = [np.float32({"c": C, "f": F}[argument]) for argument in row.arguments]
    got = np.array([row.function(x, y, *extra) for x, y in points])
    expected = np.array([FORMULAS[name](float(x), float(y)) for x, y in points])
    # popcorn's sin(tan) is chaotic near tan's poles: a few points may differ, the bulk may not.
    error = np.abs(got - expected).max(axis=1)
    assert np.quantile(error, 0.95 if name == "popcorn" else 1.0) < 2e-5
    assert np.isfinite(got).all()


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_compiled_rows_are_the_scalar_function_after_the_affine_map(name: str) -> None:
    """A single map and a single step: the compiled slab, fused and summed, against the formula."""
    rng = np.random.default_rng(6)
    start = rng.uniform(-1, 1, (128, 2)).astype(np.float32)
    a, b, d, e = 0.5, -0.2, 0.1, 0.6
    maps = [[[a, b, C, d, e, F]]]
    moved = np.array([[a * x + b * y + C, d * x + e * y + F] for x, y in start.astype(float)])
    expected = np.array([FORMULAS[name](x, y) for x, y in moved])
    jobs = Jobs.of(maps, [[1.0]], variation=NUMBERS[name], seed=1, start=start[None])
    summed = Jobs.of(maps, [[1.0]], variation=[[[NUMBERS[name], 0]]], amount=[[[0.5, 0.25]]], seed=1, start=start[None])
    tolerance = 2e-3 if name == "popcorn" else 2e-5
    assert np.quantile(np.abs(orbit(jobs, 128, burn_in=0)[0] - expected), 0.99) < tolerance
    mixed = 0.5 * expected + 0.25 * moved
    assert np.quantile(np.abs(orbit(summed, 128, burn_in=0)[0] - mixed), 0.99) < tolerance


@pytest.mark.parametrize(
    ("function", "reference", "low", "high"),
    [
        (sin, np.sin, -1e3, 1e3),
        (cos, np.cos, -1e3, 1e3),
        (tan, np.tan, -1.2, 1.2),
        (tanh, np.tanh, -20, 20),
        (exp, np.exp, -80, 80),
        (log, np.log, 1e-6, 1e6),
    ],
)
def test_elementary_functions(function: Callable[..., float], reference: np.ufunc, low: float, high: float) -> None:
    x = np.random.default_rng(1).uniform(low, high, 5000).astype(np.float32)
    got = np.array([function(v) for v in x])
    expected = reference(x.astype(np.float64))
    assert np.abs((got - expected) / np.maximum(np.abs(expected), 1)).max() < 1e-6


@pytest.mark.parametrize("value", [1e6, -3.3e7, 1e30, -1e38])
def test_sine_stays_bounded_for_huge_arguments(value: float) -> None:
    assert abs(sin(np.float32(value))) <= 1.000001
    assert abs(cos(np.float32(value))) <= 1.000001
