"""The CUDA kernels, blocks, barriers, shared memory and all, run on the processor: the CPU's frames."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from fractalvid.kernels import Jobs, accumulate, growth, orbit, reference, render, tone
from fractalvid.kernels.cpu import points
from fractalvid.kernels.cuda import game
from fractalvid.kernels.cuda import points as device_points
from fractalvid.kernels.cuda.device import uploaded
from fractalvid.kernels.cuda.game import CompiledVariations, Paints, Tuning, variations_of
from fractalvid.kernels.cuda.source import Module
from fractalvid.kernels.cuda.tone import plan
from tests.kernels.conftest import system, view
from tests.kernels.cuda.host_device import HostDevice

LINEAR = CompiledVariations((0,))
SIZE = (40, 56)


def some_jobs(**options: object) -> Jobs:
    """Three jobs of five maps, under a flat view, one that is too close, and a perspective."""
    maps, weights = system(5, seed=1)
    tilted = np.array([[6, 0.5, 28], [-0.5, 5, 20], [0.02, -0.03, 1]], np.float32)
    projection = [view(SIZE), view(SIZE, 0.5), tilted]
    return Jobs.of([maps] * 3, [weights], seed=[1, 2, 2**60 + 3], projection=projection, **options)  # type: ignore[arg-type]


def many(count: int, jobs: Jobs) -> np.ndarray:
    return np.full(len(jobs), count, np.int64)


def counted(device: HostDevice, jobs: Jobs, count: int, **options: object) -> game.Counted:
    chosen = {"variations": LINEAR, "burn_in": 5} | options
    return game.accumulate(device, jobs, size=SIZE, points=many(count, jobs), **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 255, 1024, 1025, 20_001])
def test_books_balance_and_counts_are_the_cpus(count: int) -> None:
    jobs = some_jobs()
    got, wanted = counted(HostDevice(), jobs, count), accumulate(jobs, size=SIZE, points=count, burn_in=5)
    total = got.counts.sum(axis=(1, 2), dtype=np.int64) + got.outside + got.discarded
    assert total.tolist() == [count] * 3
    # The same points; a few lie within rounding of a pixel's edge.
    assert np.abs(got.counts.astype(int) - wanted.counts.astype(int)).sum() <= 2 + 1e-4 * count
    assert np.abs(got.outside - wanted.outside).max() <= 1 + 1e-4 * count
    assert count < 1000 or got.outside[1] > 0


@pytest.mark.parametrize("walkers", [1, 4])
def test_nothing_depends_on_the_launch(walkers: int) -> None:
    """Walkers a thread, tiles, the order of threads: the same counts to the last one, and the same pictures."""
    jobs = some_jobs(colour=[[0.1, 0.3, 0.5, 0.7, 0.9]])
    one = counted(HostDevice(), jobs, 5000)
    small = HostDevice(shared_bytes=12_000, backwards=True)
    other = counted(small, jobs, 5000, tuning=Tuning(walkers=walkers))
    assert small.launched[-1][2][1] > 1, "more than one tile"
    for first, second in zip(one, other, strict=True):
        assert np.array_equal(first, second)
    cut = counted(HostDevice(), jobs, 5000, tuning=Tuning(tile=(17, 23)))
    assert np.array_equal(one.counts, cut.counts)
    assert np.array_equal(one.discarded, cut.discarded)


def test_many_points_are_the_cpus() -> None:
    jobs = some_jobs().select(np.array([0]))
    got, wanted = counted(HostDevice(), jobs, 200_001), accumulate(jobs, size=SIZE, points=200_001, burn_in=5)
    assert np.abs(got.counts.astype(int) - wanted.counts.astype(int)).sum() <= 40


def test_walkers_that_escape_are_discarded_and_begin_again() -> None:
    maps = [[[3.0, 0, 0.1, 0, 3.0, 0.1], [0.5, 0, 0, 0, 0.5, 0]]]
    jobs = Jobs.of(maps, [[0.55, 0.45]], seed=[4], projection=view(SIZE))
    got, wanted = counted(HostDevice(), jobs, 50_000), accumulate(jobs, size=SIZE, points=50_000, burn_in=5)
    assert got.discarded[0] == wanted.discarded[0] > 50
    assert int(got.counts.sum()) + got.outside[0] + got.discarded[0] == 50_000


def test_walkers_begin_where_they_are_told() -> None:
    jobs = Jobs.of(
        [[[1, 0, 0, 0, 1, 0]]], [[1.0]], seed=[1], projection=view(SIZE), start=[[[0.1, 0.2], [-3, 3.1], [9e6, 0]]]
    )
    got, wanted = counted(HostDevice(), jobs, 900, burn_in=0), accumulate(jobs, size=SIZE, points=900, burn_in=0)
    assert np.array_equal(got.counts, wanted.counts)
    assert got.discarded[0] == 300


@pytest.mark.parametrize("coloured", [False, True])
def test_pictures_are_the_cpus(coloured: bool) -> None:
    jobs = some_jobs(colour=[[0.0, 0.3, 0.5, 0.7, 1.0]] if coloured else None)
    exposure = np.array([[64, 20], [1, 10], [50, 40]], np.float32)
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (3, 256, 3), np.uint8) if coloured else None
    curve = np.arange(255, -1, -1).astype(np.uint8) if coloured else None
    paints = None if palette is None or curve is None else Paints(curve, palette)
    got = game.render(
        *(HostDevice(shared_bytes=16_000), jobs),
        size=SIZE, points=many(20_000, jobs), exposure=exposure, burn_in=5, variations=LINEAR, paints=paints,
    )  # fmt: skip
    options = {"size": SIZE, "points": 20_000, "burn_in": 5, "palette": palette, "curve": curve}
    wanted = render(jobs, exposure=exposure, **options)  # type: ignore[arg-type]
    assert (np.abs(got.astype(int) - wanted) <= (2 if not coloured else 3)).mean() > 0.995
    assert wanted.std() > 20
    by_largest = game.render_by_largest(
        *(HostDevice(backwards=True), jobs),
        size=SIZE, points=many(20_000, jobs), clip=np.array([7, 2, 7]), burn_in=5, variations=LINEAR, paints=paints,
    )  # fmt: skip
    expected = render(jobs, exposure="max", clip=[7, 2, 7], **options)  # type: ignore[arg-type]
    assert (np.abs(by_largest.astype(int) - expected) <= (2 if not coloured else 3)).mean() > 0.995


@pytest.mark.parametrize("number", [4, 17, 20])
def test_the_distribution_is_the_references(number: int) -> None:
    """Where the dynamics spread roundings, points differ from the CPU's, but not what they make up."""
    maps, weights = system(4, seed=11)
    jobs = Jobs.of([maps], [weights], seed=[5], variation=number, projection=view((24, 24), 3))
    count = 20_000
    got = game.accumulate(
        HostDevice(),
        jobs,
        size=(24, 24),
        points=many(count, jobs),
        burn_in=32,
        variations=CompiledVariations((4, 17, 20)),
    )
    slow = accumulate(jobs, size=24, points=count, backend="reference").counts
    truth = accumulate(dataclasses.replace(jobs, seed=np.array([99], np.uint64)), size=24, points=2_000_000).counts
    p = truth / truth.sum()
    distance = [np.abs(counts / counts.sum() - p).sum() for counts in (got.counts, slow)]
    assert distance[0] < 1.15 * distance[1] + 0.01


