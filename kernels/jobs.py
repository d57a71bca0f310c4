"""The input of every kernel: a batch of iterated function systems, checked once."""

from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.kernels.checks import float_array, whole_array
from fractalvid.kernels.variations import LINEAR, MAX_PARAMS, VARIATIONS

Array = Any
"""An array of NumPy or CuPy."""

SUMMED = -1
"""In place of the number of a variation: the maps of a job sum variations, or take different ones."""


def fused_variation(variation: Array, amount: Array, weights: Array) -> Array:
    """The variation that alone serves every map of a job at amount 1, or `SUMMED`: int32 (J,).

    Such a job is "fused": a step applies a map and the variation in one loop. All backends go by this rule; it takes
    arrays of NumPy or CuPy.

    Args:
        variation: int32 (J, N, V).
        amount: float32 (J, N, V); a variation of amount 0 is not used. The one that is has to be the first.
        weights: (J, N), or whether there is such a map at all.
    """
    exists = weights > 0
    used = (amount != 0) & exists[:, :, None]
    alone = used[:, :, 0] & ~used[:, :, 1:].any(axis=2) & (amount[:, :, 0] == 1)
    number = np.where(exists, variation[:, :, 0], np.iinfo(np.int32).max).min(axis=1)
    same = variation[:, :, 0] == number[:, None]
    return np.where(((alone & same) | ~exists).all(axis=1), number, SUMMED).astype(np.int32)


@dataclass(frozen=True)
class Jobs:
    """J jobs (one frame of one layer each) of N maps with V summed variations. Build with `Jobs.of`.

    Attributes:
        maps: float32 (J, N, 6), a b c d e f of x' = a x + b y + c, y' = d x + e y + f.
        weights: float32 (J, N), the probability of each map; rows sum to 1, 0 means no map.
        variation: int32 (J, N, V), numbers of `fractalvid.kernels.variations.VARIATIONS`.
        amount: float32 (J, N, V), the factor of each summed variation.
        params: float32 (J, N, V, P), the variations' own parameters p1..pP.
        projection: float32 (J, 3, 3), homography from the plane to pixels, (x, y, 1) -> (column, row, w);
            pixel i covers [i, i + 1).
        seed: uint64 (J,), the key of a job's random numbers.
        start: float32 (J, S, 2) or None; walker l begins at start[l mod S], else uniformly in [-1, 1]². Points of
            `orbit` that left for infinity may be among them: they restart.
        colour: float32 (J, N) or None, the colour index of each map, in [0, 1]; a walker's own moves half way to it.
        fused: int32 (J,) or None, their `fused_variation` where it is known already: what makes jobs on a device says
            it, since the host would have to wait for their arrays.
    """

    maps: NDArray[np.float32]
    weights: NDArray[np.float32]
    variation: NDArray[np.int32]
    amount: NDArray[np.float32]
    params: NDArray[np.float32]
    projection: NDArray[np.float32]
    seed: NDArray[np.uint64]
    start: NDArray[np.float32] | None = None
    colour: NDArray[np.float32] | None = None
    fused: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        """Refuse views: compiled code would read past them (`dataclasses.replace` takes any array).

        Raises:
            ValueError: an array is not C-contiguous.
        """
        for field in fields(self):
            array = getattr(self, field.name)
            if isinstance(array, np.ndarray) and not array.flags.c_contiguous:
                raise ValueError(f"{field.name} must be C-contiguous, as numpy.ascontiguousarray makes it")

    def __len__(self) -> int:
        """The number of jobs J."""
        return len(self.maps)

    def select(self, rows: NDArray[np.int64]) -> "Jobs":
        """The jobs of these rows."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {name: None if array is None else array[rows] for name, array in arrays.items()}
        return Jobs(**chosen)

    @classmethod
    def of(
        cls,
        maps: ArrayLike,
        weights: ArrayLike,
        *,
        seed: ArrayLike,
        variation: ArrayLike = LINEAR,
        amount: ArrayLike | None = None,
        params: ArrayLike | None = None,
        projection: ArrayLike | None = None,
        start: ArrayLike | None = None,
        colour: ArrayLike | None = None,
    ) -> "Jobs":
        """Check and complete the arrays of a batch.

        `variation` may be a number or (J,) for one variation on every map at amount 1. `params` may be None where no
        variation has any. `projection` may be None (the identity) for kernels that do not draw. Arrays of leading
        size 1, or without the leading axis where that is unambiguous, serve all jobs.

        Raises:
            ValueError: shapes that do not fit, numbers that are not finite, weights that are no distribution, colours
                outside [0, 1], an unknown variation, fewer parameters than the variations have, a seed that is not in
                0..2⁶⁴-1.
        """
        m = _f32(maps, 3, "maps")
        j, n, six = m.shape
        if six != 6 or j < 1 or n < 1:
            raise ValueError(f"maps must be (J, N, 6) with J, N >= 1, got {m.shape}")
        w = _f32(weights, 2, "weights")
        if not (np.all(w >= 0) and np.all(np.abs(w.sum(axis=1) - 1) <= 1e-4)):
            raise ValueError("weights must be >= 0 and sum to 1 for every job")
        number = whole_array("variation", variation, -(2**31), 2**31 - 1).astype(np.int32)
        if number.ndim == 2:
            raise ValueError(f"variation must be a number, (J,) or (J, N, V), got {number.shape}")
        number = number.reshape(-1, 1, 1) if number.ndim < 3 else number
        unknown = sorted(set(np.unique(number).tolist()) - set(VARIATIONS))
        if unknown:
            raise ValueError(f"unknown variation number {unknown[0]}; known: {sorted(VARIATIONS)}")
        v = number.shape[2]
        factor = np.ones((1, 1, 1), np.float32) if amount is None else _f32(amount, 3, "amount")
        _check_repeated(number, np.broadcast_to(factor, np.broadcast_shapes(factor.shape, number.shape)))
        return cls(
            maps=m,
            weights=_full("weights", w, (j, n)),
            variation=_full("variation", number, (j, n, v)),
            amount=_full("amount", factor, (j, n, v)),
            params=_full("params", _parameters(params, number), (j, n, v, MAX_PARAMS)),
            projection=_projections(projection, j),
            seed=_full("seed", whole_array("seed", seed, 0, 2**64 - 1).astype(np.uint64), (j,)),
            start=_starts(start, j),
            colour=_colours(colour, (j, n)),
        )


def _full(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Broadcast to `shape`, contiguous and writeable as the compiled kernels' types demand."""
    try:
        wide = np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(f"{name} must be {shape}, or broadcast to it, got {values.shape}") from None
    return np.require(wide, requirements=["C", "W"])


