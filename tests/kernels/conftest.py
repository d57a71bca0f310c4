"""Systems to test kernels with."""

import numpy as np
import pytest

from fractalvid.fractals.ifs import compose, map_weights, sample_singular_values
from fractalvid.kernels import Jobs


def system(num_maps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps (N, 6) and weights (N,) of a random system."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, (2, num_maps))
    signs = rng.choice([-1.0, 1.0], (num_maps, 4))
    sigma = sample_singular_values(num_maps, rng)
    maps = compose(angles[0], angles[1], sigma, signs, rng.uniform(-1, 1, (num_maps, 2))).astype(np.float32)
    return maps, map_weights(maps[None, None], np.array([num_maps]))[0, 0]


def view(size: tuple[int, int], reach: float = 4.0) -> np.ndarray:
    """Projection of [-reach, reach]² to a frame of that size."""
    height, width = size
    return np.array([[width / (2 * reach), 0, width / 2], [0, height / (2 * reach), height / 2], [0, 0, 1]], np.float32)


@pytest.fixture
def five_maps() -> Jobs:
    """Three jobs of a system of five maps, on a frame of 64²."""
    maps, weights = system(5, seed=1)
    return Jobs.of([maps] * 3, [weights], seed=[1, 2, 3], projection=view((64, 64)))
