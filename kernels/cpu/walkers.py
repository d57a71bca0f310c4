"""Rows of walkers on the CPU: how they begin, choose their maps, move and restart.

Walkers stand in R rows of C columns. Every column of a table is owned by a map, in exact shares of the weights and in
scattered order; every row reads that table from an offset of its own, drawn afresh each step. So coefficients are
contiguous loads and no walker moves, and yet two walkers share a map no more often than under independent choice
(walkers that keep sharing maps merge, and a histogram of merged walkers is worthless). The table is drawn anew every
STEPS_OF_A_TABLE steps, its shares rounded at random, so that a map of tiny weight keeps its mean.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import driver, inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32
from fractalvid.kernels.compiled.pointers import at, distinct, fill, twice
from fractalvid.kernels.compiled.random import U32, U64, UNIT, philox
from fractalvid.kernels.compiled.types import FLOAT32_2D, INT64_1D, UINT32_1D, named_tuple
from fractalvid.kernels.cpu.batch import JOB_TYPE
from fractalvid.kernels.cpu.sums import (
    GATHER_TABLES_TYPE,
    GATHERED,
    PASS_ROWS,
    GatherPointers,
    GatherTables,
    fill_dense,
    fill_gathered,
    gather_pointers,
    new_gather_tables,
    step_dense,
    step_gathered,
)
from fractalvid.kernels.variations import AFFINE_ROWS

STEPS_OF_A_TABLE = 16
"""Steps until columns are assigned to maps anew."""
ESCAPE = F32(1e6)
"""A walker whose |x| + |y| is larger, or no number, has left for infinity."""
ROWS = 4
"""Rows of walkers that count points in frames; orbits and growth have one."""
COLUMNS = 256
"""Their columns: as many as let walkers and tables stay in the first cache. Pixels depend on nothing else."""
ORBIT_COLUMNS = 128
GROWTH_COLUMNS = 64
PADDING = 16
"""Numbers at the end of a table's row: rows a power of two apart would share the same few lines of the cache."""
# The use of a random number, the third word of its counter. 6 is that of `kernels.cpu.row_loops`.
_START, _OFFSETS, _SHARES, _SCATTERING, _RESTART = U32(1), U32(2), U32(3), U32(4), U32(5)


def _scatterings() -> NDArray[np.uint32]:
    """For every power of two c up to COLUMNS, a fixed permutation of 0..c-1 at entries c..2c-1."""
    counter = np.arange(COLUMNS * 8, dtype=np.uint32).reshape(-1, 4)
    key = np.broadcast_to(np.array([0x5CA7, 0x7E12], np.uint32), (len(counter), 2))
    # By NumPy, so that importing compiles nothing.
    words = philox.py_func(*key.T, *counter.T)[0]
    table = np.zeros(2 * COLUMNS, np.uint32)
    c = 1
    while c <= COLUMNS:
        table[c : 2 * c] = np.argsort(words[c : 2 * c])
        c *= 2
    return table


SCATTERINGS = _scatterings()
"""The permutations. Multiplied by an odd stride and shifted, one is another at every assignment of columns.

A stride alone would not do: it leaves pairs of columns that share their owner at every offset.
"""


class Tables(NamedTuple):
    """Which map owns each of C columns, and what the columns' walkers need of it.

    Attributes:
        share: int64 (N,), columns of each map.
        block: uint32 (C,), owners in the order of the maps.
        owner: uint32 (C,), the same scattered.
        columns: float32 (rows, 2 C + PADDING), coefficients a..f of the owners, then the amount and the parameters of
            each tabled variation; twice over, so that rows of walkers may begin anywhere.
        gathered: for steps that gather columns; None where all is fused.
    """

    share: NDArray[np.int64]
    block: NDArray[np.uint32]
    owner: NDArray[np.uint32]
    columns: NDArray[np.float32]
    gathered: GatherTables | None


