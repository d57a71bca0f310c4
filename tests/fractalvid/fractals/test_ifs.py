"""Systems: the σ-factor band, composition against matrix products, weights."""

import numpy as np
import pytest

from fractalvid.fractals.ifs import WEIGHT_FLOOR, compose, map_weights, sample_singular_values


@pytest.mark.parametrize("num_maps", [3, 5, 8])
def test_singular_values_lie_in_the_band(num_maps: int) -> None:
    rng = np.random.default_rng(0)
    sums = []
    for _ in range(300):
        sigma = sample_singular_values(num_maps, rng)
        assert sigma.shape == (num_maps, 2)
        assert np.all((sigma >= -1e-12) & (sigma <= 1 + 1e-12))
        assert np.all(sigma[:, 0] >= sigma[:, 1] - 1e-12)
        sums.append((sigma @ [1, 2]).sum())
    low, high = (5 + num_maps) / 2, (6 + num_maps) / 2
    assert low <= min(sums) < low + 0.05
    assert high - 0.05 < max(sums) <= high


def test_composition_is_the_matrix_product() -> None:
    rng = np.random.default_rng(1)
    theta, phi = rng.uniform(0, 6, 2)
    sigma, shift, signs = rng.uniform(0, 1, 2), rng.uniform(-1, 1, 2), np.array([1.0, -1, -1, 1])

    def rotation(angle: float) -> np.ndarray:
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    matrix = rotation(theta) @ np.diag(signs[:2]) @ np.diag(sigma) @ rotation(phi) @ np.diag(signs[2:])
    a, b, c, d, e, f = compose(np.array(theta), np.array(phi), sigma, signs, shift)
    assert np.allclose([[a, b], [d, e]], matrix)
    assert np.allclose([c, f], shift)


def test_weights_follow_determinants_with_a_floor() -> None:
    maps = np.zeros((1, 1, 4, 6), np.float32)
    maps[0, 0, :, 0] = [0.8, 0.4, 0.0, 0.9]
    maps[0, 0, :, 4] = [1.0, 1.0, 1.0, 1.0]
    weights = map_weights(maps, np.array([3]))[0, 0]
    assert weights.sum() == pytest.approx(1)
    assert weights[3] == 0
    assert weights[1] / weights[0] == pytest.approx(0.5)
    assert weights[2] / weights[0] == pytest.approx(WEIGHT_FLOOR)