def _f32(values: ArrayLike, ndim: int, name: str, *, finite: bool = True) -> NDArray[np.float32]:
    array = float_array(name, values, finite=finite)
    while array.ndim < ndim:
        array = array[None]
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got {array.ndim}")
    return array


def _parameters(params: ArrayLike | None, number: NDArray[np.int32]) -> NDArray[np.float32]:
    """Parameters padded with zeros to MAX_PARAMS."""
    rows = [VARIATIONS[k] for k in np.unique(number).tolist()]
    needed = max(rows, key=lambda row: len(row.params))
    own = np.zeros((1, 1, 1, 0), np.float32) if params is None else _f32(params, 4, "params")
    if not len(needed.params) <= own.shape[3] <= MAX_PARAMS:
        raise ValueError(f"{needed.name} takes {len(needed.params)} parameters, got {own.shape[3]}; most: {MAX_PARAMS}")
    return np.pad(own, ((0, 0), (0, 0), (0, 0), (0, MAX_PARAMS - own.shape[3])))


def _check_repeated(number: NDArray[np.int32], factor: NDArray[np.float32]) -> None:
    """Refuse a map that sums a variation with itself where that is not the same as one of both amounts."""
    v = number.shape[2]
    for first, second in combinations(range(v), 2):
        both = (number[..., first] == number[..., second]) & (factor[..., first] != 0) & (factor[..., second] != 0)
        for k in np.unique(np.broadcast_to(number[..., first], both.shape)[both]).tolist():
            if VARIATIONS[k].params or VARIATIONS[k].draws:
                raise ValueError(f"a map sums {VARIATIONS[k].name} with itself")


def _projections(projection: ArrayLike | None, j: int) -> NDArray[np.float32]:
    matrices = _f32(np.eye(3) if projection is None else projection, 3, "projection")
    if matrices.shape[1:] != (3, 3):
        raise ValueError(f"projection must hold 3 x 3 matrices, got {matrices.shape}")
    return _full("projection", matrices, (j, 3, 3))


def _colours(colour: ArrayLike | None, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    if colour is None:
        return None
    indices = _f32(colour, 2, "colour")
    if not np.all((indices >= 0) & (indices <= 1)):
        raise ValueError("colour must be in [0, 1]")
    return _full("colour", indices, shape)


def _starts(start: ArrayLike | None, j: int) -> NDArray[np.float32] | None:
    if start is None:
        return None
    points: NDArray[Any] = _f32(start, 3, "start", finite=False)
    if np.any(np.isnan(points)):
        raise ValueError("start must be numbers, got nan")
    if points.shape[1] < 1 or points.shape[2] != 2:
        raise ValueError(f"start must be (J, S, 2) with S >= 1, got {points.shape}")
    return _full("start", points, (j, *points.shape[1:]))
