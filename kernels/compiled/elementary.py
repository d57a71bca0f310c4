"""Elementary functions in float32 from + - x / and sqrt alone: they vectorise, and their bits depend on no libm.

exp and log are those of Cephes (S. Moshier), single precision; sine and cosine are fitted on half a turn, the
arctangent on [0, 1], all with the error spread evenly (minimax).
"""

import numpy as np

from fractalvid.kernels.compiled.compile import scalar

F32 = np.float32
I32 = np.int32

PI = F32(np.pi)

_ONE_OVER_PI = F32(1.0 / np.pi)
# π in three parts, the first two with so few bits that their multiples are exact (Cody & Waite).
_PI_1, _PI_2, _PI_3 = F32(3.140625), F32(9.67502593994140625e-4), F32(1.509957990978376432e-7)
_HALF_PI = F32(np.pi / 2)
_LOG2_E = F32(1.44269504088896341)
_LN2_HIGH = F32(0.693359375)
_LN2_LOW = F32(-2.12194440e-4)
_LOG10_E = F32(0.434294481903251828)
_SQRT_HALF = F32(0.707106781186547524)
# The smallest normal number: what lies below has lost bits, and `log` cannot take it.
_TINY = F32(1.17549435e-38)


@scalar
def _reduce(x):
    """(r, odd): x - kπ in [-π/2, π/2] for the nearest k, and whether k is odd."""
    k = np.rint(min(max(x, F32(-1e8)), F32(1e8)) * _ONE_OVER_PI)
    r = ((x - k * _PI_1) - k * _PI_2) - k * _PI_3
    return min(max(r, -_HALF_PI), _HALF_PI), (I32(k) & I32(1)) != I32(0)


@scalar
def _sin_half(r):
    """Sine on [-π/2, π/2]."""
    z = r * r
    p = F32(2.600018552e-06)
    p = p * z + F32(-1.980659895e-04)
    p = p * z + F32(8.333017069e-03)
    p = p * z + F32(-1.666665709e-01)
    return r + r * z * p


@scalar
def _cos_half(r):
    """Cosine on [-π/2, π/2]."""
    z = r * r
    p = F32(-2.619350268e-07)
    p = p * z + F32(2.476928933e-05)
    p = p * z + F32(-1.388856894e-03)
    p = p * z + F32(4.166665576e-02)
    return F32(1.0) + z * (F32(-0.5) + z * p)


@scalar
def sin(x):
    """Sine of x in radians: error below 3e-7 for |x| < 1e4; beyond, the phase coarsens but it stays in [-1, 1]."""
    r, odd = _reduce(x)
    s = _sin_half(r)
    return -s if odd else s


@scalar
def cos(x):
    """Cosine of x in radians, as exact as `sin`."""
    r, odd = _reduce(x)
    c = _cos_half(r)
    return -c if odd else c


@scalar
def sincos(x):
    """(sin x, cos x)."""
    r, odd = _reduce(x)
    s, c = _sin_half(r), _cos_half(r)
    return (-s if odd else s), (-c if odd else c)


@scalar
def tan(x):
    """Tangent of x in radians, the quotient of sine and cosine."""
    r, _ = _reduce(x)
    return _sin_half(r) / _cos_half(r)


@scalar
def exp(x):
    """Exponential of x clamped to [-87, 88], relative error below 2e-7."""
    x = min(max(x, F32(-87.0)), F32(88.0))
    k = np.rint(x * _LOG2_E)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = F32(1.9875691500e-4)
    p = p * r + F32(1.3981999507e-3)
    p = p * r + F32(8.3334519073e-3)
    p = p * r + F32(4.1665795894e-2)
    p = p * r + F32(1.6666665459e-1)
    p = p * r + F32(5.0000001201e-1)
    scale = I32((I32(k) + I32(127)) << I32(23)).view(F32)
    return (p * r * r + r + F32(1.0)) * scale


@scalar
def tanh(x):
    """Hyperbolic tangent, absolute error below 2e-7."""
    return F32(1.0) - F32(2.0) / (exp(F32(2.0) * x) + F32(1.0))


@scalar
def log(x):
    """Natural logarithm of a positive, normal x, relative error below 2e-7."""
    bits = F32(x).view(I32)
    exponent = F32(I32(bits >> I32(23)) - I32(126))
    mantissa = I32((bits & I32(0x007FFFFF)) | I32(0x3F000000)).view(F32)
    small = mantissa < _SQRT_HALF
    exponent = exponent - F32(1.0) if small else exponent
    r = (mantissa + mantissa if small else mantissa) - F32(1.0)
    z = r * r
    p = F32(7.0376836292e-2)
    p = p * r + F32(-1.1514610310e-1)
    p = p * r + F32(1.1676998740e-1)
    p = p * r + F32(-1.2420140846e-1)
    p = p * r + F32(1.4249322787e-1)
    p = p * r + F32(-1.6668057665e-1)
    p = p * r + F32(2.0000714765e-1)
    p = p * r + F32(-2.4999993993e-1)
    p = p * r + F32(3.3333331174e-1)
    return r + (r * z * p + exponent * _LN2_LOW - F32(0.5) * z) + exponent * _LN2_HIGH


@scalar
def log10(x):
    """Decimal logarithm of a positive, normal x."""
    return log(x) * _LOG10_E


@scalar
def raised(x, p):
    """Power p of x >= 0, relative error below 1e-7 · (2 + |p log x|); of 0 it is 0 if p > 0, and 1 if p is 0."""
    q = exp(p * log(max(x, _TINY)))
    return F32(0.0) if x < _TINY and p > F32(0.0) else q


@scalar
def atan2(y, x):
    """Angle of (x, y) in [-π, π], absolute error below 4e-7; 0 at the origin. Zeros have no sign here."""
    ax, ay = abs(x), abs(y)
    steep = ay > ax
    t = (ax if steep else ay) / max(ay if steep else ax, _TINY)
    z = t * t
    p = F32(-4.355317913e-03)
    p = p * z + F32(2.303981967e-02)
    p = p * z + F32(-5.777313933e-02)
    p = p * z + F32(9.794202447e-02)
    p = p * z + F32(-1.397656947e-01)
    p = p * z + F32(1.996270120e-01)
    p = p * z + F32(-3.333165944e-01)
    angle = t + t * z * p
    angle = _HALF_PI - angle if steep else angle
    angle = PI - angle if x < F32(0.0) else angle
    return -angle if y < F32(0.0) else angle


@scalar
def sincos_turns(t):
    """(sin 2πt, cos 2πt) for |t| < 1e6 turns."""
    k = np.rint(t + t)
    r = (t + t - k) * PI
    odd = (I32(k) & I32(1)) != I32(0)
    s, c = _sin_half(r), _cos_half(r)
    return (-s if odd else s), (-c if odd else c)


@scalar
def fmod(x, m):
    """Remainder x - m · trunc(x/m) for m > 0, as in C: of the sign of x and below m in size."""
    q = abs(x)
    rest = q - m * np.floor(q / m)
    # A quotient rounded across an integer leaves the remainder one m off.
    rest = rest + m if rest < F32(0.0) else rest
    rest = rest - m if rest >= m else rest
    return -rest if x < F32(0.0) else rest
