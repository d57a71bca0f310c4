"""Sums of variations and choices by map: how a step applies variations where no single one serves every map.

There are three modes. A `FUSED` step applies one variation to all columns of a row, together with the maps
(`kernels.jobs.fused_variation`). A `DENSE` step applies every variation to all columns, with amount 0 where a column's
map does not use it: best where all maps sum the same variations. A `GATHERED` step gathers the columns that use a
variation, applies it to those alone and scatters the results back: best where maps choose differently, since the cost
is that of the variations a map sums, not of all that the maps use together. `loops` are the row loops of the
variations, of which the first `passes` are called, one after the other.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.compiled.compile import inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32
from fractalvid.kernels.compiled.pointers import at, distinct, fill, twice
from fractalvid.kernels.compiled.random import U32
from fractalvid.kernels.compiled.types import (
    FLOAT32_2D,
    INT64_1D,
    INT64_2D,
    UINT32_1D,
    UINT32_2D,
    named_tuple,
)
from fractalvid.kernels.variations import AFFINE_ROWS, MAX_PARAMS

Mode = int | None
FUSED: Mode = None
"""None, since compiled code leaves out what a None does not reach, and most jobs need none of the rest."""
DENSE, GATHERED = 1, 2

PASS_ROWS = 1 + MAX_PARAMS
"""Rows of a table a summed variation takes: its amount and its parameters."""


class GatherTables(NamedTuple):
    """Which columns use which variation, for C columns of N maps that sum up to V of Q variations.

    An entry is a summand of a column; there are up to E = C V. Those of the same variation follow each other.

    Attributes:
        turn: int64 (N, V), which of the Q variations a map's summand is, -1 for none.
        begins: int64 (Q + 1,), where the entries of each variation begin.
        cursor: int64 (Q,), where its next entry goes while the tables are filled.
        place: uint32 (V, 2 C), the entries of a column; twice over, so that rows may begin anywhere.
        source: uint32 (E,), the column of an entry.
        columns: float32 (11, E), an entry's affine coefficients, amount and parameters.
        moved: float32 (4, E + 1), u, v and x, y of each entry's walker; the last is always 0, where columns without a
            summand look.
    """

    turn: NDArray[np.int64]
    begins: NDArray[np.int64]
    cursor: NDArray[np.int64]
    place: NDArray[np.uint32]
    source: NDArray[np.uint32]
    columns: NDArray[np.float32]
    moved: NDArray[np.float32]


GATHER_TABLES_TYPE = named_tuple(
    GatherTables, INT64_2D, INT64_1D, INT64_1D, UINT32_2D, UINT32_1D, FLOAT32_2D, FLOAT32_2D
)


@inlined
def new_gather_tables(c, variation, tabled):
    """Room for `fill_gathered`, for rows of c columns and jobs of variations (..., N, V) among those `tabled` (Q,)."""
    n, slots, q = variation.shape[-2], variation.shape[-1], tabled.shape[0]
    most = c * slots
    return GatherTables(
        np.empty((n, slots), np.int64),
        np.empty(q + 1, np.int64),
        np.empty(q, np.int64),
        np.empty((slots, 2 * c), np.uint32),
        np.empty(most, np.uint32),
        np.empty((AFFINE_ROWS + PASS_ROWS, most), np.float32),
        np.zeros((4, most + 1), np.float32),
    )


@subroutine
def fill_dense(variation, amount, params, tabled, owner, columns):
    """Fill `columns` from row AFFINE_ROWS on: each variation's amount, 0 where the map has none, and its parameters."""
    c, pitch, slots = owner.shape[0], columns.shape[1], variation.shape[1]
    number, part, param = at(variation, 0), at(amount, 0), at(params, 0)
    for q in range(tabled.shape[0]):
        rows = at(columns, (AFFINE_ROWS + q * PASS_ROWS) * pitch)
        for k in range(c):
            rows[k] = F32(0.0)
            first = np.int64(owner[k]) * slots
            for s in range(first, first + slots):
                if number[s] == tabled[q] and part[s] != F32(0.0):
                    rows[k] += part[s]
                    for p in range(MAX_PARAMS):
                        rows[(1 + p) * pitch + k] = param[s * MAX_PARAMS + p]
        for row in range(PASS_ROWS):
            twice(at(rows, row * pitch), c)


