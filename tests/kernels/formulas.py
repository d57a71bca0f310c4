"""The 49 variations written once more, in double precision and in the order of the paper's appendix.

Every function takes arrays x, y and a namespace of the rest: a..f, p1..p4, u1..u5.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

EPS = 1e-10
PI = np.pi

Pair = tuple[Any, Any]


def _r(x: Any, y: Any) -> Any:
    return np.sqrt(x**2 + y**2)


def _theta(x: Any, y: Any) -> Any:
    return np.arctan2(x, y)


def _on_circle(radius: Any, angle: Any) -> Pair:
    return radius * np.cos(angle), radius * np.sin(angle)


def heart(x: Any, y: Any, v: Any) -> Pair:
    r, angle = _r(x, y), _theta(x, y) * _r(x, y)
    return r * np.sin(angle), -r * np.cos(angle)


def ex(x: Any, y: Any, v: Any) -> Pair:
    r, theta = _r(x, y), _theta(x, y)
    p, q = np.sin(theta + r), np.cos(theta - r)
    return r * (p**3 + q**3), r * (p**3 - q**3)


def julia(x: Any, y: Any, v: Any) -> Pair:
    return _on_circle(np.sqrt(_r(x, y)), _theta(x, y) / 2 + np.where(v.u1 < 0.5, 0, PI))


def popcorn(x: Any, y: Any, v: Any) -> Pair:
    return x + v.c * np.sin(np.tan(3 * y)), y + v.f * np.sin(np.tan(3 * x))


def cosine(x: Any, y: Any, v: Any) -> Pair:
    return np.cos(PI * x) * np.tanh(y), -np.sin(PI * x) * np.tanh(y)


def rings(x: Any, y: Any, v: Any) -> Pair:
    r, k = _r(x, y), v.c**2 + EPS
    return _on_circle(np.fmod(r + k, 2 * k) - k + r * (1 - k), _theta(x, y))


def fan(x: Any, y: Any, v: Any) -> Pair:
    theta, t = _theta(x, y), PI * (v.c**2 + EPS)
    return _on_circle(_r(x, y), np.where(np.fmod(theta + v.f, t) > t / 2, theta - t / 2, theta + t / 2))


def blob(x: Any, y: Any, v: Any) -> Pair:
    theta = _theta(x, y)
    r = _r(x, y) * (v.p2 + (v.p1 - v.p2) / 2 * (np.sin(v.p3 * theta) + 1))
    return r * np.sin(theta), r * np.cos(theta)


def fan2(x: Any, y: Any, v: Any) -> Pair:
    theta, t = _theta(x, y), PI * (v.p1**2 + EPS)
    s = theta + v.p2 - t * np.trunc((theta + v.p2) / t)
    turned = np.where(s > t / 2, theta - t / 2, theta + t / 2)
    return _r(x, y) * np.sin(turned), _r(x, y) * np.cos(turned)


def rings2(x: Any, y: Any, v: Any) -> Pair:
    r, k, theta = _r(x, y), v.p1**2 + EPS, _theta(x, y)
    t = r - 2 * k * np.trunc((r + k) / (2 * k)) + r * (1 - k)
    return t * np.sin(theta), t * np.cos(theta)


def perspective(x: Any, y: Any, v: Any) -> Pair:
    q = v.p2 / (v.p2 - y * np.sin(v.p1))
    return q * x, q * y * np.cos(v.p1)


def julian(x: Any, y: Any, v: Any) -> Pair:
    t = (np.arctan2(y, x) + 2 * PI * np.trunc(np.abs(v.p1) * v.u1)) / v.p1
    return _on_circle(_r(x, y) ** (v.p2 / v.p1), t)


def juliascope(x: Any, y: Any, v: Any) -> Pair:
    k, phi = np.trunc(np.abs(v.p1) * v.u1), np.arctan2(y, x)
    return _on_circle(_r(x, y) ** (v.p2 / v.p1), (np.where(k % 2 == 0, phi, -phi) + 2 * PI * k) / v.p1)


def gaussian_blur(x: Any, y: Any, v: Any) -> Pair:
    return _on_circle(v.u1 + v.u2 + v.u3 + v.u4 - 2, 2 * PI * v.u5)


def radial_blur(x: Any, y: Any, v: Any) -> Pair:
    g = v.u1 + v.u2 + v.u3 + v.u4 - 2
    t, z, r = np.arctan2(y, x) + g * np.sin(v.p1 * PI / 2), g * np.cos(v.p1 * PI / 2) - 1, _r(x, y)
    return r * np.cos(t) + z * x, r * np.sin(t) + z * y


def pie(x: Any, y: Any, v: Any) -> Pair:
    k = np.trunc(v.p1 * v.u1 + 0.5)
    return _on_circle(v.u3, v.p2 + 2 * PI * (k + v.u2 * v.p3) / v.p1)


def ngon(x: Any, y: Any, v: Any) -> Pair:
    b, phi = 2 * PI / v.p2, np.arctan2(y, x)
    s = phi - b * np.floor(phi / b)
    s = np.where(s > b / 2, s - b, s)
    k = (v.p3 * (1 / (np.cos(s) + EPS) - 1) + v.p4) / (_r(x, y) ** v.p1 + EPS)
    return k * x, k * y


def curl(x: Any, y: Any, v: Any) -> Pair:
    # In the complex plane: z / (1 + p1 z + p2 z²).
    z = x + 1j * y
    w = 1 + v.p1 * z + v.p2 * z**2
    out = z * np.conj(w) / (np.abs(w) ** 2 + EPS)
    return out.real, out.imag


def rectangles(x: Any, y: Any, v: Any) -> Pair:
    def axis(at: Any, p: Any) -> Any:
        safe = np.where(p == 0, 1, p)
        return np.where(p == 0, at, (2 * np.floor(at / safe) + 1) * p - at)

    return axis(x, v.p1), axis(y, v.p2)


def rays(x: Any, y: Any, v: Any) -> Pair:
    q = np.tan(PI * v.u1) / (x**2 + y**2 + EPS)
    return q * np.cos(x), q * np.sin(y)


def blade(x: Any, y: Any, v: Any) -> Pair:
    angle = v.u1 * _r(x, y)
    return x * (np.cos(angle) + np.sin(angle)), x * (np.cos(angle) - np.sin(angle))


def secant2(x: Any, y: Any, v: Any) -> Pair:
    c = np.cos(_r(x, y))
    return x, np.where(c < 0, 1 / c + 1, 1 / c - 1)


def twintrian(x: Any, y: Any, v: Any) -> Pair:
    s = v.u1 * _r(x, y)
    t = np.log10(np.sin(s) ** 2) + np.cos(s)
    t = np.where(np.isfinite(t), t, -30)
    return x * t, x * (t - PI * np.sin(s))


def _fish(x: Any, y: Any) -> Any:
    return 2 / (_r(x, y) + 1)


FORMULAS: dict[int, tuple[str, Callable[[Any, Any, SimpleNamespace], Pair]]] = {
    0: ("linear", lambda x, y, v: (x, y)),
    1: ("sinusoidal", lambda x, y, v: (np.sin(x), np.sin(y))),
    2: ("spherical", lambda x, y, v: (x / (x**2 + y**2 + EPS), y / (x**2 + y**2 + EPS))),
    3: (
        "swirl",
        lambda x, y, v: (
            x * np.sin(x**2 + y**2) - y * np.cos(x**2 + y**2),
            x * np.cos(x**2 + y**2) + y * np.sin(x**2 + y**2),
        ),
    ),
    4: ("horseshoe", lambda x, y, v: ((x - y) * (x + y) / (_r(x, y) + EPS), 2 * x * y / (_r(x, y) + EPS))),
    5: ("polar", lambda x, y, v: (_theta(x, y) / PI, _r(x, y) - 1)),
    6: (
        "handkerchief",
        lambda x, y, v: (
            _r(x, y) * np.sin(_theta(x, y) + _r(x, y)),
            _r(x, y) * np.cos(_theta(x, y) - _r(x, y)),
        ),
    ),
    7: ("heart", heart),
    8: (
        "disc",
        lambda x, y, v: (_theta(x, y) / PI * np.sin(PI * _r(x, y)), _theta(x, y) / PI * np.cos(PI * _r(x, y))),
    ),
    9: (
        "spiral",
        lambda x, y, v: (
            (np.cos(_theta(x, y)) + np.sin(_r(x, y))) / (_r(x, y) + EPS),
            (np.sin(_theta(x, y)) - np.cos(_r(x, y))) / (_r(x, y) + EPS),
        ),
    ),
    10: (
        "hyperbolic",
        lambda x, y, v: (np.sin(_theta(x, y)) / (_r(x, y) + EPS), _r(x, y) * np.cos(_theta(x, y))),
    ),
    11: (
        "diamond",
        lambda x, y, v: (np.sin(_theta(x, y)) * np.cos(_r(x, y)), np.cos(_theta(x, y)) * np.sin(_r(x, y))),
    ),
    12: ("ex", ex),
    13: ("julia", julia),
    14: ("bent", lambda x, y, v: (np.where(x >= 0, x, 2 * x), np.where(y >= 0, y, y / 2))),
    15: ("waves", lambda x, y, v: (x + v.b * np.sin(y / (v.c**2 + EPS)), y + v.e * np.sin(x / (v.f**2 + EPS)))),
    16: ("fisheye", lambda x, y, v: (_fish(x, y) * y, _fish(x, y) * x)),
    17: ("popcorn", popcorn),
    18: ("exponential", lambda x, y, v: (np.exp(x - 1) * np.cos(PI * y), np.exp(x - 1) * np.sin(PI * y))),
    19: ("power", lambda x, y, v: _on_circle(_r(x, y) ** np.sin(_theta(x, y)), _theta(x, y))),
    20: ("cosine", cosine),
    21: ("rings", rings),
    22: ("fan", fan),
    23: ("blob", blob),
    24: ("pdj", lambda x, y, v: (np.sin(v.p1 * y) - np.cos(v.p2 * x), np.sin(v.p3 * x) - np.cos(v.p4 * y))),
    25: ("fan2", fan2),
    26: ("rings2", rings2),
    27: ("eyefish", lambda x, y, v: (_fish(x, y) * x, _fish(x, y) * y)),
    28: ("bubble", lambda x, y, v: (4 * x / (x**2 + y**2 + 4), 4 * y / (x**2 + y**2 + 4))),
    29: ("cylinder", lambda x, y, v: (np.sin(x), y)),
    30: ("perspective", perspective),
    31: ("noise", lambda x, y, v: (v.u1 * x * np.cos(2 * PI * v.u2), v.u1 * y * np.sin(2 * PI * v.u2))),
    32: ("julian", julian),
    33: ("juliascope", juliascope),
    34: ("blur", lambda x, y, v: _on_circle(v.u1, 2 * PI * v.u2)),
    35: ("gaussian_blur", gaussian_blur),
    36: ("radial_blur", radial_blur),
    37: ("pie", pie),
    38: ("ngon", ngon),
    39: ("curl", curl),
    40: ("rectangles", rectangles),
    41: ("arch", lambda x, y, v: (np.sin(PI * v.u1), np.sin(PI * v.u1) ** 2 / np.cos(PI * v.u1))),
    42: ("tangent", lambda x, y, v: (np.sin(x) / np.cos(y), np.tan(y))),
    43: ("square", lambda x, y, v: (v.u1 - 0.5, v.u2 - 0.5)),
    44: ("rays", rays),
    45: ("blade", blade),
    46: ("secant2", secant2),
    47: ("twintrian", twintrian),
    48: (
        "cross",
        lambda x, y, v: (x * np.sqrt(1 / ((x**2 - y**2) ** 2 + EPS)), y * np.sqrt(1 / ((x**2 - y**2) ** 2 + EPS))),
    ),
}
"""By number: the name and the function."""
