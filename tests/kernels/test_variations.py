"""Every row of the table against its formula in double precision, as a scalar function and compiled for rows."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from fractalvid.kernels import Jobs, accumulate, orbit
from fractalvid.kernels.variations import MAX_PARAMS, VARIATIONS, Variation, by_name
from tests.kernels.conftest import system, view
from tests.kernels.formulas import FORMULAS

ALL = sorted(VARIATIONS)
CALM = [k for k in ALL if not VARIATIONS[k].draws]
RANDOM = [k for k in ALL if VARIATIONS[k].draws]
COEFFICIENTS = dict(a=0.5, b=-0.2, c=0.3, d=0.1, e=0.6, f=-0.7)
EDGES = [
    *((0, 0), (0, 1), (1, 0), (-1, 0), (0, -1), (1, 1), (-1, 1), (0.25, -0.25)),
    *((1e-12, -1e-12), (1e-5, 3e-6), (-50, 70), (1e3, -2e3), (-3e4, 1e4)),
]


def drawn_params(row: Variation, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Parameters (count, P) from the row's useful ranges."""
    columns = [
        rng.integers(int(p.low), int(p.high), count, endpoint=True)
        if p.kind == "integer"
        else rng.uniform(p.low, p.high, count)
        for p in row.params
    ]
    return np.array(columns, np.float64).reshape(len(row.params), count).T


def close(
    number: int, got: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], values: SimpleNamespace
) -> NDArray[np.bool_]:
    """Which points lie within rounding of the formula.

    Allowed is an error of some units in the last place, and a share of what the formula itself does over points within
    2e-6 of their size and random numbers within 2e-7: no float32 input is known better. Values too large to stay in an
    orbit need only be large.
    """
    formula = FORMULAS[number][1]
    with np.errstate(all="ignore"):
        expected = np.stack(np.broadcast_arrays(*formula(x, y, values)), axis=1)
        around = [
            np.stack(np.broadcast_arrays(*formula(x * (1 + 2e-6 * i), y * (1 + 2e-6 * k), values)), axis=1)
            for i in (-1, -0.4, 0, 0.4, 1)
            for k in (-1, -0.4, 0, 0.4, 1)
        ]
        for shift in (-2e-7, 2e-7):
            shifted = {name: value + shift * (name[0] == "u") for name, value in vars(values).items()}
            around.append(np.stack(np.broadcast_arrays(*formula(x, y, SimpleNamespace(**shifted))), axis=1))
        low, high = np.nanmin(around, axis=0), np.nanmax(around, axis=0)
        slack = 3e-6 + 6e-6 * np.abs(expected).max(axis=1, keepdims=True) + 0.2 * (high - low)
        near = ((got >= low - slack) & (got <= high + slack)).all(axis=1)
        far = ~(np.abs(expected).max(axis=1) < 2e5)
        return np.asarray(np.where(far, ~(np.abs(got).max(axis=1) < 1e5), near))


def values_of(row: Variation, params: NDArray[Any], draws: NDArray[Any]) -> SimpleNamespace:
    values: dict[str, Any] = dict(COEFFICIENTS)
    values |= {f"p{i + 1}": column for i, column in enumerate(params.T)}
    values |= {f"u{i + 1}": column for i, column in enumerate(draws.T)}
    return SimpleNamespace(**{name: np.asarray(np.float32(value), np.float64) for name, value in values.items()})


def test_the_table_is_the_fields() -> None:
    assert list(range(49)) == ALL
    assert {k: VARIATIONS[k].name for k in ALL} == {k: name for k, (name, _) in FORMULAS.items()}
    assert list(VARIATIONS) == ALL
    assert all(by_name(row.name) is row for row in VARIATIONS.values())
    with pytest.raises(KeyError):
        by_name("lineer")


@pytest.mark.parametrize("number", ALL)
def test_rows_say_what_they_take(number: int) -> None:
    row = VARIATIONS[number]
    own = [name for name in row.arguments if name[0] == "p"]
    drawn = [name for name in row.arguments if name[0] == "u"]
    assert own == [f"p{i + 1}" for i in range(len(row.params))]
    assert drawn == [f"u{i + 1}" for i in range(row.draws)]
    assert set(row.arguments) - set(own) - set(drawn) <= set("abcdef")
    assert len(row.params) <= MAX_PARAMS
    assert all(p.low < p.high and (p.kind != "integer" or p.low == int(p.low)) for p in row.params)
    assert row.formula.startswith("(")
    assert 0 < row.amount[0] < row.amount[1] <= 1
    assert ("Ψ" in row.formula or "Λ" in row.formula) == bool(row.draws)
    for i in range(len(row.params)):
        assert f"p{i + 1}" in row.formula


