"""The table of flame variations (Draves & Reckase, "The Fractal Flame Algorithm", appendix; numbers as in flam3).

A row is a scalar function in float32. Its parameter names say what it takes: `x, y` the point that the affine map has
just produced, `a` to `f` that map's coefficients, `p1` to `p4` the variation's own parameters, `u1` to `u5` uniform
random numbers in [0, 1), fresh for every point and step. Its docstring is its formula. Everything else (the compiled
loops, the documentation, the names on the command line, what classes draw) is derived from the table.

Notation: r = √(x² + y²); θ = atan2(x, y), x first, so that sin θ = x/r and cos θ = y/r; φ = atan2(y, x); ε = 1e-10
keeps quotients finite; x mod m has the sign of x; Ψ1, Ψ2, ... are the random numbers; Λ is 0 or π, at random.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fractalvid.kernels.compiled.compile import scalar
from fractalvid.kernels.compiled.elementary import (
    F32,
    PI,
    atan2,
    cos,
    exp,
    fmod,
    log10,
    raised,
    sin,
    sincos,
    sincos_turns,
    tan,
    tanh,
)

EPSILON = F32(1e-10)
LINEAR = 0
MAX_PARAMS = 4
AFFINE_ROWS = 6

_HALF = F32(0.5)
_ONE = F32(1.0)
_TWO = F32(2.0)
_TWO_PI = F32(2 * np.pi)
_ONE_OVER_PI = F32(1 / np.pi)


@dataclass(frozen=True)
class Param:
    """A parameter of a variation, and where it is worth drawing.

    Attributes:
        meaning: what it does, in a word.
        low: least value.
        high: largest value.
        kind: "real" numbers may move; an "integer" keeps its value over a clip; an "angle" is periodic, in radians.
    """

    meaning: str
    low: float
    high: float
    kind: Literal["real", "integer", "angle"] = "real"


@dataclass(frozen=True)
class Variation:
    """A row of the table.

    Attributes:
        number: flam3's number.
        name: flam3's name.
        formula: V(x, y) in words of the module's notation.
        function: jitted scalar function, (x, y, ...) -> (x, y).
        arguments: what the function takes after x and y, in order.
        params: its own parameters p1, p2, ..., in order.
        amount: which part of a sum it is worth being: its amount before the amounts are scaled to add up to 1.
        ignores_point: it draws from a distribution, wherever the point is; alone it neither moves nor has structure.
        unbounded: it throws single points very far, or to infinity.
        superlinear: it grows faster than any affine map can shrink, so growth at infinity says nothing of its orbits.
    """

    number: int
    name: str
    formula: str
    function: Callable[..., tuple[Any, Any]]
    arguments: tuple[str, ...]
    params: tuple[Param, ...] = ()
    amount: tuple[float, float] = (0.25, 1.0)
    ignores_point: bool = False
    unbounded: bool = False
    superlinear: bool = False

    @property
    def draws(self) -> int:
        """How many random numbers a point takes."""
        return sum(argument.startswith("u") for argument in self.arguments)


VARIATIONS: dict[int, Variation] = {}
"""The table, by number."""


def _row(number: int, *params: Param, **traits: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        arguments = tuple(inspect.signature(function).parameters)[2:]
        formula = " ".join((inspect.getdoc(function) or "").split())
        compiled = scalar(function)
        VARIATIONS[number] = Variation(number, function.__name__, formula, compiled, arguments, params, **traits)
        return function

    return register


def by_name(name: str) -> Variation:
    """The row of that name.

    Raises:
        KeyError: no such variation.
    """
    return _BY_NAME[name]


@scalar
def _radius(x, y):
    return np.sqrt(x * x + y * y)


@scalar
def _direction(x, y):
    """(r, sin θ, cos θ), with θ = 0 at the origin."""
    r = _radius(x, y)
    away = r > F32(0.0)
    q = _ONE / (r if away else _ONE)
    return r, x * q, (y * q if away else _ONE)


@scalar
def _bell(u1, u2, u3, u4):
    """Ψ1 + Ψ2 + Ψ3 + Ψ4 - 2, nearly Gaussian."""
    return ((u1 + u2) + (u3 + u4)) - _TWO


@_row(0)
def linear(x, y):
    """(x, y)."""
    return x, y


@_row(1)
def sinusoidal(x, y):
    """(sin x, sin y)."""
    return sin(x), sin(y)


@_row(2, unbounded=True)
def spherical(x, y):
    """(x, y) / (r² + ε)."""
    q = _ONE / (x * x + y * y + EPSILON)
    return x * q, y * q


@_row(3)
def swirl(x, y):
    """(x sin r² - y cos r², x cos r² + y sin r²)."""
    s, c = sincos(x * x + y * y)
    return x * s - y * c, x * c + y * s


@_row(4)
def horseshoe(x, y):
    """((x - y)(x + y), 2xy) / (r + ε)."""
    q = F32(1.0) / (_radius(x, y) + EPSILON)
    return (x - y) * (x + y) * q, F32(2.0) * x * y * q


@_row(5)
def polar(x, y):
    """(θ/π, r - 1)."""
    return atan2(x, y) * _ONE_OVER_PI, _radius(x, y) - _ONE


@_row(6)
def handkerchief(x, y):
    """(sin(θ + r), cos(θ - r)) · r."""
    s, c = sincos(_radius(x, y))
    return x * c + y * s, y * c + x * s


@_row(7)
def heart(x, y):
    """(sin(θr), -cos(θr)) · r."""
    r = _radius(x, y)
    s, c = sincos(atan2(x, y) * r)
    return r * s, -r * c


@_row(8)
def disc(x, y):
    """(sin πr, cos πr) · θ/π."""
    t = atan2(x, y) * _ONE_OVER_PI
    s, c = sincos(PI * _radius(x, y))
    return t * s, t * c


@_row(9, unbounded=True)
def spiral(x, y):
    """(cos θ + sin r, sin θ - cos r) / (r + ε)."""
    r, sin_theta, cos_theta = _direction(x, y)
    s, c = sincos(r)
    q = _ONE / (r + EPSILON)
    return (cos_theta + s) * q, (sin_theta - c) * q


@_row(10, unbounded=True)
def hyperbolic(x, y):
    """(sin θ / (r + ε), r cos θ)."""
    r, sin_theta, _ = _direction(x, y)
    return sin_theta / (r + EPSILON), y


@_row(11)
def diamond(x, y):
    """(sin θ cos r, cos θ sin r)."""
    r, sin_theta, cos_theta = _direction(x, y)
    s, c = sincos(r)
    return sin_theta * c, cos_theta * s


@_row(12)
def ex(x, y):
    """(p³ + q³, p³ - q³) · r, p = sin(θ + r), q = cos(θ - r)."""
    r, sin_theta, cos_theta = _direction(x, y)
    s, c = sincos(r)
    p = sin_theta * c + cos_theta * s
    q = cos_theta * c + sin_theta * s
    p = r * p * p * p
    q = r * q * q * q
    return p + q, p - q


@_row(13)
def julia(x, y, u1):
    """(cos(θ/2 + Λ), sin(θ/2 + Λ)) · √r."""
    # Half angles by roots; the smaller of the two as a quotient, since its own difference would cancel.
    large = np.sqrt((_radius(x, y) + abs(y)) * _HALF)
    small = abs(x) * _HALF / max(large, F32(1e-30))
    c = large if y >= F32(0.0) else small
    s = small if y >= F32(0.0) else large
    c = c if u1 < _HALF else -c
    s = s if (u1 < _HALF) == (x >= F32(0.0)) else -s
    return c, s


@_row(14)
def bent(x, y):
    """(x if x >= 0 else 2x, y if y >= 0 else y/2)."""
    return (x if x >= F32(0.0) else x + x), (y if y >= F32(0.0) else y * F32(0.5))


@_row(15)
def waves(x, y, b, c, e, f):
    """(x + b sin(y/(c² + ε)), y + e sin(x/(f² + ε)))."""
    return x + b * sin(y / (c * c + EPSILON)), y + e * sin(x / (f * f + EPSILON))


@_row(16)
def fisheye(x, y):
    """(y, x) · 2/(r + 1), in that order."""
    q = F32(2.0) / (_radius(x, y) + F32(1.0))
    return q * y, q * x


@_row(17)
def popcorn(x, y, c, f):
    """(x + c sin(tan 3y), y + f sin(tan 3x))."""
    return x + c * sin(tan(F32(3.0) * y)), y + f * sin(tan(F32(3.0) * x))


@_row(18, unbounded=True, superlinear=True)
def exponential(x, y):
    """(cos πy, sin πy) · exp(x - 1)."""
    q = exp(x - _ONE)
    s, c = sincos(PI * y)
    return q * c, q * s


@_row(19, unbounded=True)
def power(x, y):
    """(cos θ, sin θ) · r^(sin θ)."""
    r, sin_theta, cos_theta = _direction(x, y)
    q = raised(r, sin_theta)
    return q * cos_theta, q * sin_theta


@_row(20)
def cosine(x, y):
    """(cos πx tanh y, -sin πx tanh y): bounded, as in the fractal-video paper's code; flam3 has cosh and sinh."""
    s, c = sincos(PI * x)
    t = tanh(y)
    return c * t, -s * t


