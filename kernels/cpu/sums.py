"""Sums of variations and choices by map: what a step does where no single variation serves every map.

`dense` steps apply every variation to all columns of a row, with amount 0 where a column's map does not use it: best
where all maps sum the same variations. `picked` steps collect the columns that use a variation, apply it to those alone
and put the results back: best where maps choose differently, since the cost is that of the variations a map sums, not
of all that the maps use together.
"""

import numpy as np

from fractalvid.kernels.compiled.compile import inlined, part
from fractalvid.kernels.compiled.elementary import F32
from fractalvid.kernels.compiled.random import U32
from fractalvid.kernels.variations import AFFINE_ROWS, MAX_PARAMS

PASS_ROWS = 1 + MAX_PARAMS
"""Rows of a table a summed variation takes: its amount and its parameters."""


@inlined
def pick_tables(c, choice, variations):
    """Room for `fill_picked`, for rows of c columns and choices (..., N, V) of maps among some variations.

    turn (N, V): which variation a map's summand is, or -1; begins (Q + 1,): the entries of each variation; cursor (Q,);
    place (V, 2c): the entry of a column's summands, doubled for offsets; source (L,): the column of an entry;
    table (11, L): its affine coefficients, amount and parameters; moved (4, L + 1): u, v and x, y, the last always 0.
    """
    n, slots, q = choice.shape[-2], choice.shape[-1], variations.shape[0]
    most = c * slots
    return (
        np.empty((n, slots), np.int64),
        np.empty(q + 1, np.int64),
        np.empty(q, np.int64),
        np.empty((slots, 2 * c), np.uint32),
        np.empty(most, np.uint32),
        np.empty((AFFINE_ROWS + PASS_ROWS, most), np.float32),
        np.zeros((4, most + 1), np.float32),
    )


@part
def fill_dense(choice, amount, params, variations, owner, columns):
    """Fill `columns` from row AFFINE_ROWS: a variation's amount a column, 0 where its map has none, and its params."""
    c = owner.shape[0]
    for q in range(variations.shape[0]):
        base = AFFINE_ROWS + q * PASS_ROWS
        columns[base, :c] = F32(0.0)
        for k in range(c):
            m = owner[k]
            for s in range(choice.shape[1]):
                if choice[m, s] == variations[q] and amount[m, s] != F32(0.0):
                    columns[base, k] += amount[m, s]
                    for p in range(MAX_PARAMS):
                        columns[base + 1 + p, k] = params[m, s, p]
        for row in range(base, base + PASS_ROWS):
            columns[row, c:] = columns[row, :c]


@part
def fill_picked(choice, amount, params, variations, share, owner, columns, picked):
    """Sort what the columns sum by variation. `share` (N,) says how many columns each map owns."""
    turn, begins, cursor, place, source, table, _ = picked
    c = owner.shape[0]
    turn[:] = -1
    place[:] = U32(source.shape[0])
    position = 0
    for q in range(variations.shape[0]):
        begins[q] = position
        cursor[q] = position
        for m in range(choice.shape[0]):
            for s in range(choice.shape[1]):
                if choice[m, s] == variations[q] and amount[m, s] != F32(0.0):
                    turn[m, s] = q
                    position += share[m]
    begins[variations.shape[0]] = position
    for k in range(c):
        m = owner[k]
        for s in range(choice.shape[1]):
            q = turn[m, s]
            if q >= 0:
                entry = cursor[q]
                cursor[q] += 1
                source[entry] = k
                place[s, k] = entry
                place[s, c + k] = entry
                for e in range(AFFINE_ROWS):
                    table[e, entry] = columns[e, k]
                table[AFFINE_ROWS, entry] = amount[m, s]
                for p in range(MAX_PARAMS):
                    table[AFFINE_ROWS + 1 + p, entry] = params[m, s, p]


@part
def affine(x, y, u, v, columns, offset):
    """Apply each column's affine map: (u, v) from (x, y)."""
    n = x.shape[0]
    a = columns[0, offset : offset + n]
    b = columns[1, offset : offset + n]
    c = columns[2, offset : offset + n]
    d = columns[3, offset : offset + n]
    e = columns[4, offset : offset + n]
    f = columns[5, offset : offset + n]
    for i in range(n):
        s = x[i]
        t = y[i]
        u[i] = a[i] * s + b[i] * t + c[i]
        v[i] = d[i] * s + e[i] * t + f[i]


@inlined
def step_dense(slabs, passes, x, y, u, v, columns, offset, moment):
    """(x, y) = the sum of all variations of the moved points."""
    affine(x, y, u, v, columns, offset)
    x[:] = F32(0.0)
    y[:] = F32(0.0)
    for q in range(passes):
        slabs[q](x, y, u, v, columns, AFFINE_ROWS + q * PASS_ROWS, offset, moment)


@part
def _collect(u, v, source, count, offset, moved):
    """Entries' moved points, from the lanes that their columns are in."""
    mask = U32(u.shape[0] - 1)
    shift = U32(offset)
    mu, mv = moved[0], moved[1]
    for k in range(count):
        # Unsigned: an index that might be negative would cost a comparison.
        lane = U32(U32(source[k] - shift) & mask)
        mu[k] = u[lane]
        mv[k] = v[lane]
    moved[2:, :count] = F32(0.0)


@part
def _put_back(x, y, place, offset, moved):
    """Sum the results of each lane's entries."""
    mx, my = moved[2], moved[3]
    n = x.shape[0]
    x[:] = F32(0.0)
    y[:] = F32(0.0)
    for s in range(place.shape[0]):
        entries = place[s, offset : offset + n]
        for i in range(n):
            x[i] += mx[entries[i]]
            y[i] += my[entries[i]]


@part
def step_picked(slabs, passes, x, y, u, v, columns, offset, moment, picked):
    """The same, every variation on the columns that use it only."""
    _, begins, _, place, source, table, moved = picked
    affine(x, y, u, v, columns, offset)
    _collect(u, v, source, begins[passes], offset, moved)
    for q in range(passes):
        i, k = begins[q], begins[q + 1]
        slabs[q](moved[2][i:k], moved[3][i:k], moved[0][i:k], moved[1][i:k], table, AFFINE_ROWS, i, moment)
    _put_back(x, y, place, offset, moved)