def test_rows_that_ignore_the_point_and_those_that_throw_far() -> None:
    assert {k for k in ALL if VARIATIONS[k].ignores_point} == {34, 35, 37, 41, 43}
    unbounded = {2, 9, 10, 18, 19, 30, 38, 39, 41, 42, 44, 46, 47, 48}
    assert {k for k in ALL if VARIATIONS[k].unbounded} == unbounded
    for k in ALL:
        row, v = (
            VARIATIONS[k],
            SimpleNamespace(**COEFFICIENTS, p1=2, p2=1, p3=0.5, p4=1, u1=0.3, u2=0.6, u3=0.1, u4=0.9, u5=0),
        )
        here, there = (np.array(FORMULAS[k][1](np.float64(x), np.float64(y), v)) for x, y in ((0.3, 0.4), (-0.8, 0.6)))
        assert bool(np.all(here == there)) == row.ignores_point


@pytest.mark.parametrize("number", ALL)
def test_scalar_function(number: int) -> None:
    row = VARIATIONS[number]
    rng = np.random.default_rng(number)
    wide = rng.uniform(-1, 1, (300, 2)) * 10 ** rng.uniform(-4, 3, (300, 1))
    points = np.concatenate([rng.uniform(-3, 3, (700, 2)), wide, EDGES]).astype(np.float32)
    params = drawn_params(row, rng, len(points)).astype(np.float32)
    draws = rng.uniform(0, 1, (len(points), row.draws)).astype(np.float32)
    if row.draws:
        # The ends of the uniforms' range, which reaches up to 1 - 2**-24.
        draws[:40] = rng.choice(np.array([0, 0.25, 0.5, 1 - 2.0**-24], np.float32), (40, row.draws))
    fixed = {name: np.float32(value) for name, value in COEFFICIENTS.items()}
    got = np.empty((len(points), 2))
    for i, (x, y) in enumerate(points):
        own = {f"p{n + 1}": p for n, p in enumerate(params[i])} | {f"u{n + 1}": u for n, u in enumerate(draws[i])}
        got[i] = row.function(x, y, *((fixed | own)[name] for name in row.arguments))
    x, y = points.T.astype(np.float64)
    good = close(number, got, x, y, values_of(row, params, draws))
    assert good.all(), (points[~good][:3], got[~good][:3], params[~good][:3], draws[~good][:3])


@pytest.mark.parametrize("number", [40, 26, 25])
def test_parameters_of_zero(number: int) -> None:
    points = np.random.default_rng(1).uniform(-2, 2, (200, 2)).astype(np.float32)
    row = VARIATIONS[number]
    zero = [np.float32(0)] * len(row.params)
    got = np.array([row.function(x, y, *zero) for x, y in points], np.float64)
    x, y = points.T.astype(np.float64)
    values = values_of(row, np.zeros((200, len(row.params))), np.empty((200, 0)))
    assert close(number, got, x, y, values).all()


def one_step(row: Variation, params: NDArray[Any], start: NDArray[Any], seeds: Any, others: Any = None) -> NDArray[Any]:
    """Where one map takes 128 walkers in one step: (jobs, 128, 2). `others` are (number, amount) pairs summed too."""
    maps = [[[COEFFICIENTS[name] for name in "abcdef"]]] * len(seeds)
    common: dict[str, Any] = {"seed": seeds, "start": start[None], "params": params[None, None, None]}
    if others is None:
        jobs = Jobs.of(maps, [[1.0]], variation=row.number, **common)
    else:
        numbers, amounts = zip((row.number, 0.5), *others, strict=True)
        common["params"] = np.stack([params, *(np.zeros_like(params) for _ in others)])[None, None]
        jobs = Jobs.of(maps, [[1.0]], variation=[[numbers]], amount=[[amounts]], **common)
    return orbit(jobs, 128, burn_in=0).astype(np.float64)


