"""Curves: shape of each kind, the mix, and interpolation."""

import numpy as np
import pytest

from fractalvid.core.curves import CURVE_KINDS, SUBFRAMES, grid, sample_curve, sample_curves, sample_grid, spline_matrix


def curves(kind: str, count: int = 200, frames: int = 20) -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.stack([sample_curve(kind, frames, rng) for _ in range(count)])


def test_linear_runs_evenly_from_0_to_1() -> None:
    assert np.allclose(curves("linear", 1)[0], np.linspace(0, 1, SUBFRAMES * 19 + 1))


def test_sharp_rests_on_either_side_of_a_short_ramp() -> None:
    for s in curves("sharp"):
        native = s[::SUBFRAMES]
        assert np.all(native[:5] == 0)
        assert np.all(native[-5:] == 1)
        assert 4 <= np.count_nonzero(np.diff(native)) <= 8


def test_spline_curves_move_and_overshoot_sometimes() -> None:
    s = curves("curve")
    assert np.mean(np.abs(np.diff(s, axis=1)).sum(axis=1)) > 1.5
    outside = ((s < 0) | (s > 1)).any(axis=1).mean()
    assert 0.1 < outside < 0.9
    assert s.min() > -0.8
    assert s.max() < 1.8


def test_periodic_curves_are_small() -> None:
    s = curves("periodic")
    span = s.max(axis=1) - s.min(axis=1)
    assert 0.18 < span.mean() < 0.34
    assert np.all(s > -0.05)
    assert np.all(s[:, 0] < 0.15 * s.max(axis=1) + 0.2)


def test_the_mix_has_every_kind_and_shares_curves_between_maps() -> None:
    rng = np.random.default_rng(3)
    drawn = [sample_curves(5, 19, "paper", rng) for _ in range(400)]
    kinds = np.concatenate([k for _, k in drawn])
    assert set(kinds.tolist()) == set(range(len(CURVE_KINDS)))
    all_linear = np.mean([np.all(k == 0) for _, k in drawn])
    assert 0.15 < all_linear < 0.3
    assert all(c.shape == (len(grid(19)), 5) for c, _ in drawn)


def test_linear_motion_has_linear_curves_only() -> None:
    samples, kinds = sample_curves(4, 18, "linear", np.random.default_rng(0))
    assert np.all(kinds == 0)
    assert np.allclose(samples[-1], 1)


@pytest.mark.parametrize("knots", [3, 4, 7, 9])
def test_splines_pass_through_their_knots(knots: int) -> None:
    values = np.random.default_rng(knots).uniform(0, 1, knots)
    assert np.allclose(spline_matrix(knots, tuple(np.linspace(0, 1, knots))) @ values, values)


def test_grid_samples_are_linear_in_between() -> None:
    values = np.random.default_rng(0).uniform(0, 1, (2, SUBFRAMES * 19 + 1, 3)).astype(np.float32)
    times = np.array([[0, 0.125, 19.0], [3.5, 7.25, 18.9]])
    got = sample_grid(values, times)
    assert np.allclose(got[0, 0], values[0, 0])
    assert np.allclose(got[0, 1], (values[0, 0] + values[0, 1]) / 2, atol=1e-6)
    assert np.allclose(got[0, 2], values[0, -1])
    assert np.allclose(got[1, 0], values[1, 14])


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown curve"):
        sample_curve("wobble", 20, np.random.default_rng(0))
