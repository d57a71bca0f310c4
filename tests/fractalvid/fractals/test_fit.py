"""Instances are bounded, their views show them, and neither depends on the batch."""

import dataclasses

import numpy as np
import pytest

from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.instances import LINEAR_PART, draw_instances, maps_at, native_times, weights_at
from fractalvid.kernels import Jobs, orbit
from fractalvid.kernels.cpu.points import extent, on_grid, share_within


def independent_orbits(bank: ClassBank, fits: Fits, points: int) -> np.ndarray:
    """Longer orbits (B, 20, points, 2) from other random numbers than the view was found with."""
    times = native_times(bank, fits.instances.class_id)
    maps = maps_at(bank, fits.instances, times)
    maps[..., LINEAR_PART] *= fits.damping[:, :, None, None]
    weights = weights_at(bank, fits.instances, maps)
    jobs = Jobs.of(
        maps.reshape(-1, *maps.shape[2:]),
        weights.reshape(-1, weights.shape[2]),
        variation=np.repeat(bank.variation[fits.instances.class_id, 0, 0], times.shape[1]),
        seed=np.arange(times.size) + 12345,
    )
    return orbit(jobs, points, burn_in=100).reshape(*times.shape, points, 2)


def test_a_thousand_instances_are_bounded_and_in_view() -> None:
    many = ClassBank.sample(250, seed=7)
    seen = 0
    for instance in range(4):
        fits = fit_fractals(many, np.arange(250), instance)
        points = independent_orbits(many, fits, 2048)
        near = share_within(points.reshape(-1, 2048, 2), many.config.radius).reshape(points.shape[:2])
        whole = fits.damping.min(axis=1) == 1
        assert whole.mean() > 0.93
        assert np.mean(near[whole] >= 0.95) > 0.999
        low, high = fits.box[:, None, None, :2], fits.box[:, None, None, 2:]
        inside = ((points >= low) & (points <= high)).all(axis=3).mean(axis=2)
        assert inside.min() >= 0.93
        seen += int((inside >= 0.95).sum())
    assert seen >= 0.9995 * 1000 * 20


def test_redraws_are_few_and_reported() -> None:
    many = ClassBank.sample(200, seed=1)
    attempt = fit_fractals(many, np.arange(200), 0).instances.attempt
    assert 0.6 < np.mean(attempt == 0) < 0.95
    assert attempt.max() <= many.config.attempts


def test_a_fit_does_not_depend_on_the_batch(bank: ClassBank) -> None:
    together = fit_fractals(bank, [0, 5, 5, 11], [0, 2, 7, 1], threads=2)
    for row, (c, i) in enumerate([(0, 0), (5, 2), (5, 7), (11, 1)]):
        alone = fit_fractals(bank, c, i, threads=1)
        for field in ("damping", "box", "white", "orbit", "seed"):
            assert np.array_equal(getattr(together, field)[row], getattr(alone, field)[0]), field
        assert together.instances.attempt[row] == alone.instances.attempt[0]


def test_instances_differ_and_unmutated_ones_are_the_class(bank: ClassBank) -> None:
    a, b = draw_instances(bank, 3, 0), draw_instances(bank, 3, 1)
    assert not np.allclose(a.factor, b.factor)
    assert not np.allclose(a.offset, draw_instances(bank, 3, FIRST_VALIDATION_ID).offset)
    plain = ClassBank.sample(4, seed=3, config=ClassConfig(instance_scale=0, instance_offset=0))
    times = np.arange(18)[None]
    assert np.allclose(maps_at(plain, draw_instances(plain, 2, 9), times), plain.maps_at([2], times), atol=1e-6)


def test_multipliers_and_offsets_are_in_range(bank: ClassBank) -> None:
    drawn = draw_instances(bank, np.repeat(np.arange(12), 50), np.tile(np.arange(50), 12))
    assert np.abs(drawn.offset).max() <= 0.2
    assert np.abs(drawn.offset).max() > 0.19
    assert 0.98 < drawn.factor.mean() < 1.02
    assert 0.15 < drawn.factor.std() < 0.3


def test_attempts_change_the_draw_and_zero_attempts_damp() -> None:
    many = ClassBank.sample(120, seed=1, config=ClassConfig(attempts=0))
    fits = fit_fractals(many, np.arange(120), 0)
    damped = fits.damping.min(axis=1) < 1
    assert damped.any()
    assert np.all(fits.instances.attempt == 0)
    assert np.isfinite(fits.box).all()
    first, second = draw_instances(many, 0, 0, 0), draw_instances(many, 0, 0, 1)
    assert not np.array_equal(first.offset, second.offset)


