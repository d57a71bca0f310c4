"""How a class of fractals is drawn: keyframe systems, curves between them, variations."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.curves import hold_last, sample_curves
from fractalvid.core.seeds import class_generator
from fractalvid.fractals.config import MAX_MAPS, ClassConfig
from fractalvid.fractals.ifs import sample_singular_values

_AXIS_OF_MAPS = {"variation": 0, "signs": 0, "curve_kind": 0} | dict.fromkeys(
    ("amount", "params", "theta", "phi", "sigma", "shift", "curve"), 1
)


def sample_class(seed: int, class_id: int, config: ClassConfig) -> dict[str, Any]:
    """Draw a class: its row of each array of `fractalvid.fractals.bank.ClassBank` (section 3 of the paper)."""
    rng = class_generator(seed, class_id)
    n = int(rng.integers(config.min_maps, config.max_maps, endpoint=True))
    frames = int(rng.integers(config.min_frames, config.max_frames, endpoint=True))
    first = rng.uniform(0, 2 * np.pi, (2, n))
    second = first + rng.uniform(-np.pi, np.pi, (2, n))
    theta, phi = np.stack([first, second], axis=1)
    # Sorted by determinant at both keyframes: large maps meet large maps.
    sigma = np.stack([_sorted_by_area(sample_singular_values(n, rng)) for _ in range(2)])
    signs = rng.choice([-1.0, 1.0], (n, 4))
    shift = rng.uniform(-1, 1, (2, n, 2))
    if rng.random() < config.constant_shift:
        shift[1] = shift[0]
    linear = rng.random() < config.linear_share
    named = None if linear else str(rng.choice(config.variations))
    curve, kinds = sample_curves(n, frames, config.motion, rng)
    # Last, so that classes of one seed have the same maps and curves whatever their variations.
    chosen = config.mix.sample(named, n, rng)
    return padded(
        native_frames=np.int64(frames),
        num_maps=np.int64(n),
        **chosen,
        theta=theta,
        phi=phi,
        sigma=sigma,
        signs=signs,
        shift=shift,
        curve=hold_last(curve),
        curve_kind=kinds,
    )


def padded(**arrays: Any) -> dict[str, Any]:
    """The arrays of a class of N maps, filled up with zeros to `MAX_MAPS` along their axis of maps."""
    return {name: _filled_up(array, _AXIS_OF_MAPS.get(name)) for name, array in arrays.items()}


def _filled_up(array: Any, axis: int | None) -> Any:
    if axis is None:
        return array
    whole = np.zeros((*array.shape[:axis], MAX_MAPS, *array.shape[axis + 1 :]), array.dtype)
    whole[(slice(None),) * axis + (slice(array.shape[axis]),)] = array  # np.pad takes five times as long
    return whole


def _sorted_by_area(sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    return sigma[np.argsort(-sigma.prod(axis=1), kind="stable")]
