"""Iterated function systems by their decomposition: rotations, reflections, singular values and shifts.

A map is A x + b with A = R(θ) D1 diag(σ1, σ2) R(φ) D2, σ1 >= σ2, D1 and D2 diagonal ±1.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WEIGHT_FLOOR = 0.01
"""A map is chosen at least this share of the largest map's probability, however small its determinant."""


def sample_singular_values(num_maps: int, rng: np.random.Generator) -> Floats:
    """Singular values (N, 2) with sum σ1 + 2 σ2 = α, α uniform in [(5+N)/2, (6+N)/2].

    The σ-factor method of Anderson & Farrell, "Improving Fractal Pre-training" (WACV 2022): systems whose contraction
    lies in the band that gives well-filled attractors.
    """
    n = num_maps
    alpha = rng.uniform((5 + n) / 2, (6 + n) / 2)
    low, high = alpha - 3 * n + 3, alpha
    values = np.empty((n, 2))
    for j in range(n - 1):
        first = rng.uniform(max(0.0, low / 3), min(1.0, high))
        low, high = low - first, high - first
        second = rng.uniform(max(0.0, low / 2), min(first, high / 2))
        low, high = low - 2 * second + 3, high - 2 * second
        values[j] = first, second
    last = rng.uniform(max(0.0, (high - 1) / 2), high / 3)
    values[n - 1] = high - 2 * last, last
    return values


def compose(theta: Floats, phi: Floats, sigma: Floats, signs: Floats, shift: Floats) -> Floats:
    """Affine coefficients a b c d e f (..., 6) of x' = a x + b y + c, y' = d x + e y + f.

    Args:
        theta: angle of the outer rotation (...,), radians.
        phi: angle of the inner rotation (...,), radians.
        sigma: singular values (..., 2).
        signs: diagonals of D1 and D2 (..., 4), each ±1.
        shift: b (..., 2).
    """
    cos_t, sin_t, cos_p, sin_p = np.cos(theta), np.sin(theta), np.cos(phi), np.sin(phi)
    s1, s2 = signs[..., 0] * sigma[..., 0], signs[..., 1] * sigma[..., 1]
    left, right = signs[..., 2], signs[..., 3]
    return np.stack(
        [
            (cos_t * s1 * cos_p - sin_t * s2 * sin_p) * left,
            (-cos_t * s1 * sin_p - sin_t * s2 * cos_p) * right,
            shift[..., 0],
            (sin_t * s1 * cos_p + cos_t * s2 * sin_p) * left,
            (-sin_t * s1 * sin_p + cos_t * s2 * cos_p) * right,
            shift[..., 1],
        ],
        axis=-1,
    )


def map_weights(maps: NDArray[np.float32], num_maps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Probability of each map, in proportion to |det A|, at least WEIGHT_FLOOR of the largest.

    Args:
        maps: (B, F, N, 6), padded.
        num_maps: (B,), how many of the N are real.

    Returns:
        float32 (B, F, N), rows sum to 1, 0 for padding.
    """
    size = np.abs(maps[..., 0] * maps[..., 4] - maps[..., 1] * maps[..., 3])
    real = np.arange(maps.shape[2]) < num_maps[:, None]
    size = np.where(real[:, None], size, 0)
    size = np.maximum(size, WEIGHT_FLOOR * np.maximum(size.max(axis=-1, keepdims=True), 1e-12)) * real[:, None]
    return np.asarray(size / size.sum(axis=-1, keepdims=True), np.float32)
