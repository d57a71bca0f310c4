"""How layers move: functions of real native time, as arrays over clips, frames and layers."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TURN = 2 * np.pi


def reflect(x: Floats) -> Floats:
    """Fold the line into [0, 1] as a ball between walls does."""
    return np.asarray(1 - np.abs(np.mod(x, 2) - 1))


def heading(base: Floats, own: Floats, coherence: Floats) -> Floats:
    """Directions in radians from a clip's `base` and each layer's `own`, both in turns; coherence 1 makes all equal."""
    return np.asarray(TURN * (base + (1 - coherence) * (own - 0.5)))


def flight(start: Floats, velocity: Floats, acceleration: Floats, times: Floats) -> Floats:
    """Positions start + v t + a t² / 2 at times that broadcast."""
    return np.asarray(start + times * (velocity + 0.5 * times * acceleration))


def placed(x: Floats, y: Floats, angle: Floats, size: Floats, ratio: Floats, shear: Floats) -> NDArray[np.float32]:
    """Layers' maps to the plane, float32 (..., 6): stretch by size and size · ratio, shear, turn, move to (x, y)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    across = size * ratio
    rows = [
        *(cosine * size, (cosine * shear - sine) * across, x),
        *(sine * size, (sine * shear + cosine) * across, y),
    ]
    return np.stack(np.broadcast_arrays(*rows), axis=-1).astype(np.float32)