def test_sums_and_choices_by_map() -> None:
    maps, weights = system(3, seed=2)
    number: Any = [[[13, 3], [24, 0], [31, 14]], [[13, 3], [13, 3], [13, 3]]]
    amount: Any = [[[0.5, 0.5], [1, 0], [0.3, 0.7]], [[0.4, 0.6]] * 3]
    params = np.zeros((2, 3, 2, 4), np.float32)
    params[0, 1, 0, :3] = [1.1, 0.4, 5]
    jobs = Jobs.of(
        [maps] * 2, [weights], seed=[1, 2], projection=view((24, 24), 3), variation=number, amount=amount, params=params
    )
    variations = variations_of(jobs)
    assert (variations.fused, variations.summed) == ((), (3, 13, 14, 24, 31))
    got = game.accumulate(
        HostDevice(), jobs, size=(24, 24), points=many(40_000, jobs), burn_in=16, variations=variations
    )
    truth = accumulate(jobs, size=24, points=2_000_000).counts
    near = accumulate(jobs, size=24, points=40_000, burn_in=16).counts
    for j in range(2):
        p = truth[j] / truth[j].sum()
        ours, theirs = (np.abs(c[j] / c[j].sum() - p).sum() for c in (got.counts, near))
        assert ours < 1.15 * theirs + 0.01


def test_what_was_not_compiled_is_not_drawn() -> None:
    done = counted(HostDevice(), some_jobs(variation=4), 2000)
    assert done.discarded.tolist() == [2000] * 3