@_row(21)
def rings(x, y, c):
    """(cos θ, sin θ) · ((r + k) mod 2k - k + r(1 - k)), k = c² + ε."""
    r, sin_theta, cos_theta = _direction(x, y)
    k = c * c + EPSILON
    t = fmod(r + k, k + k) - k + r * (_ONE - k)
    return t * cos_theta, t * sin_theta


@_row(22)
def fan(x, y, c, f):
    """(cos θ', sin θ') · r, θ' = θ - t/2 if (θ + f) mod t > t/2 else θ + t/2, t = π(c² + ε)."""
    theta = atan2(x, y)
    t = PI * (c * c + EPSILON)
    half = t * _HALF
    s, c = sincos(theta - half if fmod(theta + f, t) > half else theta + half)
    r = _radius(x, y)
    return r * c, r * s


@_row(23, Param("high", 0.8, 1.4), Param("low", 0.2, 0.8), Param("waves", 3, 7, "integer"))
def blob(x, y, p1, p2, p3):
    """(x, y) · (p2 + (p1 - p2)/2 · (sin(p3 θ) + 1))."""
    q = p2 + (p1 - p2) * _HALF * (sin(p3 * atan2(x, y)) + _ONE)
    return q * x, q * y


@_row(24, *(Param("frequency", -3, 3),) * 4)
def pdj(x, y, p1, p2, p3, p4):
    """(sin(p1 y) - cos(p2 x), sin(p3 x) - cos(p4 y))."""
    return sin(p1 * y) - cos(p2 * x), sin(p3 * x) - cos(p4 * y)


