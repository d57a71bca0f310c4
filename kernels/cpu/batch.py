"""Jobs as compiled code takes them: named tuples of arrays."""

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import inlined
from fractalvid.kernels.compiled.types import (
    FLOAT32_1D,
    FLOAT32_2D,
    FLOAT32_3D,
    FLOAT32_4D,
    INT32_1D,
    INT32_2D,
    INT32_3D,
    UINT64_1D,
    named_tuple,
)
from fractalvid.kernels.jobs import Jobs


class Batch(NamedTuple):
    """J jobs, as in `kernels.Jobs`, that use the same variations.

    Attributes:
        maps: float32 (J, N, 6).
        weights: float32 (J, N).
        variation: int32 (J, N, V).
        amount: float32 (J, N, V).
        params: float32 (J, N, V, P).
        tabled: int32 (Q,), the variations whose amount and parameters are looked up in a table, column by column.
        projection: float32 (J, 3, 3).
        seed: uint64 (J,).
        start: float32 (J, S, 2); S may be 0.
    """

    maps: NDArray[np.float32]
    weights: NDArray[np.float32]
    variation: NDArray[np.int32]
    amount: NDArray[np.float32]
    params: NDArray[np.float32]
    tabled: NDArray[np.int32]
    projection: NDArray[np.float32]
    seed: NDArray[np.uint64]
    start: NDArray[np.float32]


class Job(NamedTuple):
    """One job of a `Batch`: the same arrays without the axis J, but for `tabled`."""

    maps: NDArray[np.float32]
    weights: NDArray[np.float32]
    variation: NDArray[np.int32]
    amount: NDArray[np.float32]
    params: NDArray[np.float32]
    tabled: NDArray[np.int32]
    projection: NDArray[np.float32]
    seed: np.uint64
    start: NDArray[np.float32]


BATCH_TYPE = named_tuple(
    Batch, FLOAT32_3D, FLOAT32_2D, INT32_3D, FLOAT32_3D, FLOAT32_4D, INT32_1D, FLOAT32_3D, UINT64_1D, FLOAT32_3D
)
JOB_TYPE = named_tuple(
    Job,
    *(FLOAT32_2D, FLOAT32_1D, INT32_2D, FLOAT32_2D, FLOAT32_3D, INT32_1D, FLOAT32_2D, types.uint64, FLOAT32_2D),
)


def batch_of(jobs: Jobs, tabled: tuple[int, ...]) -> Batch:
    """The arrays of jobs, which are not copied."""
    start = np.empty((len(jobs), 0, 2), np.float32) if jobs.start is None else jobs.start
    return Batch(
        maps=jobs.maps,
        weights=jobs.weights,
        variation=jobs.variation,
        amount=jobs.amount,
        params=jobs.params,
        tabled=np.array(tabled, np.int32),
        projection=jobs.projection,
        seed=jobs.seed,
        start=start,
    )


@inlined
def job_of(batch, j):
    """Job j of a batch."""
    return Job(
        batch.maps[j],
        batch.weights[j],
        batch.variation[j],
        batch.amount[j],
        batch.params[j],
        batch.tabled,
        batch.projection[j],
        batch.seed[j],
        batch.start[j],
    )
