"""Where the images of discs and convex polygons lie under a homography, and how much of each pixel they cover."""

import numpy as np

from fractalvid.kernels.compiled.compile import inlined, subroutine
from fractalvid.kernels.compiled.elementary import F32

FAR = 8
"""At most so many periods of periodic layers are painted on either side, where a frame shows more or has a horizon."""
TINY = 1e-9


@inlined
def multiply(a, b, out):
    """Write the product of two 3 x 3 matrices."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@inlined
def adjugate(m, out):
    """Write the adjugate of m, which is its inverse times its determinant; returns the determinant."""
    for i in range(3):
        i1, i2 = (i + 1) % 3, (i + 2) % 3
        for j in range(3):
            j1, j2 = (j + 1) % 3, (j + 2) % 3
            out[j, i] = m[i1, j1] * m[i2, j2] - m[i1, j2] * m[i2, j1]
    return m[0, 0] * out[0, 0] + m[0, 1] * out[1, 0] + m[0, 2] * out[2, 0]


@subroutine
def bounds(m, height, width, box):
    """Rows and columns that the image of [-1, 1]² may touch: first row, end, first column, end."""
    left, right, top, bottom = 1e30, -1e30, 1e30, -1e30
    for k in range(4):
        p = 1.0 if k & 1 else -1.0
        q = 1.0 if k & 2 else -1.0
        w = m[2, 0] * p + m[2, 1] * q + m[2, 2]
        if w <= TINY:  # it reaches behind the camera: its image may be anywhere
            left, right, top, bottom = -1.0, width + 1.0, -1.0, height + 1.0
            break
        u = (m[0, 0] * p + m[0, 1] * q + m[0, 2]) / w
        v = (m[1, 0] * p + m[1, 1] * q + m[1, 2]) / w
        left, right, top, bottom = min(left, u), max(right, u), min(top, v), max(bottom, v)
    box[0] = np.int64(min(max(np.floor(top - 1.0), 0.0), float(height)))
    box[1] = np.int64(min(max(np.ceil(bottom + 1.0), 0.0), float(height)))
    box[2] = np.int64(min(max(np.floor(left - 1.0), 0.0), float(width)))
    box[3] = np.int64(min(max(np.ceil(right + 1.0), 0.0), float(width)))


@inlined
def image(m, point):
    """Where m takes a point (p, q), homogeneous."""
    p, q = float(point[0]), float(point[1])
    return (
        m[0, 0] * p + m[0, 1] * q + m[0, 2],
        m[1, 0] * p + m[1, 1] * q + m[1, 2],
        m[2, 0] * p + m[2, 1] * q + m[2, 2],
    )


@subroutine
def edges(m, turn, corners, count, lines):
    """Lines (S, 3) of a polygon's image: l · (u, v, 1) is the distance in pixels, negative inside."""
    for s in range(count):
        x0, y0, w0 = image(m, corners[s])
        x1, y1, w1 = image(m, corners[(s + 1) % count])
        a, b, c = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
        scale = -turn / max(np.sqrt(a * a + b * b), TINY)
        lines[s, 0], lines[s, 1], lines[s, 2] = F32(a * scale), F32(b * scale), F32(c * scale)


@inlined
def layer_coordinates(n, i, first, p, q, w):
    """A layer's homogeneous coordinates at the pixel centres of row i, from column `first` on."""
    v = F32(i) + F32(0.5)
    for k in range(p.shape[0]):
        u = F32(first + k) + F32(0.5)
        p[k] = n[0, 0] * u + (n[0, 1] * v + n[0, 2])
        q[k] = n[1, 0] * u + (n[1, 1] * v + n[1, 2])
        w[k] = n[2, 0] * u + (n[2, 1] * v + n[2, 2])


@inlined
def most_of_a_pixel(m, turn, lines, count):
    """The largest share of a pixel that an image can cover: that of a strip as wide, or of a disc as large.

    Half a pixel minus the distance from the nearest edge would say more where two edges run through one pixel.
    """
    x, y, w = m[0, 2], m[1, 2], m[2, 2]
    if w <= TINY:
        return F32(1.0)
    if count == 0:
        return F32(min(np.pi * abs(turn) / (w * w * w), 1.0))
    width = 1.0
    for s in range(count):
        across = (s + count // 2) % count
        near = lines[s, 0] * x / w + lines[s, 1] * y / w + lines[s, 2]
        far = lines[across, 0] * x / w + lines[across, 1] * y / w + lines[across, 2]
        width = min(width, -(near + far))
    return F32(max(width, 0.0))


@inlined
def outside_disc(n, p, q, w, distance, second):
    """Distance in pixels from the image of the unit circle, negative inside: the conic over its gradient."""
    second[:] = F32(-1.0)
    for k in range(p.shape[0]):
        value = p[k] * p[k] + q[k] * q[k] - w[k] * w[k]
        gu = p[k] * n[0, 0] + q[k] * n[1, 0] - w[k] * n[2, 0]
        gv = p[k] * n[0, 1] + q[k] * n[1, 1] - w[k] * n[2, 1]
        distance[k] = value / max(F32(2.0) * np.sqrt(gu * gu + gv * gv), F32(1e-12))


@inlined
def outside_polygon(lines, count, i, first, distance, second):
    """Distances in pixels from the images of a convex polygon's edges, negative inside: the two largest."""
    v = F32(i) + F32(0.5)
    distance[:], second[:] = F32(-1e9), F32(-1e9)
    for s in range(count):
        a, c = lines[s, 0], lines[s, 1] * v + lines[s, 2]
        for k in range(distance.shape[0]):
            d = a * (F32(first + k) + F32(0.5)) + c
            second[k] = max(second[k], min(distance[k], d))
            distance[k] = max(distance[k], d)


@inlined
def covered_share(distance):
    """The share of a pixel inside of an edge, its centre as far outside."""
    return min(max(F32(0.5) - distance, F32(0.0)), F32(1.0))


@subroutine
def visible_window(projection, height, width, period, window, m):
    """The part of the plane that a frame shows: left, right, top, bottom; a few periods where it has a horizon."""
    turn = adjugate(projection, m)
    window[0], window[1], window[2], window[3] = 1e30, -1e30, 1e30, -1e30
    for k in range(4):
        u = float(width) if k & 1 else 0.0
        v = float(height) if k & 2 else 0.0
        w = (m[2, 0] * u + m[2, 1] * v + m[2, 2]) / turn
        if w <= TINY:
            window[0], window[1], window[2], window[3] = -FAR * period, FAR * period, -FAR * period, FAR * period
            return
        x = (m[0, 0] * u + m[0, 1] * v + m[0, 2]) / turn / w
        y = (m[1, 0] * u + m[1, 1] * v + m[1, 2]) / turn / w
        window[0], window[1] = min(window[0], x), max(window[1], x)
        window[2], window[3] = min(window[2], y), max(window[3], y)