@_row(25, Param("width", -1, 1), Param("turn", -1, 1))
def fan2(x, y, p1, p2):
    """(sin θ', cos θ') · r, θ' = θ - t/2 if (θ + p2) mod t > t/2 else θ + t/2, t = π(p1² + ε)."""
    theta = atan2(x, y)
    t = PI * (p1 * p1 + EPSILON)
    half = t * _HALF
    s, c = sincos(theta - half if fmod(theta + p2, t) > half else theta + half)
    r = _radius(x, y)
    return r * s, r * c


@_row(26, Param("width", -1, 1))
def rings2(x, y, p1):
    """(sin θ, cos θ) · (r - 2k trunc((r + k)/2k) + r(1 - k)), k = p1² + ε."""
    r, sin_theta, cos_theta = _direction(x, y)
    k = p1 * p1 + EPSILON
    t = fmod(r + k, k + k) - k + r * (_ONE - k)
    return t * sin_theta, t * cos_theta


@_row(27)
def eyefish(x, y):
    """(x, y) · 2/(r + 1)."""
    q = F32(2.0) / (_radius(x, y) + F32(1.0))
    return q * x, q * y


@_row(28)
def bubble(x, y):
    """(x, y) · 4/(r² + 4)."""
    q = F32(4.0) / (x * x + y * y + F32(4.0))
    return q * x, q * y