@subroutine
def fill_gathered(variation, amount, params, tabled, share, owner, columns, gathered):
    """Sort what the columns sum by variation. `share` (N,) says how many columns each map owns."""
    n, slots, c, most = share.shape[0], variation.shape[1], owner.shape[0], gathered.source.shape[0]
    number, part, param = at(variation, 0), at(amount, 0), at(params, 0)
    turn, begins, cursor = at(gathered.turn, 0), at(gathered.begins, 0), at(gathered.cursor, 0)
    place, source, table = at(gathered.place, 0), at(gathered.source, 0), at(gathered.columns, 0)
    position = 0
    fill(turn, n * slots, -1)
    for q in range(tabled.shape[0]):
        begins[q] = position
        cursor[q] = position
        for s in range(n * slots):
            if number[s] == tabled[q] and part[s] != F32(0.0):
                turn[s] = q
                position += share[s // slots]
    begins[tabled.shape[0]] = position
    fill(place, slots * 2 * c, U32(most))
    for k in range(c):
        for s in range(slots):
            summand = np.int64(owner[k]) * slots + s
            q = turn[summand]
            if q >= 0:
                entry = cursor[q]
                cursor[q] += 1
                source[entry] = U32(k)
                place[s * 2 * c + k] = U32(entry)
                place[(s * 2 + 1) * c + k] = U32(entry)
                for e in range(AFFINE_ROWS):
                    table[e * most + entry] = columns[e, k]
                table[AFFINE_ROWS * most + entry] = part[summand]
                for p in range(MAX_PARAMS):
                    table[(AFFINE_ROWS + 1 + p) * most + entry] = param[summand * MAX_PARAMS + p]


class GatherPointers(NamedTuple):
    """`GatherTables` as pointers, and their sizes: c columns, `slots` summands a map, `entries` at most."""

    begins: Any
    place: Any
    source: Any
    columns: Any
    moved: Any
    c: int
    slots: int
    entries: int


@inlined
def gather_pointers(tables):
    """Pointers to tables that the caller holds."""
    slots, doubled = tables.place.shape
    begins, place, source = at(tables.begins, 0), at(tables.place, 0), at(tables.source, 0)
    columns, moved, entries = at(tables.columns, 0), at(tables.moved, 0), tables.source.shape[0]
    return GatherPointers(begins, place, source, columns, moved, doubled // 2, slots, entries)


@subroutine
def affine(x, y, u, v, columns, pitch, n):
    """Apply each column's affine map: (u, v) from (x, y)."""
    distinct()
    a, b, c = columns, at(columns, pitch), at(columns, 2 * pitch)
    d, e, f = at(columns, 3 * pitch), at(columns, 4 * pitch), at(columns, 5 * pitch)
    for i in range(n):
        s = x[i]
        t = y[i]
        u[i] = a[i] * s + b[i] * t + c[i]
        v[i] = d[i] * s + e[i] * t + f[i]


@inlined
def step_dense(loops, passes, x, y, u, v, columns, pitch, n, draw_key):
    """(x, y) = the sum of all variations of the moved points."""
    affine(x, y, u, v, columns, pitch, n)
    fill(x, n, F32(0.0))
    fill(y, n, F32(0.0))
    for q in range(passes):
        loops[q](x, y, u, v, columns, pitch, AFFINE_ROWS + q * PASS_ROWS, n, draw_key)


@subroutine
def _gather(u, v, source, count, offset, c, mu, mv):
    """The moved points of all entries, from the lanes that their columns are in."""
    distinct()
    mask = U32(c - 1)
    shift = U32(offset)
    for k in range(count):
        # Unsigned: an index that might be negative would cost a comparison.
        lane = U32(U32(source[k] - shift) & mask)
        mu[k] = u[lane]
        mv[k] = v[lane]


@subroutine
def _scatter(x, y, entries, mx, my, n):
    """Add the results of each lane's entries of one summand."""
    distinct()
    for i in range(n):
        x[i] += mx[entries[i]]
        y[i] += my[entries[i]]


@subroutine
def step_gathered(loops, passes, x, y, u, v, columns, pitch, offset, draw_key, gathered):
    """The same, every variation on the columns that use it only; `columns` begins at the row's offset."""
    c, begins, table = gathered.c, gathered.begins, gathered.columns
    length = gathered.entries + 1
    mu, mv = gathered.moved, at(gathered.moved, length)
    mx, my = at(gathered.moved, 2 * length), at(gathered.moved, 3 * length)
    affine(x, y, u, v, columns, pitch, c)
    _gather(u, v, gathered.source, begins[passes], offset, c, mu, mv)
    fill(mx, begins[passes], F32(0.0))
    fill(my, begins[passes], F32(0.0))
    for q in range(passes):
        i = begins[q]
        n = begins[q + 1] - i
        loops[q](at(mx, i), at(my, i), at(mu, i), at(mv, i), at(table, i), gathered.entries, AFFINE_ROWS, n, draw_key)
    fill(x, c, F32(0.0))
    fill(y, c, F32(0.0))
    for s in range(gathered.slots):
        _scatter(x, y, at(gathered.place, s * 2 * c + offset), mx, my, c)