class Walkers(NamedTuple):
    """Walkers in R rows of C columns, used again for every job.

    Attributes:
        x: float32 (R, C).
        y: float32 (R, C).
        u: float32 (C,), where a map takes the walkers of a row, before variations are summed.
        v: float32 (C,), the same.
        tables: by which they choose their maps.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    tables: Tables


@inlined
def new_walkers(shape, batch, mode):
    """Room for walkers in rows and columns of `shape`, and for the tables of the batch's jobs."""
    rows, c = shape
    columns = np.zeros((AFFINE_ROWS + batch.tabled.shape[0] * PASS_ROWS, 2 * c + PADDING), np.float32)
    gathered = None
    if mode is not None:
        gathered = new_gather_tables(c, batch.variation, batch.tabled)
    share, block, owner = np.empty(batch.maps.shape[1], np.int64), np.empty(c, np.uint32), np.empty(c, np.uint32)
    tables = Tables(share, block, owner, columns, gathered)
    x, y = np.empty((rows, c), np.float32), np.empty((rows, c), np.float32)
    return Walkers(x, y, np.empty(c, np.float32), np.empty(c, np.float32), tables)


@inlined
def draw(seed, a, b, use):
    """Four random words of a job's seed."""
    return philox(U32(seed), U32(seed >> U64(32)), U32(a), U32(b), use, U32(0))


@inlined
def draw_offsets(seed, step, row):
    """Words for the offsets of four rows in a step."""
    return draw(seed, step, row, _OFFSETS)


@subroutine
def _round_shares(weights, columns, share, seed, step):
    """Round weights · columns to integers of the same sum, by one uniform offset for all maps."""
    shift = F32(draw(seed, step, 0, _SHARES)[0] >> U32(8)) * UNIT
    total = F32(0.0)
    last = np.int64(0)
    final = 0
    for m in range(weights.shape[0]):
        final = m if weights[m] > F32(0.0) else final
    for m in range(weights.shape[0]):
        total += weights[m]
        edge = np.int64(np.floor(total * F32(columns) + shift))
        # What rounding leaves over goes to the last map that there is, never to one of weight 0.
        edge = min(max(edge, last), columns) if m < final else columns
        share[m] = edge - last
        last = edge


@subroutine
def _scatter_owners(block, scattering, stride, shift, c, owner):
    """Scatter owners that stand in the order of the maps."""
    distinct()
    for k in range(c):
        owner[k] = block[U32(U32(U32(scattering[k] * stride) + shift) & U32(c - 1))]


@subroutine
def _tabulate(maps, owner, c, columns, pitch):
    """Fill the rows of coefficients, twice over."""
    distinct()
    ra, rb, rc = columns, at(columns, pitch), at(columns, 2 * pitch)
    rd, re, rf = at(columns, 3 * pitch), at(columns, 4 * pitch), at(columns, 5 * pitch)
    for k in range(c):
        own = at(maps, AFFINE_ROWS * np.int64(owner[k]))
        ra[k], rb[k], rc[k] = own[0], own[1], own[2]
        rd[k], re[k], rf[k] = own[3], own[4], own[5]
    for e in range(AFFINE_ROWS):
        twice(at(columns, e * pitch), c)


def _assign_columns(job, mode, tables, step):
    """Draw who owns each column, and fill the tables accordingly."""
    maps, weights, seed = job.maps, job.weights, job.seed
    share, block, owner, columns = tables.share, tables.block, tables.owner, tables.columns
    c = owner.shape[0]
    _round_shares(weights, c, share, seed, step)
    position = 0
    for m in range(weights.shape[0]):
        fill(at(block, position), share[m], U32(m))
        position += share[m]
    words = draw(seed, step, 0, _SCATTERING)
    _scatter_owners(at(block, 0), at(SCATTERINGS, c), words[0] | U32(1), words[1], c, at(owner, 0))
    _tabulate(at(maps, 0), at(owner, 0), c, at(columns, 0), columns.shape[1])
    if mode is None:  # fused
        fill_dense(job.variation, job.amount, job.params, job.tabled, owner, columns)
    elif mode == GATHERED:
        fill_gathered(job.variation, job.amount, job.params, job.tabled, share, owner, columns, tables.gathered)
    else:
        fill_dense(job.variation, job.amount, job.params, job.tabled, owner, columns)


