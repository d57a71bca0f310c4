"""Jobs dealt out to compiled drivers and threads: alike ones together, in chunks that are worth handing to a thread."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.compiled.progress import expect
from fractalvid.kernels.compiled.threads import available_cores, run_all
from fractalvid.kernels.cpu.batch import Batch, batch_of
from fractalvid.kernels.cpu.drivers import Task, driver_for, kernel_names
from fractalvid.kernels.cpu.sums import DENSE, FUSED, GATHERED, Mode
from fractalvid.kernels.jobs import SUMMED, Jobs, fused_variation
from fractalvid.kernels.variations import LINEAR, VARIATIONS

_SET_BITS = 60
"""Bits of a set of variations, one each; above them in a key stands how a step applies them."""

CHUNK_STEPS = 300_000
"""Steps of walkers that are worth handing to a thread: a third of a millisecond."""


class _Group(NamedTuple):
    """Jobs that use the same variations in the same mode of `kernels.cpu.sums`."""

    variations: tuple[int, ...]
    mode: Mode
    members: NDArray[np.int64]


class _Chunk(NamedTuple):
    """What a thread does in one go: the jobs `order` of a batch."""

    driver: Any
    order: NDArray[np.int64]
    batch: Batch


def run(
    task: Task,
    jobs: Jobs,
    *,
    shape: tuple[int, int],
    burn_in: int,
    cost: NDArray[np.int64],
    threads: int | None,
    wanted: NDArray[np.int64] | None = None,
) -> None:
    """Do a task for jobs, in chunks that share their variations.

    Args:
        task: which kernel, what it takes besides, and the arrays it fills.
        jobs: J jobs.
        shape: rows and columns of walkers.
        burn_in: steps before the first that counts.
        cost: int64 (J,), the steps of walkers each job takes.
        threads: at most this many, by default all cores.
        wanted: int64 (R,), the jobs that are needed; by default all.
    """
    played = None if wanted is None else np.bincount(wanted, minlength=len(jobs)) > 0
    chunks, groups = [], list(_groups(jobs))
    expect(name for group in groups for name in kernel_names(type(task), group.variations, group.mode))
    for group in groups:
        driver = driver_for(type(task), group.variations, group.mode)
        # One variation at amount 1 without parameters needs no table of amounts and parameters.
        bare = group.mode is FUSED and not VARIATIONS[group.variations[0]].params
        batch = batch_of(jobs, () if bare else group.variations)
        members = group.members if played is None else group.members[played[group.members]]
        chunks += [_Chunk(driver, order, batch) for order in _orders(members, cost, threads)]
    run_all(lambda chunk: chunk.driver(chunk.order, chunk.batch, shape, burn_in, task), chunks, threads)


def _groups(jobs: Jobs) -> Iterator[_Group]:
    """Split jobs by the variations they use and how steps apply them, which is each job's own affair."""
    fused = fused_variation(jobs.variation, jobs.amount, jobs.weights)
    for number in np.unique(fused[fused != SUMMED]).tolist():
        yield _Group((number,), FUSED, np.flatnonzero(fused == number))
    summed = np.flatnonzero(fused == SUMMED)
    if len(summed) == 0:
        return
    used = (jobs.amount[summed] != 0) & (jobs.weights[summed] > 0)[:, :, None]
    bits = np.where(used, np.uint64(1) << jobs.variation[summed].astype(np.uint64), np.uint64(0))
    by_map = np.bitwise_or.reduce(bits, axis=2)
    by_job = np.bitwise_or.reduce(by_map, axis=1)
    # Gathering columns costs about as much as one variation more.
    dense = np.bitwise_count(by_job) <= np.bitwise_count(by_map).max(axis=1) + 1
    mode = np.where(dense, DENSE, GATHERED).astype(np.uint64)
    keys, key_of_job = np.unique(by_job | mode << np.uint64(_SET_BITS), return_inverse=True)
    for k, key in enumerate(keys.tolist()):
        variations = tuple(number for number in VARIATIONS if key >> number & 1) or (LINEAR,)
        yield _Group(variations, key >> _SET_BITS, summed[key_of_job == k])


def _orders(members: NDArray[np.int64], cost: NDArray[np.int64], threads: int | None) -> list[NDArray[np.int64]]:
    """Pieces large enough to be worth handing over, small enough to keep all threads busy to the end."""
    workers = available_cores() if threads is None else threads
    pieces = min(len(members), int(cost[members].sum()) // CHUNK_STEPS, 8 * workers) if workers > 1 else 1
    return np.array_split(members, max(1, pieces))