@_row(29)
def cylinder(x, y):
    """(sin x, y)."""
    return sin(x), y


@_row(30, Param("angle", 0, 1.5), Param("distance", 1, 3), unbounded=True)
def perspective(x, y, p1, p2):
    """(x, y cos p1) · p2/(p2 - y sin p1)."""
    s, c = sincos(p1)
    q = p2 / (p2 - y * s)
    return q * x, q * y * c


@_row(31)
def noise(x, y, u1, u2):
    """(x cos 2πΨ2, y sin 2πΨ2) · Ψ1."""
    s, c = sincos_turns(u2)
    return u1 * x * c, u1 * y * s


@_row(32, Param("power", 2, 5, "integer"), Param("distance", 0.5, 1.5))
def julian(x, y, p1, p2, u1):
    """(cos t, sin t) · r^(p2/p1), t = (φ + 2π trunc(|p1|Ψ1))/p1."""
    s, c = sincos((atan2(y, x) + _TWO_PI * np.floor(abs(p1) * u1)) / p1)
    q = raised(_radius(x, y), p2 / p1)
    return q * c, q * s


@_row(33, Param("power", 2, 5, "integer"), Param("distance", 0.5, 1.5))
def juliascope(x, y, p1, p2, u1):
    """(cos t, sin t) · r^(p2/p1), t = (±φ + 2πk)/p1, k = trunc(|p1|Ψ1), + for even k."""
    k = np.floor(abs(p1) * u1)
    phi = atan2(y, x)
    phi = phi if np.floor(k * _HALF) * _TWO == k else -phi
    s, c = sincos((phi + _TWO_PI * k) / p1)
    q = raised(_radius(x, y), p2 / p1)
    return q * c, q * s


@_row(34, amount=(0.02, 0.12), ignores_point=True)
def blur(x, y, u1, u2):
    """(cos 2πΨ2, sin 2πΨ2) · Ψ1."""
    s, c = sincos_turns(u2)
    return u1 * c, u1 * s


@_row(35, amount=(0.02, 0.12), ignores_point=True)
def gaussian_blur(x, y, u1, u2, u3, u4, u5):
    """(cos 2πΨ5, sin 2πΨ5) · (Ψ1 + Ψ2 + Ψ3 + Ψ4 - 2)."""
    g = _bell(u1, u2, u3, u4)
    s, c = sincos_turns(u5)
    return g * c, g * s


@_row(36, Param("angle", -1, 1))
def radial_blur(x, y, p1, u1, u2, u3, u4):
    """(r cos t + zx, r sin t + zy), t = φ + g sin(πp1/2), z = g cos(πp1/2) - 1, g = Ψ1 + Ψ2 + Ψ3 + Ψ4 - 2."""
    g = _bell(u1, u2, u3, u4)
    turning, zooming = sincos_turns(p1 * F32(0.25))
    s, c = sincos(g * turning)
    z = g * zooming - _ONE
    return (x * c - y * s) + z * x, (y * c + x * s) + z * y


@_row(
    37,
    *(Param("slices", 3, 8, "integer"), Param("rotation", 0, 2 * np.pi, "angle"), Param("thickness", 0.2, 0.8)),
    amount=(0.02, 0.12),
    ignores_point=True,
)
def pie(x, y, p1, p2, p3, u1, u2, u3):
    """(cos t, sin t) · Ψ3, t = p2 + 2π(trunc(p1 Ψ1 + 1/2) + Ψ2 p3)/p1."""
    s, c = sincos(p2 + _TWO_PI * (np.floor(p1 * u1 + _HALF) + u2 * p3) / p1)
    return u3 * c, u3 * s


