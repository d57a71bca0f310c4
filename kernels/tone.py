"""Exposure: from counts to grey, by a fixed white density instead of each clip's own maximum.

Density ρ = counts / points · (view area / plane area of the pixel) is 1 where points lie uniformly over the view.
grey = min(1, log(1 + G ρ) / log(1 + G ρ_w)) with the white density ρ_w. G makes it the reference method's
log(1 + count) at its settings: 934,400 points on 256² pixels, each adding 1 to the 3 x 3 pixels around it.
"""

import numpy as np
from numpy.typing import NDArray

GAIN = 9 * 934_400 / 256**2


def plan(
    projection: NDArray[np.float32], exposure: NDArray[np.float32], points: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What the tone map needs a job: float32 (J, 5) = gain of a 3 x 3 sum, G ρ_w, the inverse projection's last row.

    A pixel at (u, v) covers 1 / (|det P| s³) of the plane, s = |(q31, q32, q33) · (u, v, 1)| with Q = P⁻¹.

    Args:
        projection: float32 (J, 3, 3), plane to pixels.
        exposure: float32 (J, 2), view area in the plane and white density, both above 0.
        points: int64 (J,).
    """
    if exposure.shape != (len(points), 2) or not np.all(np.isfinite(exposure) & (exposure > 0)):
        raise ValueError(f"exposure must be positive and ({len(points)}, 2), got {exposure.shape}")
    matrices = projection.astype(np.float64)
    determinant = np.linalg.det(matrices)
    if np.any(determinant == 0):
        raise ValueError("projection must be invertible")
    inverse_row = np.linalg.inv(matrices)[:, 2]
    flat = (inverse_row[:, :2] == 0).all(axis=1)
    constant = np.where(flat, np.abs(inverse_row[:, 2]) ** 3, 1.0)
    gain = GAIN / (9.0 * points) * exposure[:, 0] * np.abs(determinant) * constant
    # Seen from so near that it would overflow, a pixel with any point is white, and one with none must stay 0.
    gain = np.minimum(gain, np.finfo(np.float32).max)
    return np.column_stack([gain, GAIN * exposure[:, 1], inverse_row]).astype(np.float32)