def test_what_jobs_take() -> None:
    maps = np.zeros((5, 2, 6), np.float32)
    number: Any = [[[4, 0], [4, 0]], [[4, 0], [17, 0]], [[3, 0], [9, 0]], [[0, 20], [0, 20]], [[16, 0], [16, 0]]]
    amount: Any = [[[1, 0], [1, 0]], [[1, 0], [1, 0]], [[1, 0], [1, 0]], [[0, 1], [0, 1]], [[0.5, 0], [1, 0]]]
    weights: Any = [[0.5, 0.5], [0.5, 0.5], [1, 0], [0.5, 0.5], [0.5, 0.5]]
    jobs = Jobs.of(maps, weights, seed=np.arange(5), variation=number, amount=amount)
    assert variations_of(jobs) == ((3, 4), (4, 16, 17, 20))


def test_orbits_and_growth_are_the_cpus() -> None:
    jobs = some_jobs(start=np.random.default_rng(0).uniform(-1, 1, (3, 10, 2)))
    device = HostDevice()
    got = game.orbit(device, jobs, 1000, burn_in=64, variations=LINEAR)
    assert np.allclose(got, orbit(jobs, 1000, burn_in=64), atol=1e-5)
    rates = game.growth(device, jobs, 24, burn_in=8, variations=LINEAR)
    assert np.allclose(rates, growth(jobs), atol=1e-5)
    assert np.abs(rates).min() > 0.01


def test_growth_of_maps_that_fling_points_away_is_the_cpus() -> None:
    maps = np.array([1e10, 1e12])[:, None, None] * [[[1.0, 0, 0, 0, 1, 0], [0, 1, 0, -1, 0, 0]]]
    jobs = Jobs.of(maps, [[0.5, 0.5]], seed=[1, 2])
    rates = game.growth(HostDevice(), jobs, 24, burn_in=8, variations=LINEAR)
    assert np.allclose(rates, np.log(1e10), rtol=1e-5)
    assert np.allclose(rates, growth(jobs), rtol=1e-6)


def test_statistics_of_points_are_the_cpus_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    cloud = rng.normal(0, 1, (6, 4, 1000, 2)).astype(np.float32)
    cloud[0, 0, :9] = np.inf
    cloud[1] *= 0.01
    flat, device = cloud.reshape(24, 1000, 2), HostDevice(backwards=True)
    assert np.array_equal(device_points.extent(device, flat, 0.005), points.extent(flat, 0.005))
    assert np.array_equal(device_points.share_within(device, flat, 1.5), points.share_within(flat, 1.5))
    box = np.tile(np.array([-2, -1.5, 2, 2.5], np.float32), (6, 1))
    got, wanted = device_points.on_grid(device, cloud, box), points.on_grid(cloud, box)
    for name in ("dense", "occupied", "moved"):
        assert np.array_equal(getattr(got, name), getattr(wanted, name)), name


def test_kernels_pass_over_what_a_mask_leaves_out() -> None:
    """The rest is as if all were asked for, by fewer blocks than there are jobs; what is left out stays as it was."""
    maps, weights = system(4, seed=2)
    jobs = Jobs.of([maps] * 24, [weights], seed=np.arange(24))
    device, where = HostDevice(backwards=True), np.array([False, True, True, False, True, False])
    of_job = np.repeat(where, 4)
    full = game.orbit(device, jobs, 300, burn_in=20, variations=LINEAR)
    orbits = np.full((24, 300, 2), 7, np.float32)
    game.orbit(device, jobs, 300, burn_in=20, variations=LINEAR, where=where, out=orbits)
    rates, near = np.full((2, 24), 7, np.float32)
    game.growth(device, jobs, 24, burn_in=8, variations=LINEAR, where=where, out=rates)
    device_points.share_within(device, full, 0.8, where=where, out=near)
    assert {grid[0] for _, _, grid, _, _ in device.launched[1:]} == {device.blocks}
    whole = game.growth(device, jobs, 24, burn_in=8, variations=LINEAR), device_points.share_within(device, full, 0.8)
    for got, wanted in ((orbits, full), (rates, whole[0]), (near, whole[1])):
        assert np.array_equal(got[of_job], wanted[of_job])
        assert (got[~of_job] == 7).all()
    box = device_points.extent(device, full, 0.01, where=where)
    assert np.array_equal(box[of_job], device_points.extent(device, full, 0.01)[of_job])
    views, points = np.tile(np.array([-1, -1, 1, 1], np.float32), (6, 1)), full.reshape(6, 4, 300, 2)
    some, every = (
        device_points.on_grid(device, points, views, where=where),
        device_points.on_grid(device, points, views),
    )
    assert all(np.array_equal(getattr(some, name)[where], getattr(every, name)[where]) for name in vars(every))