@_row(
    38,
    *(Param("power", 2, 4), Param("sides", 3, 9, "integer"), Param("corners", 0, 2), Param("circle", 0.5, 2)),
    unbounded=True,
)
def ngon(x, y, p1, p2, p3, p4):
    """(x, y) · k, k = (p3 (1/(cos s + ε) - 1) + p4)/(r^p1 + ε), s = φ mod b in [-b/2, b/2], b = 2π/p2."""
    phi = atan2(y, x)
    b = _TWO_PI / p2
    s = phi - b * np.floor(phi / b)
    s = s - b if s > b * _HALF else s
    k = (p3 * (_ONE / (cos(s) + EPSILON) - _ONE) + p4) / (raised(_radius(x, y), p1) + EPSILON)
    return k * x, k * y


@_row(39, Param("first order", -1, 1), Param("second order", -1, 1), unbounded=True)
def curl(x, y, p1, p2):
    """(x re + y im, y re - x im)/(re² + im² + ε), re = 1 + p1 x + p2 (x² - y²), im = p1 y + 2 p2 xy."""
    re = _ONE + p1 * x + p2 * ((x - y) * (x + y))
    im = p1 * y + _TWO * p2 * x * y
    q = _ONE / (re * re + im * im + EPSILON)
    return (x * re + y * im) * q, (y * re - x * im) * q


@_row(40, Param("width", 0.1, 1), Param("height", 0.1, 1))
def rectangles(x, y, p1, p2):
    """((2 floor(x/p1) + 1) p1 - x, (2 floor(y/p2) + 1) p2 - y); a parameter of 0 leaves its axis alone."""
    u = (_TWO * np.floor(x / p1) + _ONE) * p1 - x
    v = (_TWO * np.floor(y / p2) + _ONE) * p2 - y
    return (x if p1 == F32(0.0) else u), (y if p2 == F32(0.0) else v)


@_row(41, amount=(0.01, 0.06), ignores_point=True, unbounded=True)
def arch(x, y, u1):
    """(sin πΨ1, sin² πΨ1 / cos πΨ1)."""
    s, c = sincos_turns(u1 * _HALF)
    return s, s * s / c


@_row(42, unbounded=True)
def tangent(x, y):
    """(sin x / cos y, tan y)."""
    s, c = sincos(y)
    q = _ONE / c
    return sin(x) * q, s * q


@_row(43, amount=(0.03, 0.15), ignores_point=True)
def square(x, y, u1, u2):
    """(Ψ1 - 1/2, Ψ2 - 1/2)."""
    return u1 - _HALF, u2 - _HALF


@_row(44, unbounded=True)
def rays(x, y, u1):
    """(cos x, sin y) · tan(πΨ1)/(r² + ε)."""
    s, c = sincos_turns(u1 * _HALF)
    q = s / (c * (x * x + y * y + EPSILON))
    return q * cos(x), q * sin(y)


@_row(45)
def blade(x, y, u1):
    """(cos(Ψ1 r) + sin(Ψ1 r), cos(Ψ1 r) - sin(Ψ1 r)) · x."""
    s, c = sincos(u1 * _radius(x, y))
    return x * (c + s), x * (c - s)


@_row(46, unbounded=True)
def secant2(x, y):
    """(x, 1/cos r + 1 if cos r < 0 else 1/cos r - 1)."""
    c = cos(_radius(x, y))
    q = _ONE / c
    return x, (q + _ONE if c < F32(0.0) else q - _ONE)


@_row(47, unbounded=True)
def twintrian(x, y, u1):
    """(t, t - π sin s) · x, t = log10(sin² s) + cos s (-30 where that is not finite), s = Ψ1 r."""
    s, c = sincos(u1 * _radius(x, y))
    size = abs(s)
    t = _TWO * log10(max(size, F32(1e-37))) + c
    t = t if size > F32(0.0) else F32(-30.0)
    return x * t, x * (t - PI * s)


@_row(48, unbounded=True)
def cross(x, y):
    """(x, y) · √(1/((x² - y²)² + ε))."""
    d = (x - y) * (x + y)
    q = _ONE / np.sqrt(d * d + EPSILON)
    return q * x, q * y


VARIATIONS = dict(sorted(VARIATIONS.items()))
_BY_NAME = {row.name: row for row in VARIATIONS.values()}