def assign_type(fused: bool) -> Any:
    """The type of `assigning`: (job, mode, tables, step) -> None."""
    gathered = types.none if fused else types.Optional(GATHER_TABLES_TYPE)  # so Numba types `new_walkers`
    tables = named_tuple(Tables, INT64_1D, UINT32_1D, UINT32_1D, FLOAT32_2D, gathered)
    return types.void(JOB_TYPE, types.none if fused else types.int64, tables, types.int64)


@cache
def assigning(fused: bool) -> Any:
    """Compiled, as a pointer: draw who owns each column, and fill the tables accordingly.

    All drivers share it: it is called once for many steps, and compiled into each of them it would take longest.
    """
    return types.CompileResultWAP(driver(assign_type(fused), _assign_columns, as_pointer=True))


class Calls(NamedTuple):
    """What drivers call by pointers: the row loops of variations, and what assigns columns to maps."""

    loops: tuple[Any, ...]
    assign: Any


@subroutine
def _uniform_point(seed, a, b, use):
    """A point of [-1, 1]²."""
    words = draw(seed, a, b, use)
    u = F32(words[0] >> U32(8)) * UNIT
    v = F32(words[1] >> U32(8)) * UNIT
    return u + u - F32(1.0), v + v - F32(1.0)


@subroutine
def begin(x, y, start, seed):
    """Put the walkers where they begin."""
    rows, c = x.shape
    for r in range(rows):
        for k in range(c):
            walker = r * c + k
            if start.shape[0] > 0:
                x[r, k] = start[walker % start.shape[0], 0]
                y[r, k] = start[walker % start.shape[0], 1]
            else:
                x[r, k], y[r, k] = _uniform_point(seed, walker, np.int64(0), _START)


class Stepping(NamedTuple):
    """What a step of a row of walkers needs, as pointers to what `Walkers` holds, for c columns.

    The rows of `columns` are `pitch` apart.
    """

    x: Any
    y: Any
    u: Any
    v: Any
    columns: Any
    c: int
    pitch: int
    gathered: GatherPointers | None


@inlined
def stepping(walkers, mode):
    """Pointers to walkers that the caller holds."""
    c, pitch = walkers.x.shape[1], walkers.tables.columns.shape[1]
    x, y, u, v = at(walkers.x, 0), at(walkers.y, 0), at(walkers.u, 0), at(walkers.v, 0)
    gathered = None
    if mode is not None:
        gathered = gather_pointers(walkers.tables.gathered)
    return Stepping(x, y, u, v, at(walkers.tables.columns, 0), c, pitch, gathered)


@inlined
def step_row(loops, mode, passes, walkers, r, offset, draw_key):
    """Move row r of walkers, a `Stepping`; returns pointers to its x and y."""
    c, pitch = walkers.c, walkers.pitch
    x, y, u, v = at(walkers.x, r * c), at(walkers.y, r * c), walkers.u, walkers.v
    columns = at(walkers.columns, offset)
    if mode is None:  # fused
        loops[0](x, y, u, v, columns, pitch, AFFINE_ROWS, c, draw_key)
    elif mode == GATHERED:
        step_gathered(loops, passes, x, y, u, v, columns, pitch, offset, draw_key, walkers.gathered)
    else:
        step_dense(loops, passes, x, y, u, v, columns, pitch, c, draw_key)
    return x, y


@inlined
def offset_of(words, r, c):
    """Row r's offset in a table of c columns."""
    return np.int64((U64(words[r & 3]) * U64(c)) >> U64(32))


@subroutine
def restart(x, y, n, seed, step, row):
    """Put those of n walkers that left for infinity back into [-1, 1]²."""
    for k in range(n):
        if not (abs(x[k]) + abs(y[k]) <= ESCAPE):
            x[k], y[k] = _uniform_point(seed, step, row * n + k, _RESTART)