def moved(start: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The affine map in double precision."""
    x, y = start.astype(np.float64).T
    a, b, c, d, e, f = (float(np.float32(COEFFICIENTS[name])) for name in "abcdef")
    return a * x + b * y + c, d * x + e * y + f


@pytest.mark.parametrize("number", CALM)
def test_compiled_rows_are_the_formula_after_the_affine_map(number: int) -> None:
    """A single map and a single step: fused with the affine map, and as a summand at half amount."""
    row, rng = VARIATIONS[number], np.random.default_rng(6)
    start = rng.uniform(-2, 2, (128, 2)).astype(np.float32)
    params = drawn_params(row, rng, 1)[0].astype(np.float32)
    x, y = moved(start)
    values = values_of(row, params[None], np.empty((1, 0)))
    fused = one_step(row, params, start, [1])[0]
    assert close(number, fused, x, y, values).all()
    other = 0 if number else 1
    summed = one_step(row, params, start, [1], [(other, 0.25)])[0]
    rest = np.stack(FORMULAS[other][1](x, y, values), axis=1)
    assert close(number, 2 * (summed - 0.25 * rest), x, y, values).all()


@pytest.mark.parametrize("number", RANDOM)
@pytest.mark.parametrize("summed", [False, True])
def test_random_rows_draw_for_every_point(number: int, summed: bool) -> None:
    """All walkers begin at one point; where they are after a step is distributed as the formula says."""
    row, rng = VARIATIONS[number], np.random.default_rng(number)
    start = np.tile(np.array([[0.8, -0.9]], np.float32), (128, 1))
    params = drawn_params(row, rng, 1)[0].astype(np.float32)
    x, y = (column[:1] for column in moved(start))
    draws = rng.uniform(0, 1, (200_000, row.draws))
    expected = np.stack(np.broadcast_arrays(*FORMULAS[number][1](x, y, values_of(row, params[None], draws))), axis=1)
    got = one_step(row, params, start, np.arange(150), [(0, 0.5)] if summed else None).reshape(-1, 2)
    if summed:
        expected = 0.5 * expected + 0.5 * np.stack([x, y], axis=1)
    for turn in ([1, 0], [0, 1], [0.6, 0.8]):
        a, b = got @ np.array(turn), expected @ np.array(turn)
        # Rounded: some rows have a handful of values only, which float32 and float64 round apart.
        assert ks_2samp(np.round(a, 4), np.round(b, 4)).pvalue > 1e-3


def squares(seed: int, steps: int) -> NDArray[np.float64]:
    """The two random numbers of `square` (steps, 128, 2), in [0, 1)."""
    jobs = Jobs.of([[[0, 0, 0, 0, 0, 0]]], [[1.0]], variation=43, seed=[seed])
    return np.asarray(orbit(jobs, 128 * steps, burn_in=0)[0].reshape(steps, 128, 2) + 0.5, np.float64)


def uneven(*columns: NDArray[np.float64], cells: int) -> float:
    """Chi-squared of a histogram over the unit square or cube, in standard deviations from its mean."""
    table = np.histogramdd(np.stack([c.ravel() for c in columns], axis=1), cells, [(0, 1)] * len(columns))[0]
    freedom = table.size - 1
    chi = ((table - table.mean()) ** 2 / table.mean()).sum()
    return float((chi - freedom) / np.sqrt(2 * freedom))


def test_random_numbers_are_even_and_independent() -> None:
    """Across the numbers of a point, its neighbours, the steps before it, and seeds."""
    a, b = squares(1, 2000), squares(2, 2000)
    assert a.min() >= 0
    assert a.max() < 1
    u, v = a[..., 0], a[..., 1]
    pairs = [
        *((u, v), (u[1:], u[:-1]), (u[2:], u[:-2]), (u[:, 1:], u[:, :-1]), (u[:, 2:], u[:, :-2])),
        *((u[1:, 1:], v[:-1, :-1]), (v[1:], u[:-1]), (u, b[..., 0]), (u[:, 64:], u[:, :64])),
    ]
    for first, second in pairs:
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / np.sqrt(first.size)
        assert abs(uneven(first, second, cells=32)) < 4.5
    assert abs(uneven(u[2:], u[1:-1], u[:-2], cells=12)) < 4.5
    assert len(np.unique(u)) > 0.98 * u.size
    # The lowest bits too, as far as a difference of float32 numbers keeps them.
    fine = np.mod(u * 2**12, 1)
    assert abs(uneven(fine[1:], fine[:-1], cells=32)) < 4.5
    # Sums over a row of walkers are as wide as sums of independent numbers.
    assert np.var(u.mean(axis=1)) == pytest.approx(1 / 12 / 128, rel=0.12)


def test_summands_draw_numbers_of_their_own() -> None:
    """A disc and a square summed are independent: their variances add up."""
    maps: list[Any] = [[[0.0] * 6]]
    common: dict[str, Any] = {"weights": [[1.0]], "seed": [3]}
    both = orbit(Jobs.of(maps, variation=[[[34, 43]]], amount=[[[1.0, 1.0]]], **common), 100_000)[0]
    alone = [orbit(Jobs.of(maps, variation=k, **common), 100_000)[0] for k in (34, 43)]
    assert both.var(axis=0) == pytest.approx(alone[0].var(axis=0) + alone[1].var(axis=0), rel=0.02)


def test_random_rows_do_not_depend_on_threads_or_neighbours() -> None:
    maps, weights = system(4, seed=3)
    number = np.array(RANDOM * 2, np.int32)
    params = np.tile(np.array([2, 1, 0.5, 1], np.float32), (len(number), 1, 1, 1))
    jobs = Jobs.of(
        [maps] * len(number), [weights], variation=number, params=params, seed=np.arange(len(number)),
        projection=view((24, 24)),
    )  # fmt: skip
    one, eight = (accumulate(jobs, size=24, points=30_000, threads=n).counts for n in (1, 8))
    assert np.array_equal(one, eight)
    for j in (0, 5, 11):
        alone = accumulate(jobs.select(np.array([j])), size=24, points=30_000).counts[0]
        assert np.array_equal(alone, one[j])
    assert not np.array_equal(one[0], one[len(RANDOM)])


def test_a_job_alone_at_amount_1_is_the_same_among_sums() -> None:
    """How a job is computed, to the bit, is its own affair."""
    maps, weights = system(4, seed=3)
    number = np.array([[17, 0], [17, 13], [17, 5]])[:, None].repeat(4, axis=1)
    amount = np.array([[1, 0], [0.5, 0.5], [1, 0.2]])[:, None].repeat(4, axis=1)
    common: dict[str, Any] = {"weights": [weights], "projection": view((32, 32))}
    mixed = Jobs.of([maps] * 3, variation=number, amount=amount, seed=[1, 2, 3], **common)
    plain = Jobs.of([maps], variation=17, seed=[1], **common)
    together = accumulate(mixed, size=32, points=50_000).counts
    assert np.array_equal(together[0], accumulate(plain, size=32, points=50_000).counts[0])
    assert not np.array_equal(together[0], together[1])


CHOICES = {
    "three summed on every map": ([[2, 13, 39]] * 4, [[0.3, 0.4, 0.3]] * 4),
    "one of its own on each of four maps": ([[5], [13], [48], [38]], [[1.0]] * 4),
    "a sum of its own on each of four maps": (
        [[1, 34, 0], [6, 2, 28], [23, 47, 0], [0, 32, 7]],
        [[0.7, 0.3, 0], [0.2, 0.3, 0.5], [0.6, 0.4, 0], [0.1, 0.5, 0.4]],
    ),
    "two shared by four maps": ([[5], [0], [0], [5]], [[1.0], [1.0], [0.9], [1.0]]),
}


def choice(which: str, seeds: Any, **more: Any) -> Jobs:
    numbers, amounts = CHOICES[which]
    maps, weights = system(4, seed=11)
    rng = np.random.default_rng(4)
    params = np.zeros((1, 4, len(numbers[0]), MAX_PARAMS))
    for m, row in enumerate(numbers):
        for s, number in enumerate(row):
            own = drawn_params(VARIATIONS[number], rng, 1)[0]
            params[0, m, s, : len(own)] = own
    return Jobs.of(
        [maps] * len(seeds), [weights], seed=seeds, variation=[numbers], amount=[amounts], params=params, **more
    )


@pytest.mark.parametrize("which", CHOICES)
def test_sums_and_choices_by_map_move_points_as_the_formulas_say(which: str) -> None:
    """From one point in one step every walker reaches the image under one of the maps, in shares of the weights."""
    seeds = np.arange(60)
    start = np.tile(np.array([[0.5, -0.4]], np.float32), (128, 1))
    jobs = choice(which, seeds, start=start[None])
    got = orbit(jobs, 128, burn_in=0).reshape(-1, 2)
    if any(VARIATIONS[k].draws for k in np.unique(jobs.variation[jobs.amount != 0]).tolist()):
        slow = orbit(jobs, 128, burn_in=0, backend="reference").reshape(-1, 2)
        for axis in (0, 1):
            assert ks_2samp(got[:, axis], slow[:, axis]).pvalue > 1e-3
        return
    images = np.zeros((4, 2))
    for m, (a, b, c, d, e, f) in enumerate(jobs.maps[0].astype(np.float64)):
        x, y = a * 0.5 - b * 0.4 + c, d * 0.5 - e * 0.4 + f
        for number, amount, own in zip(jobs.variation[0, m], jobs.amount[0, m], jobs.params[0, m], strict=True):
            v = SimpleNamespace(**dict(zip("abcdef", (a, b, c, d, e, f), strict=True)), p1=own[0], p2=own[1])
            images[m] += amount * np.array(FORMULAS[int(number)][1](x, y, v))
    off = np.abs(got[:, None] - images).max(axis=2)
    assert off.min(axis=1).max() < 1e-4
    assert np.bincount(off.argmin(axis=1), minlength=4) / len(got) == pytest.approx(jobs.weights[0], abs=0.01)


def distance(counts: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(counts / counts.sum() - other / other.sum()).sum())


@pytest.mark.parametrize("which", [*CHOICES, 2, 13, 25, 36, 38, 47])
def test_same_distribution_as_the_reference(which: str | int) -> None:
    more: dict[str, Any] = {"projection": view((20, 20), 2.5)}
    if isinstance(which, str):
        jobs = choice(which, [5], **more)
        truth = choice(which, np.arange(20) + 100, **more)
    else:
        maps, weights = system(4, seed=11)
        own = drawn_params(VARIATIONS[which], np.random.default_rng(8), 1)[:, None, None]
        more |= {"variation": which, "params": own}
        jobs = Jobs.of([maps], [weights], seed=[5], **more)
        truth = Jobs.of([maps] * 20, [weights], seed=np.arange(20) + 100, **more)
    long = accumulate(truth, size=20, points=200_000).counts.sum(axis=0)
    fast = accumulate(jobs, size=20, points=20_000).counts[0]
    slow = accumulate(jobs, size=20, points=20_000, backend="reference").counts[0]
    assert distance(fast, long) < 1.15 * distance(slow, long) + 0.015


@pytest.mark.parametrize("number", [k for k in ALL if VARIATIONS[k].unbounded])
def test_unbounded_rows_keep_orbits_finite_and_books_balanced(number: int) -> None:
    rng = np.random.default_rng(number)
    own = drawn_params(VARIATIONS[number], rng, 6)[:, None, None]
    maps = rng.uniform(-2, 2, (6, 3, 6))
    jobs = Jobs.of(maps, [[0.5, 0.3, 0.2]], variation=number, params=own, seed=np.arange(6), projection=view((16, 16)))
    done = accumulate(jobs, size=16, points=100_001)
    assert (done.counts.sum(axis=(1, 2), dtype=np.int64) + done.outside + done.discarded).tolist() == [100_001] * 6
    assert done.counts.any(axis=(1, 2)).all()
    points = orbit(jobs, 5000)
    assert not np.isnan(points).any()
    finite = np.asarray(np.isfinite(points).all(axis=2))
    assert np.abs(points[finite]).sum(axis=1).max() <= 1e6
    assert finite.mean() > 0.2
    # A walker that left comes back: no job ends with all of them gone.
    assert finite[:, -500:].any(axis=1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variation": 23, "params": [[[[1.0, 0.5]]]]}, "blob takes 3 parameters, got 2"),
        ({"variation": 23}, "blob takes 3 parameters, got 0"),
        ({"variation": 0, "params": np.zeros((1, 1, 1, 5))}, "most: 4"),
        ({"variation": 23, "params": [[[[1.0, np.nan, 3]]]]}, "finite"),
        ({"variation": [[[13, 13]]]}, "julia with itself"),
        ({"variation": 49}, "unknown variation number 49"),
        ({"variation": [[0, 0]]}, "variation must be a number"),
        ({"variation": -1}, "unknown variation number -1"),
    ],
)
def test_jobs_that_no_variation_serves_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Jobs.of([[[0.5, 0, 0, 0, 0.5, 0]]], [[1.0]], seed=[1], **arguments)


def test_views_that_compiled_code_would_read_past_are_refused() -> None:
    jobs = Jobs.of(np.zeros((2, 1, 6)), [[1.0]], seed=[0, 1], start=np.zeros((2, 4, 2)))
    assert jobs.start is not None
    with pytest.raises(ValueError, match="start must be C-contiguous"):
        dataclasses.replace(jobs, start=jobs.start[:, ::-1])
