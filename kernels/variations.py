"""The table of flame variations (Draves & Reckase, "The Fractal Flame Algorithm", appendix; numbers as in flam3).

A row is a scalar function in float32. Its parameter names say what it takes: `x, y` the point that the affine map has
just produced, `a` to `f` that map's coefficients, `p1` to `p4` the variation's own parameters. Everything else (the
compiled slabs, the documentation, the names on the command line) is derived from the table.

Notation: r = sqrt(x² + y²); EPSILON keeps quotients finite at the origin.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import types

from kernels.compile import driver, inlined
from kernels.elementary import F32, PI, sin, sincos, tan, tanh

EPSILON = F32(1e-10)
LINEAR = 0
MAX_PARAMS = 4
AFFINE_ROWS = 6


@dataclass(frozen=True)
class Variation:
    """A row of the table.

    Attributes:
        number: flam3's number.
        name: flam3's name.
        function: jitted scalar function, (x, y, ...) -> (x, y).
        arguments: what the function takes after x and y, in order.
    """

    number: int
    name: str
    function: Callable[..., tuple[Any, Any]]
    arguments: tuple[str, ...]

    @property
    def params(self) -> tuple[str, ...]:
        """Names of the variation's own parameters."""
        return tuple(a for a in self.arguments if a.startswith("p"))


VARIATIONS: dict[int, Variation] = {}
"""The table, by number."""


def _row(number: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        arguments = tuple(inspect.signature(function).parameters)
        VARIATIONS[number] = Variation(number, function.__name__, inlined(function), arguments[2:])
        return function

    return register


def by_name(name: str) -> Variation:
    """The row of that name.

    Raises:
        KeyError: no such variation.
    """
    return {row.name: row for row in VARIATIONS.values()}[name]


@inlined
def _radius(x, y):
    return np.sqrt(x * x + y * y)


@_row(0)
def linear(x, y):
    """(x, y)."""
    return x, y


@_row(4)
def horseshoe(x, y):
    """((x - y)(x + y), 2xy) / (r + EPSILON)."""
    q = F32(1.0) / (_radius(x, y) + EPSILON)
    return (x - y) * (x + y) * q, F32(2.0) * x * y * q


@_row(14)
def bent(x, y):
    """(x if x >= 0 else 2x, y if y >= 0 else y/2)."""
    return (x if x >= F32(0.0) else x + x), (y if y >= F32(0.0) else y * F32(0.5))


@_row(16)
def fisheye(x, y):
    """2/(r + 1) · (y, x), in that order."""
    q = F32(2.0) / (_radius(x, y) + F32(1.0))
    return q * y, q * x


@_row(17)
def popcorn(x, y, c, f):
    """(x + c sin(tan 3y), y + f sin(tan 3x))."""
    return x + c * sin(tan(F32(3.0) * y)), y + f * sin(tan(F32(3.0) * x))


@_row(20)
def cosine(x, y):
    """(cos πx tanh y, -sin πx tanh y): bounded, as in the fractal-video paper's code; flam3 has cosh and sinh."""
    s, c = sincos(PI * x)
    t = tanh(y)
    return c * t, -s * t


@_row(27)
def eyefish(x, y):
    """2/(r + 1) · (x, y)."""
    q = F32(2.0) / (_radius(x, y) + F32(1.0))
    return q * x, q * y


@_row(29)
def cylinder(x, y):
    """(sin x, y)."""
    return sin(x), y


_VECTOR = types.Array(types.float32, 1, "C")
SLAB_TYPE = types.void(_VECTOR, _VECTOR, _VECTOR, _VECTOR, types.Array(types.float32, 2, "C"), types.int64, types.int64)

# Loops over a row of walkers, as source text: Numba keys its disk cache by file and bytecode, and a closure over a
# jitted function would miss that cache in every process.
_FUSED = """\
def fused_{name}(x, y, u, v, columns, base, offset):
    n = x.shape[0]
{slices}
    for i in range(n):
        s = a_[i] * x[i] + b_[i] * y[i] + c_[i]
        t = d_[i] * x[i] + e_[i] * y[i] + f_[i]
        x[i], y[i] = {name}(s, t{values})
"""
_SUMMED = """\
def summed_{name}(x, y, u, v, columns, base, offset):
    n = x.shape[0]
    amount = columns[base, offset:offset + n]
{slices}
    for i in range(n):
        s, t = {name}(u[i], v[i]{values})
        x[i] += amount[i] * s if amount[i] != F32(0.0) else F32(0.0)
        y[i] += amount[i] * t if amount[i] != F32(0.0) else F32(0.0)
"""


@cache
def slab(number: int, fused: bool) -> Any:
    """The variation compiled for a row of walkers, as a pointer that compiled code takes as an argument.

    Fused: (x, y) = V(affine(x, y)). Summed: (x, y) += amount · V(u, v), for sums of variations and choices by map.
    `columns` holds a value a column of walkers: rows 0..5 the affine coefficients, then from row `base` the amount and
    the variation's parameters; the row's walkers use columns `offset`, `offset + 1`, ... .
    """
    row = VARIATIONS[number]
    rows = {letter: str(i) for i, letter in enumerate("abcdef")}
    own = {f"p{i + 1}": f"base + {i + 1}" for i in range(MAX_PARAMS)}
    taken = {k: v for k, v in (rows | own).items() if k in row.arguments or (fused and k in rows)}
    slices = "\n".join(f"    {k}_ = columns[{index}, offset:offset + n]" for k, index in taken.items())
    values = "".join(f", {k}_[i]" for k in row.arguments)
    source = (_FUSED if fused else _SUMMED).format(name=row.name, slices=slices, values=values)
    namespace: dict[str, Any] = {"__name__": __name__, row.name: row.function, "F32": F32}
    exec(compile(source, __file__, "exec"), namespace)
    function = namespace[f"{'fused' if fused else 'summed'}_{row.name}"]
    return types.CompileResultWAP(driver(SLAB_TYPE, function))
