"""Histograms: balanced books, agreement with the reference, no merged walkers, maps of tiny weight."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from fractalvid.kernels import Jobs, accumulate, growth, orbit
from fractalvid.kernels.checks import MAX_STEPS
from tests.kernels.conftest import system, view

DEFAULT_VARIATIONS = [0, 4, 14, 16, 17, 20, 27, 29]


def distance(counts: np.ndarray, other: np.ndarray) -> float:
    """L1 distance of two histograms as distributions, 0..2."""
    return float(np.abs(counts / counts.sum() - other / other.sum()).sum())


@pytest.mark.parametrize(
    ("backend", "points"),
    [("cpu", 1), ("cpu", 255), ("cpu", 256), ("cpu", 1024), ("cpu", 60_001), ("reference", 1), ("reference", 1025)],
)
def test_books_balance_exactly(five_maps: Jobs, backend: str, points: int) -> None:
    close = dataclasses.replace(five_maps, projection=np.repeat(view((64, 64), 0.5)[None], 3, axis=0))
    done = accumulate(close, size=64, points=points, backend=backend)  # type: ignore[arg-type]
    total = done.counts.sum(axis=(1, 2), dtype=np.int64) + done.outside + done.discarded
    assert total.tolist() == [points] * 3
    if points > 1000:
        assert (done.outside > 0).all()


def test_points_may_differ_by_job(five_maps: Jobs) -> None:
    done = accumulate(five_maps, size=64, points=[10, 2000, 333])
    assert (done.counts.sum(axis=(1, 2)) + done.outside + done.discarded).tolist() == [10, 2000, 333]


@pytest.mark.parametrize("variation", DEFAULT_VARIATIONS)
def test_same_distribution_as_the_reference(variation: int) -> None:
    maps, weights = system(4, seed=11)
    jobs = Jobs.of([maps], [weights], seed=[5], variation=variation, projection=view((24, 24), 3))
    fast = accumulate(jobs, size=24, points=40_000)
    slow = accumulate(jobs, size=24, points=40_000, backend="reference")
    truth = accumulate(dataclasses.replace(jobs, seed=np.array([99], np.uint64)), size=24, points=4_000_000)
    noise = distance(slow.counts, truth.counts)
    assert distance(fast.counts, truth.counts) < 1.15 * noise + 0.01


@pytest.mark.parametrize("num_maps", [3, 5, 8])
def test_no_merged_walkers(num_maps: int) -> None:
    """Walkers that keep sharing maps merge: as exact a point as independent choice, or worse than that.

    The reference error of independent choice at 100,000 points is that of independent multinomial draws.
    """
    maps, weights = system(num_maps, seed=1)
    jobs = Jobs.of([maps] * 8, [weights], seed=np.arange(8), projection=view((64, 64)))
    truth = accumulate(
        dataclasses.replace(jobs, seed=np.arange(8, dtype=np.uint64) + 100), size=64, points=2_000_000
    ).counts.sum(axis=0)
    counts = accumulate(jobs, size=64, points=100_000).counts
    rng = np.random.default_rng(0)
    p = (truth / truth.sum()).ravel()
    ideal = np.mean([distance(rng.multinomial(100_000, p), truth.ravel()) for _ in range(8)])
    assert np.mean([distance(c, truth) for c in counts]) < 1.1 * ideal


def test_maps_of_tiny_weight_keep_their_share() -> None:
    """A map of weight 1e-3, a quarter of a column of walkers, still gets its points."""
    maps = [[0.1, 0, -2, 0, 0.1, -2], [0.1, 0, 2, 0, 0.1, 2]]
    weights = [1 - 1e-3, 1e-3]
    jobs = Jobs.of([maps] * 400, [weights], seed=np.arange(400), projection=view((8, 8)))
    counts = accumulate(jobs, size=8, points=100_000).counts.sum(axis=0)
    share = counts[4:, 4:].sum() / counts.sum()
    assert share == pytest.approx(1e-3, rel=0.2)


def test_frames_that_are_not_square() -> None:
    maps, weights = system(5, seed=1)
    wide = Jobs.of([maps], [weights], seed=[1], projection=view((16, 64)))
    square = Jobs.of([maps], [weights], seed=[1], projection=view((64, 64)))
    counts = accumulate(wide, size=(16, 64), points=50_000).counts[0]
    pooled = accumulate(square, size=(64, 64), points=50_000).counts[0].reshape(16, 4, 64).sum(axis=1)
    assert counts.shape == (16, 64)
    # The same points; a few lie within rounding of a row's edge.
    assert np.abs(counts.astype(int) - pooled.astype(int)).sum() <= 20


def test_homography_projects_points_where_the_matrix_says() -> None:
    """One map that is a point: everything lands in the pixel that the homography gives."""
    matrix = np.array([[20, 3, 30], [-2, 15, 25], [0.1, 0.2, 1.0]], np.float32)
    x, y = 0.4, -0.3
    jobs = Jobs.of([[[0, 0, x, 0, 0, y]]], [[1.0]], seed=[1], projection=matrix)
    u, v, w = matrix @ [x, y, 1]
    counts = accumulate(jobs, size=(48, 64), points=500).counts[0]
    assert counts[int(v / w), int(u / w)] == 500


def test_points_behind_the_camera_are_outside() -> None:
    matrix = np.array([[20, 0, 30], [0, 20, 30], [0, 0, -1]], np.float32)
    behind = np.array([[20, 0, 30], [0, 20, 30], [-5, 0, 1]], np.float32)
    jobs = Jobs.of([[[0, 0, 0.4, 0, 0, 0.1]]] * 2, [[1.0]], seed=[1, 2], projection=[matrix, behind])
    done = accumulate(jobs, size=64, points=500)
    assert done.outside[1] == 500
    # A projection is only known up to its sign, and a constant negative last row is one.
    assert done.counts[0].sum() + done.outside[0] == 500


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_sign_of_an_affine_projection_says_nothing(backend: Any) -> None:
    matrix = np.array([[20, 3, 30], [-2, 15, 25], [0, 0, 2]], np.float32)
    jobs = Jobs.of([[[0, 0, 0.4, 0, 0, 0.1]]] * 2, [[1.0]], seed=[1, 1], projection=[matrix, -matrix])
    done = accumulate(jobs, size=64, points=500, backend=backend)
    u, v, w = matrix @ [0.4, 0.1, 1]
    assert done.counts[0, int(v / w), int(u / w)] == 500
    assert np.array_equal(done.counts[0], done.counts[1])


def test_expanding_systems_restart_and_are_discarded() -> None:
    jobs = Jobs.of([[[3.0, 0, 1, 0, 3.0, 1]]], [[1.0]], seed=[4], projection=view((16, 16)))
    done = accumulate(jobs, size=16, points=20_000)
    assert done.discarded[0] > 500
    assert done.counts.sum() + done.outside[0] + done.discarded[0] == 20_000
    assert not np.isnan(orbit(jobs, 1000)).any()


def test_thread_count_and_batch_do_not_matter() -> None:
    maps, weights = system(5, seed=1)
    variation = np.array([0, 4, 0, 17, 29, 0, 20, 14, 27, 16])
    jobs = Jobs.of([maps] * 10, [weights], seed=np.arange(10), variation=variation, projection=view((32, 32)))
    one = accumulate(jobs, size=32, points=30_000, threads=1).counts
    eight = accumulate(jobs, size=32, points=30_000, threads=8).counts
    assert np.array_equal(one, eight)
    alone = Jobs.of([maps], [weights], seed=[3], variation=17, projection=view((32, 32)))
    assert np.array_equal(accumulate(alone, size=32, points=30_000).counts[0], one[3])


def test_points_by_job_do_not_change_a_job() -> None:
    """Also where the neighbour's number asks for another number of walkers."""
    maps, weights = system(5, seed=1)
    pair = Jobs.of([maps] * 2, [weights], seed=[1, 2], projection=view((32, 32)))
    alone = Jobs.of([maps], [weights], seed=[1], projection=view((32, 32)))
    both = accumulate(pair, size=32, points=[10_000, 300_000]).counts[0]
    assert np.array_equal(both, accumulate(alone, size=32, points=10_000).counts[0])