def test_one_number_of_points_for_all() -> None:
    jobs = some_jobs()
    options = {"size": SIZE, "burn_in": 1, "variations": LINEAR}
    for count in (3000, 200_000):
        one = game.accumulate(HostDevice(), jobs, points=count, **options)  # type: ignore[arg-type]
        each = game.accumulate(HostDevice(), jobs, points=many(count, jobs), **options)  # type: ignore[arg-type]
        assert np.array_equal(one.counts, each.counts)


def test_arrays_go_up_together() -> None:
    rng = np.random.default_rng(0)
    empty, byte = np.empty((0, 4), np.float32), np.array([7], np.uint8)
    sent: list[Any] = [np.arange(3), rng.normal(size=(2, 5))[:, ::2], empty, byte, np.eye(3)]
    for array, moved in zip(sent, uploaded(np, *sent), strict=True):
        assert array.dtype == moved.dtype and np.array_equal(array, moved)


def test_plan_is_that_of_the_cpu() -> None:
    jobs = some_jobs()
    exposure, count = np.array([[64, 20], [1, 10], [50, 40]], np.float32), np.array([10, 2000, 30_000])
    got = plan(HostDevice(), jobs.projection, exposure, count)
    assert np.allclose(got, tone.plan(jobs.projection, exposure, count), rtol=1e-6, atol=0)


def test_tiles_cover_frames_and_fit() -> None:
    for size in ((1, 1), (112, 112), (256, 256), (7, 100_000), (3000, 40), (1080, 1920)):
        for words in (500, 20_000, 57_000):
            tile = game.tile_size(size, words)
            assert game._region(size, tile) <= words
            assert all(1 <= part <= whole for part, whole in zip(tile, size, strict=True))
    assert game.tile_size((112, 112), 57_000) == (112, 112)
    assert game.tile_size((256, 256), 57_000) == (128, 256)


def test_a_frame_larger_than_shared_memory() -> None:
    """The walls between tiles cannot be seen."""
    jobs = some_jobs().select(np.array([0]))
    tiled = game.render(
        *(HostDevice(shared_bytes=6_500), jobs),
        size=SIZE, points=many(5000, jobs), exposure=np.array([[64, 20]], np.float32), burn_in=5, variations=LINEAR,
    )  # fmt: skip
    counts = accumulate(jobs, size=SIZE, points=5000, burn_in=5).counts
    wanted = reference.tone(jobs, counts, many(5000, jobs), np.array([[64, 20]], np.float32), None)
    assert (np.abs(tiled.astype(int) - wanted) <= 1).mean() > 0.995


def test_jobs_of_few_and_many_points_together() -> None:
    jobs = some_jobs()
    amounts = np.array([3000, 200_000, 77])
    device = HostDevice()
    got = game.accumulate(device, jobs, size=SIZE, points=amounts, burn_in=1, variations=LINEAR)
    total = got.counts.sum(axis=(1, 2), dtype=np.int64) + got.outside + got.discarded
    assert np.array_equal(total, amounts)
    wanted = accumulate(jobs, size=SIZE, points=amounts, burn_in=1)
    assert np.abs(got.counts.astype(int) - wanted.counts.astype(int)).sum() <= 40


def test_more_maps_than_fit_are_refused() -> None:
    count = 8000
    jobs = Jobs.of(np.zeros((1, count, 6)), np.full((1, count), 1 / count), seed=[1], projection=view(SIZE))
    with pytest.raises(ValueError, match="8000 maps of 1 variations do not fit"):
        game.orbit(HostDevice(), jobs, 10, burn_in=1, variations=LINEAR)
    with pytest.raises(ValueError, match="use the CPU"):
        counted(HostDevice(), jobs, 100)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), "takes 6 arguments, not 5"),
        ((np.float32(3),), "argument 3 is i, and float32 was given"),
        ((np.zeros(2, np.int32),), "argument 3 is i, and int32 was given"),
    ],
)
def test_launches_that_do_not_fit_the_kernel_are_noticed(wrong: tuple[Any, ...], said: str) -> None:
    """A GPU takes what it is given: what all tests here launch is compared with the sources."""
    before = (np.zeros((1, 3, 3), np.float32), np.zeros((1, 2), np.float32), np.ones(1, np.int64))
    arguments = (*before, *wrong, np.float64(1), np.empty((1, 5), np.float32))
    with pytest.raises(AssertionError, match=said):
        HostDevice().launch(Module("tone"), "plan", (1, 1), 256, 0, arguments)
