"""Loops over a row of walkers, one or two for every row of the table of variations, compiled when first used.

They are generated as source text: Numba keys its disk cache by file and bytecode, and a closure over a jitted function
would miss that cache in every process.
"""

from functools import cache
from typing import Any

from numba import types

from fractalvid.kernels.compiled.compile import driver, inlined
from fractalvid.kernels.compiled.elementary import F32, I32
from fractalvid.kernels.compiled.pointers import FLOAT32_POINTER, at, distinct
from fractalvid.kernels.compiled.random import U32, U64, UNIT, philox
from fractalvid.kernels.compiled.vectors import wide
from fractalvid.kernels.variations import MAX_PARAMS, VARIATIONS

USE = U32(6)
"""Third word of the counter of a variation's random numbers (`fractalvid.kernels.cpu.walkers` lists the others)."""

_DRAW_KEY_TYPE = types.Tuple((types.uint64, types.int64, types.int64))
ROW_LOOP_TYPE = types.void(*[FLOAT32_POINTER] * 5, types.int64, types.int64, types.int64, _DRAW_KEY_TYPE)

_FUSED = """\
def fused_{name}(x, y, u, v, columns, pitch, base, n, draw_key):
    distinct()
    wide()
{setup}
    for i in range(n):
        s = a_[i] * x[i] + b_[i] * y[i] + c_[i]
        t = d_[i] * x[i] + e_[i] * y[i] + f_[i]
{draws}
        x[i], y[i] = {name}(s, t{values})
"""
_SUMMED = """\
def summed_{name}(x, y, u, v, columns, pitch, base, n, draw_key):
    wide()
    amount = at(columns, base * pitch)
{setup}
    for i in range(n):
{draws}
        s, t = {name}(u[i], v[i]{values})
        x[i] += amount[i] * s if amount[i] != F32(0.0) else F32(0.0)
        y[i] += amount[i] * t if amount[i] != F32(0.0) else F32(0.0)
"""
_KEY = """\
    seed, step, row = draw_key
    k, m, _, _ = philox(U32(seed), U32(seed >> U64(32)), U32(step), U32(row), USE, U32({number}))
"""


@inlined
def scrambled(count, k, m):
    """Uniform number in [0, 1) of a counter under a key of two random words.

    The multiplications and shifts of C. Wellons' hash `lowbias32`, on a counter spread by the golden ratio; a block
    cipher for every number of every point would cost more than most variations do.
    """
    h = U32(U32(count) * U32(0x9E3779B9)) ^ U32(k)
    h = U32(U32(h ^ U32(h >> U32(16))) * U32(0x7FEB352D))
    h = U32(U32(h ^ U32(h >> U32(15))) + U32(m))
    h = U32(h * U32(0x846CA68B))
    h = U32(h ^ U32(h >> U32(16)))
    return F32(I32(h >> U32(8))) * UNIT


def loop_name(number: int, fused: bool) -> str:
    """The name of a variation's row loop."""
    return f"{'fused' if fused else 'summed'}_{VARIATIONS[number].name}"


@cache
def row_loop(number: int, fused: bool) -> Any:
    """A variation compiled for a row of walkers, as a pointer that compiled code takes as an argument.

    Fused, it applies a map and the variation, (x, y) = V(affine(x, y)). Else it adds a summand, (x, y) += amount ·
    V(u, v), to sums of variations and choices by map.

    It takes (x, y, u, v, columns, pitch, base, n, draw_key). The first five are pointers to the numbers of n walkers.
    `columns` points into a table whose rows are `pitch` apart: in rows 0..5 the coefficients of the walkers' affine
    maps, from row `base` on the amounts and the variation's parameters. `draw_key` is the job's seed, the step and the
    row of walkers: from these and its own number each variation makes a key for its random numbers.
    """
    row = VARIATIONS[number]
    rows = {letter: str(i) for i, letter in enumerate("abcdef")}
    own = {f"p{i + 1}": f"base + {i + 1}" for i in range(MAX_PARAMS)}
    taken = {k: v for k, v in (rows | own).items() if k in row.arguments or (fused and k in rows)}
    setup = "\n".join(f"    {k}_ = at(columns, ({index}) * pitch)" for k, index in taken.items())
    if row.draws:
        setup += "\n" + _KEY.format(number=number)
    # Eight numbers a walker: room for five.
    draws = "\n".join(f"        u{n} = scrambled(U32(i) * U32(8) + U32({n}), k, m)" for n in range(1, row.draws + 1))
    values = "".join(f", {k}" if k.startswith("u") else f", {k}_[i]" for k in row.arguments)
    source = (_FUSED if fused else _SUMMED).format(name=row.name, setup=setup, draws=draws, values=values)
    namespace: dict[str, Any] = {
        "__name__": __name__, row.name: row.function, "F32": F32, "U32": U32, "U64": U64, "USE": USE,
        "at": at, "distinct": distinct, "wide": wide, "philox": philox, "scrambled": scrambled,
    }  # fmt: skip
    exec(compile(source, __file__, "exec"), namespace)
    function = namespace[loop_name(number, fused)]
    return types.CompileResultWAP(driver(ROW_LOOP_TYPE, function, as_pointer=True))