def test_a_map_of_weight_zero_is_never_chosen() -> None:
    """Not even where the others' weights add up to a little less than 1."""
    far = [0.0, 0, 1000, 0, 0, 1000]
    maps = [[0.5, 0, -1, 0, 0.5, 0], [0.5, 0, 1, 0, 0.5, 0], far]
    jobs = Jobs.of([maps] * 8, [[0.49996, 0.49996, 0]], seed=np.arange(8), projection=view((8, 8)))
    assert accumulate(jobs, size=8, points=300_000).outside.sum() == 0


def test_start_points_are_used() -> None:
    start = np.full((1, 4, 2), 0.75, np.float32)
    jobs = Jobs.of([[[1, 0, 0, 0, 1, 0]]], [[1.0]], seed=[1], start=start)
    assert np.all(orbit(jobs, 64, burn_in=0) == 0.75)


def test_growth_of_a_single_map_is_its_logarithm() -> None:
    jobs = Jobs.of([[[0.5, 0, 1, 0, 0.5, 1]], [[2.0, 0, 1, 0, 2.0, 1]]], [[1.0]], seed=[1, 2])
    assert growth(jobs) == pytest.approx(np.log([0.5, 2.0]), abs=1e-3)
    assert growth(jobs, backend="reference") == pytest.approx(np.log([0.5, 2.0]), abs=1e-3)


