"""Jobs dealt out to compiled kernels and threads: alike ones together, in chunks that are worth a hand-over."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.compiled.threads import available_cores, run_all
from fractalvid.kernels.cpu import drivers as cpu
from fractalvid.kernels.jobs import Jobs
from fractalvid.kernels.variations import LINEAR, VARIATIONS

How = Literal["fused", "dense", "picked"]
_HOW: tuple[How, ...] = ("fused", "dense", "picked")
_HOW_BITS = 60
"""Below these bits of a key lies the set of variations, a bit each."""

CHUNK_STEPS = 300_000
"""Steps of walkers that are worth a hand-over to another thread, a third of a millisecond."""


def run(
    name: str,
    jobs: Jobs,
    walkers: tuple[int, NDArray[np.int64]],
    threads: int | None,
    tail: tuple[Any, ...],
    cost: NDArray[np.int64],
    wanted: NDArray[np.int64] | None = None,
) -> None:
    """Feed chunks of jobs that share their variations and their number of walkers to the threads.

    `walkers` are their rows and, a job, their columns (J,); `tail` is what the kernel `name` takes besides; `cost` (J,)
    are the steps of walkers a job takes. Jobs that are not `wanted` (R,) are left out.
    """
    rows, columns = walkers
    start = np.empty((len(jobs), 0, 2), np.float32) if jobs.start is None else jobs.start
    played = None if wanted is None else np.bincount(wanted, minlength=len(jobs)) > 0
    work = []
    for variations, how, alike in _by_variation(jobs):
        compiled = cpu.kernel(name, variations, how)
        # One variation at amount 1 without parameters needs no table of amounts and parameters.
        tabled = () if how == "fused" and not VARIATIONS[variations[0]].params else variations
        numbers = np.array(tabled, np.int32)
        arrays = (
            *(jobs.maps, jobs.weights, jobs.variation, jobs.amount, jobs.params),
            *(numbers, jobs.projection, jobs.seed, start),
        )
        if played is not None:
            alike = alike[played[alike]]
        for count in np.unique(columns[alike]).tolist():
            members = alike[columns[alike] == count]
            work += [(compiled, order, arrays, (rows, count)) for order in _chunks(members, cost, threads)]

    def call(item: tuple[Any, NDArray[np.int64], tuple[Any, ...], tuple[int, int]]) -> None:
        compiled, order, arrays, shape = item
        compiled(order, arrays, shape, *tail)

    run_all(call, work, threads)


def _by_variation(jobs: Jobs) -> Iterator[tuple[tuple[int, ...], How, NDArray[np.int64]]]:
    """Split jobs by the variations they use: (numbers, how a step applies them, which jobs). A job's own affair."""
    numbers = jobs.variation[:, 0, 0]
    if jobs.variation.shape[2] == 1 and np.all(jobs.variation == numbers[:, None, None]) and np.all(jobs.amount == 1):
        yield from (((k,), "fused", np.flatnonzero(numbers == k)) for k in np.unique(numbers).tolist())
        return
    used = (jobs.amount != 0) & (jobs.weights > 0)[:, :, None]
    bits = np.where(used, np.uint64(1) << jobs.variation.astype(np.uint64), np.uint64(0))
    by_map = np.bitwise_or.reduce(bits, axis=2)
    by_job = np.bitwise_or.reduce(by_map, axis=1)
    number, own = _ones(by_job), _ones(by_map).max(axis=1)
    alone = (used.sum(axis=2) == 1) | (jobs.weights == 0)
    fused = (number == 1) & alone.all(axis=1) & ((jobs.amount == 1) | ~used).all(axis=(1, 2))
    # Collecting columns costs about as much as one variation more.
    how = np.where(fused, 0, np.where(number <= own + 1, 1, 2)).astype(np.uint64)
    kinds, kind = np.unique(by_job | how << np.uint64(_HOW_BITS), return_inverse=True)
    for k, code in enumerate(kinds.tolist()):
        mask = code & ((1 << _HOW_BITS) - 1)
        together = tuple(n for n in VARIATIONS if mask >> n & 1) or (LINEAR,)
        yield together, _HOW[code >> _HOW_BITS], np.flatnonzero(kind == k)


def _ones(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits of each number are set."""
    single = np.unpackbits(np.ascontiguousarray(bits)[..., None].view(np.uint8), axis=-1)
    return np.asarray(single.sum(axis=-1, dtype=np.int64))


def _chunks(members: NDArray[np.int64], cost: NDArray[np.int64], threads: int | None) -> list[NDArray[np.int64]]:
    """Pieces large enough to be worth a hand-over, small enough to keep all threads busy to the end."""
    workers = available_cores() if threads is None else threads
    pieces = min(len(members), int(cost[members].sum()) // CHUNK_STEPS, 8 * workers) if workers > 1 else 1
    return np.array_split(members, max(1, pieces))