def test_equal_scales_keep_the_planes_aspect() -> None:
    fits = fit_fractals(ClassBank.sample(5, seed=2, config=ClassConfig(equal_scales=True)), np.arange(5), 0)
    size = fits.box[:, 2:] - fits.box[:, :2]
    assert np.allclose(size[:, 0], size[:, 1], rtol=1e-5)


def test_point_statistics() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (3, 1000, 2)).astype(np.float32)
    box = extent(points, 0.005)
    expected = np.sort(points, axis=1)
    assert np.allclose(box[:, :2], expected[:, 5])
    assert np.allclose(box[:, 2:], expected[:, -6])
    assert np.allclose(share_within(points, 0.5), (np.hypot(*np.moveaxis(points, 2, 0)) <= 0.5).mean(axis=1))


@pytest.mark.parametrize("count", [1, 63, 64, 200, 1024])
@pytest.mark.parametrize("tail", [0.0, 0.005, 0.45])
def test_extents_are_order_statistics(count: int, tail: float) -> None:
    rng = np.random.default_rng(count)
    points = rng.normal(0, 1, (4, count, 2)).astype(np.float32)
    points[1] = np.round(points[1])  # many are equal
    points[2, rng.random(count) < 0.2] = np.inf
    ordered, cut = np.sort(points, axis=1), int(tail * count)
    assert np.array_equal(extent(points, tail), np.concatenate([ordered[:, cut], ordered[:, -1 - cut]], axis=1))


def test_dense_is_the_count_that_95_percent_of_the_points_do_not_exceed() -> None:
    points = (np.random.default_rng(0).uniform(0, 1, (2, 3, 900, 2)) ** 3).astype(np.float32)
    points[0, 0] = 7  # outside
    found = on_grid(points, np.tile(np.array([0, 0, 1, 1], np.float32), (2, 1)))
    for clip, time in np.ndindex(2, 3):
        x, y = points[clip, time].T
        count = np.sort(np.histogram2d(x, y, bins=32, range=[[0, 1], [0, 1]])[0].ravel())
        enough = np.cumsum(count) >= np.float32(0.95) * count.sum()
        assert found.dense[clip, time] == np.float32(max(count[enough.argmax()], 1)) * np.float32(1024) / 900


def test_orbits_on_a_grid() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (3, 2, 1000, 2)).astype(np.float32)
    unit = np.tile(np.array([0, 0, 1, 1], np.float32), (3, 1))
    even = on_grid(points, unit)
    # A thousand points on 1024 cells: most cells hold 0..2, and 95 % of the points lie in cells of at most 4.
    assert np.all((even.dense >= 2) & (even.dense <= 4.2))
    assert np.allclose(even.occupied, 1 - np.exp(-1000 / 1024), atol=0.05)
    corner = on_grid((points * 0.25).astype(np.float32), unit)
    assert np.all(corner.dense > 15)
    assert np.all(corner.occupied <= 1 / 16)
    counts = [
        np.histogram2d(points[0, t, :, 0], points[0, t, :, 1], bins=32, range=[[0, 1], [0, 1]])[0] for t in range(2)
    ]
    assert even.occupied[0, 1] == np.mean(counts[1] > 0)
    assert even.moved[0, 1] == pytest.approx(np.abs(counts[1] - counts[0]).sum() / 2000)
    assert np.all(even.moved[:, 0] == 0)
    still = on_grid(np.repeat(points[:, :1], 3, axis=1), unit)
    assert np.all(still.moved == 0)
    gone = points.copy()
    gone[:, 1] += 5
    assert np.allclose(on_grid(gone, unit).moved[:, 1], 1)


def test_escaped_points_do_not_spoil_the_view() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (1, 1000, 2)).astype(np.float32)
    points[0, :3] = np.inf
    assert np.isfinite(extent(points, 0.005)).all()


@pytest.mark.parametrize("field", ["box", "white"])
def test_views_do_not_depend_on_threads(bank: ClassBank, field: str) -> None:
    one, eight = (fit_fractals(bank, np.arange(12), 1, threads=n) for n in (1, 8))
    assert np.array_equal(getattr(one, field), getattr(eight, field))
    assert dataclasses.is_dataclass(one)