def test_growth_of_maps_that_fling_points_away_is_that_of_the_farthest_that_counts() -> None:
    """Four factors of 1e10 overflow float32. Beyond a radius of 1e15, from one of 1e5, nothing is told apart."""
    scales = np.array([1e9, 1e10, 1e12])
    maps = scales[:, None, None] * [[[1.0, 0, 0, 0, 1, 0], [0, 1, 0, -1, 0, 0]]]
    jobs = Jobs.of(maps, [[0.5, 0.5]], seed=[1, 2, 3])
    wanted = np.log(np.minimum(scales, 1e10))
    for steps in (24, 9, 4):
        assert growth(jobs, steps) == pytest.approx(wanted, rel=1e-5)
    assert growth(jobs, backend="reference") == pytest.approx(wanted, rel=1e-5)


def test_growth_agrees_with_the_reference() -> None:
    systems = [system(4, seed) for seed in range(6)]
    jobs = Jobs.of([m for m, _ in systems], [w for _, w in systems], seed=np.arange(6))
    assert growth(jobs) == pytest.approx(growth(jobs, backend="reference"), abs=0.12)


@pytest.mark.parametrize(
    "arguments",
    [
        {"maps": np.zeros((1, 3, 5)), "weights": [1.0, 0, 0]},
        {"maps": np.zeros((1, 2, 6)), "weights": [0.7, 0.7]},
        {"maps": np.zeros((1, 2, 6)), "weights": [1.5, -0.5]},
        {"maps": np.zeros((1, 2, 6)), "weights": [0.5, 0.5], "variation": 999},
        {"maps": np.zeros((1, 2, 6)), "weights": [0.5, 0.5], "projection": np.full((3, 3), np.nan)},
        {"maps": np.zeros((1, 2, 6)), "weights": [0.5, 0.5], "start": np.zeros((1, 0, 2))},
    ],
)
def test_malformed_jobs_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Jobs.of(**arguments, seed=1)  # type: ignore[arg-type]


def test_impossible_numbers_are_refused(five_maps: Jobs) -> None:
    for size, points in ((0, 1), (8, 0), (2**20, 1)):
        with pytest.raises(ValueError, match=r"."):
            accumulate(five_maps, size=size, points=points)
    with pytest.raises(ValueError, match="unknown backend"):
        accumulate(five_maps, size=8, points=1, backend="abacus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads"):
        accumulate(five_maps, size=8, points=1, threads=0)


def test_a_whole_array_is_told_by_the_number_that_is_wrong_in_it(five_maps: Jobs) -> None:
    many = np.arange(10_000)
    above = f"got {MAX_STEPS + 9999}"
    for points, told in ((many, "got 0"), (many + MAX_STEPS, above), (many / 2, r"got \[0\.0, 0\.5, .*\]")):
        with pytest.raises(ValueError, match=rf"^points must be whole numbers, 1 to {MAX_STEPS}, {told}$"):
            accumulate(five_maps, size=8, points=points)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_jobs_that_are_not_wanted_change_nothing_for_the_others(five_maps: Jobs, backend: str) -> None:
    jobs = dataclasses.replace(five_maps, variation=np.array([0, 14, 4], np.int32)[:, None, None].repeat(5, axis=1))
    options: dict[str, Any] = {"backend": backend, "threads": 2}
    for wanted in (np.array([2, 0]), np.array([1]), np.array([], np.int64)):
        points, rate = orbit(jobs, 300, rows=wanted, **options), growth(jobs, rows=wanted, **options)
        assert points.shape == (3, 300, 2) and rate.shape == (3,)
        assert np.array_equal(points[wanted], orbit(jobs, 300, **options)[wanted])
        assert np.array_equal(rate[wanted], growth(jobs, **options)[wanted])
