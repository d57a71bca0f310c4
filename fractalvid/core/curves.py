"""How parameters move: interpolation curves s(t) from keyframe 0 to keyframe 1, and splines through random knots.

Times are in native frames, t in [0, T - 1]. A curve is kept as samples on a grid of quarter frames and is linear
between them. So it is a function of any real time, and rendering looks it up instead of evaluating a spline.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.constants import MAX_FRAMES

if TYPE_CHECKING:
    from scipy.interpolate import BSpline

Floats = NDArray[np.float64]

SUBFRAMES = 4
"""How many samples of a curve there are for each native frame."""

CURVE_KINDS = ("linear", "sharp", "curve", "periodic")
_PROBABILITY = {"sharp": 0.2, "curve": 0.55, "periodic": 0.25}


def _spline(at: NDArray[np.floating[Any]], values: Floats) -> "BSpline":
    """A quadratic spline through values at times."""
    from scipy.interpolate import make_interp_spline  # takes a second to import, and commands read options before

    return make_interp_spline(at, values, k=2)


def grid(frames: int) -> Floats:
    """Times of a curve's samples for a clip of `frames` native frames: (SUBFRAMES (frames - 1) + 1,)."""
    return np.arange(SUBFRAMES * (frames - 1) + 1) / SUBFRAMES


def hold_last(curves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Curves (S, N) of a clip on the grid of the longest clips, where the last sample stands for all later times."""
    return np.pad(curves, ((0, len(grid(MAX_FRAMES)) - len(curves)), (0, 0)), mode="edge")


def sample_curve(kind: str, frames: int, rng: np.random.Generator) -> Floats:
    """Draw a curve of that kind (see CURVE_KINDS) on `grid(frames)`."""
    match kind:
        case "linear":
            return grid(frames) / (frames - 1)
        case "sharp":
            return _sharp(frames, rng)
        case "curve":
            return _spline_curve(frames, rng)
        case "periodic":
            return _periodic(frames, rng)
    raise ValueError(f"unknown curve {kind!r}; known: {', '.join(CURVE_KINDS)}")


def _sharp(frames: int, rng: np.random.Generator) -> Floats:
    """At rest but for a linear ramp of 4..8 frames, with at least 4 frames of rest on either side."""
    ramp = rng.integers(4, 8, endpoint=True)
    begin = rng.integers(4, frames - 1 - ramp - 4, endpoint=True)
    return np.clip((grid(frames) - begin) / ramp, 0, 1)


def _spline_curve(frames: int, rng: np.random.Generator) -> Floats:
    """A quadratic spline through 5..9 knots in [0, 1], redrawn up to 6 times until it moves enough."""
    count = rng.integers(5, 9, endpoint=True)
    for _ in range(1 + 6):
        knots = rng.uniform(0, 1, count)
        if np.abs(np.diff(knots)).mean() > 0.45:
            break
    return spline_matrix(int(count), tuple(grid(frames) / (frames - 1))) @ knots


def _periodic(frames: int, rng: np.random.Generator) -> Floats:
    """(1 + A sin(∫f - π/2)) / 2, small, with frequency and amplitude splines through knots at every half period."""
    period = rng.uniform(5, 15)
    angle = 2 * np.pi * grid(frames) / period
    count = max(3, int(np.ceil(angle[-1] / np.pi)) + 1)
    at = np.pi * np.arange(count)
    frequency = _spline(at, rng.uniform(0.15, 1.7, count))
    amplitude = _spline(at, rng.uniform(0.6, 1.0, count))
    phase = frequency.antiderivative()
    wave = (1 + amplitude(angle) * np.sin(phase(angle) - phase(0.0) - np.pi / 2)) / 2
    return np.asarray(wave * rng.uniform(1.5, 4) * period / 100, np.float64)


def sample_curves(
    num_maps: int, frames: int, motion: str, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Curves of a class, one a map: samples float32 (S, N) and kinds int8 (N,), indices into CURVE_KINDS.

    `motion` is "linear" (every map moves evenly) or "paper": all linear with probability 0.2; else, with 0.4, one drawn
    curve for all maps; else each map picks from one or two drawn curves and the linear one.
    """
    if motion == "linear" or rng.random() < 0.2:
        pool = ["linear"]
    elif rng.random() < 0.4:
        pool = [_draw_kind(rng)]
    else:
        pool = [_draw_kind(rng) for _ in range(rng.integers(1, 2, endpoint=True))] + ["linear"]
    curves = np.stack([sample_curve(kind, frames, rng) for kind in pool], axis=1)
    chosen = rng.integers(0, len(pool), num_maps)
    kinds = np.array([CURVE_KINDS.index(pool[i]) for i in chosen], np.int8)
    return curves[:, chosen].astype(np.float32), kinds


def _draw_kind(rng: np.random.Generator) -> str:
    return str(rng.choice(list(_PROBABILITY), p=list(_PROBABILITY.values())))


@cache
def spline_matrix(knots: int, at: tuple[float, ...]) -> Floats:
    """The quadratic spline through equidistant knots on [0, 1]: the matrix (len(at), knots) from values to samples."""
    return np.asarray(_spline(np.linspace(0, 1, knots), np.eye(knots))(np.array(at)), np.float64)


def sample_grid(values: NDArray[np.float32], times: ArrayLike) -> NDArray[np.float32]:
    """Linear interpolation of grid samples (B, S, ...) at times (B, F) in native frames: (B, F, ...)."""
    position = np.asarray(times, np.float64) * SUBFRAMES
    left = np.clip(position.astype(np.int64), 0, values.shape[1] - 2)
    share = (position - left).astype(np.float32).reshape(*left.shape, *(1,) * (values.ndim - 2))
    rows = np.arange(len(values))[:, None]
    return np.asarray(values[rows, left] * (1 - share) + values[rows, left + 1] * share, np.float32)
