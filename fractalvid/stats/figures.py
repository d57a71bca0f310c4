"""Quality figures of clips: pure functions of grey clips, uint8 (B, T, H, W). Each says its formula and unit.

Grey levels are 0..255, and brightness is the grey level over 255. A figure that a clip does not have, such as the
motion of a black one, is NaN.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.sparse import csr_array

from fractalvid.stats.config import Band

Clips = NDArray[np.uint8]
Floats = NDArray[np.float64]

NEARLY_EMPTY = 0.01
NEARLY_FULL = 0.99
EVEN = 8.0
STILL = 0.01
LUMA = (0.299, 0.587, 0.114)


def grey_levels(clips: Clips) -> Clips:
    """Grey clips (B, T, H, W) as they are, coloured ones (B, T, H, W, 3) as their luma, rounded up.

    Luma is 0.299 R + 0.587 G + 0.114 B; rounded up, a pixel is 0 exactly where all its channels are.
    """
    if clips.ndim == 4:
        return clips
    weights = np.array(LUMA, np.float32)
    return np.asarray(np.minimum(np.ceil(clips.astype(np.float32) @ weights), 255), np.uint8)


def lit_share(clips: Clips, above: int = 0) -> Floats:
    """Occupancy (B, T): the share of a frame's pixels whose grey level is above `above`."""
    return np.asarray((clips > above).mean(axis=(2, 3), dtype=np.float64))


def nearly_empty(lit: Floats) -> NDArray[np.bool_]:
    """Which frames (B, T) are nearly empty: less than 1 % of their pixels are lit (`lit_share`)."""
    return lit < NEARLY_EMPTY


def nearly_full(clips: Clips, lit: Floats) -> NDArray[np.bool_]:
    """Which frames (B, T) are nearly full: over 99 % of their pixels are lit, as an even field.

    Even means that grey levels have a standard deviation under 8: a texture that covers the frame is not degenerate.
    """
    full = lit > NEARLY_FULL
    full[full] = clips[full].std(axis=(1, 2), dtype=np.float32) < EVEN
    return full


def brightness(clips: Clips) -> Floats:
    """Mean brightness (B, T) of frames, 0 to 1."""
    return np.asarray(clips.mean(axis=(2, 3), dtype=np.float32) / 255.0, np.float64)


def motion(clips: Clips) -> Floats:
    """Motion (B,): the mean of |x(t+1) - x(t)| over pixels and frames, over the clip's mean grey level.

    0 is a still; in long clips about 2 is as much as there can be, where a figure leaves its place entirely from each
    frame to the next.
    NaN where the clip is black or has one frame.
    """
    if clips.shape[1] < 2:
        return np.full(len(clips), np.nan)
    first, second = clips[:, :-1], clips[:, 1:]
    # Without a sign to keep, uint8 does: half the memory, twice the speed.
    change = (np.maximum(first, second) - np.minimum(first, second)).mean(axis=(1, 2, 3), dtype=np.float32)
    return _ratio(change, clips.mean(axis=(1, 2, 3), dtype=np.float32))


def centroids(clips: Clips) -> Floats:
    """Centres of brightness (B, T, 2) as x, y in frame widths and heights, 0 to 1; NaN where a frame is black."""
    height, width = clips.shape[2:]
    frames = clips.astype(np.float32)
    rows, columns = frames.sum(axis=3, dtype=np.float64), frames.sum(axis=2, dtype=np.float64)
    total = rows.sum(axis=2)
    x = columns @ ((np.arange(width) + 0.5) / width)
    y = rows @ ((np.arange(height) + 0.5) / height)
    return np.stack([_ratio(x, total), _ratio(y, total)], axis=2)


def centroid_path(clips: Clips) -> Floats:
    """Length (B,) of the path of the centre of brightness over the clip, in frame widths; black frames are left out.

    NaN where the clip has one frame.
    """
    if clips.shape[1] < 2:
        return np.full(len(clips), np.nan)
    steps = np.diff(centroids(clips), axis=1)
    return np.asarray(np.nansum(np.hypot(steps[..., 0], steps[..., 1]), axis=1))


def radial_power(clips: Clips) -> Floats:
    """Power (B, R) at k = 1..R cycles a frame side, averaged over the ring |f| in [k - 1/2, k + 1/2) and over frames.

    The power is |F|² of the grey levels less their mean, under a Hann window so that the frame's borders don't count.
    R is half the shorter side.
    """
    b, t, height, width = clips.shape
    window, rings = _rings(height, width)
    frames = clips.reshape(b * t, height, width).astype(np.float32)
    # Without its weighted mean, the windowed frame has no power at frequency 0 that would leak into ring 1.
    frames -= (np.einsum("nhw,hw->n", frames, window) / window.sum())[:, None, None]
    transformed = fft.rfft2(frames * window, workers=1)
    power = transformed.real**2 + transformed.imag**2
    return np.asarray((rings @ power.reshape(b * t, -1).T).T.reshape(b, t, -1).mean(axis=1), np.float64)


@cache
def _rings(height: int, width: int) -> tuple[NDArray[np.float32], Any]:
    """The window (H, W), and the sparse matrix (R, H (W//2 + 1)) that averages a half plane of power over rings."""
    window = np.outer(np.hanning(height + 1)[:-1], np.hanning(width + 1)[:-1])
    y, x = np.abs(fft.fftfreq(height, 1 / height)), np.arange(width // 2 + 1)
    ring = np.rint(np.hypot(y[:, None], x)).astype(int).ravel()
    # The half plane stands for the whole: all columns but the first and, for an even width, the last count twice.
    twice = np.tile(1.0 + ((x > 0) & (2 * x < width)), height)
    inside = np.flatnonzero((ring >= 1) & (ring <= min(height, width) // 2))
    total = np.bincount(ring[inside], twice[inside])
    share = (twice[inside] / total[ring[inside]]).astype(np.float32)
    entries: Any = (share, (ring[inside] - 1, inside))
    return window.astype(np.float32), csr_array(entries, (min(height, width) // 2, len(ring)))


def spectrum_exponent(power: Floats, band: Band) -> Floats:
    """The exponent α (B,) of an amplitude spectrum |F| ~ f^-α, from `radial_power` (B, R).

    Minus half the slope of a straight line through log power against log frequency over the band, each ring one point.
    The power spectrum falls as f^-2α. Natural images have α of about 1; white noise has 0. NaN for black clips.
    """
    k = np.arange(band.low, min(band.high, power.shape[1]) + 1)
    if len(k) < 2:
        raise ValueError(f"frames of {2 * power.shape[1]} pixels have no frequencies in {band}")
    x = np.log(k) - np.log(k).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.log(power[:, k - 1]) @ x / (x @ x)
    return np.where(np.isfinite(slope), -slope / 2, np.nan)


def thumbnails(clips: Clips, side: int) -> NDArray[np.float32]:
    """Frames scaled to `side` x `side` by averaging, as brightness 0 to 1: float32 (B, T, side, side)."""
    height, width = clips.shape[2:]
    small = _averaging(height, side) @ clips.astype(np.float32) @ _averaging(width, side).T
    return np.asarray(small / np.float32(255), np.float32)


@cache
def _averaging(pixels: int, side: int) -> NDArray[np.float32]:
    """The matrix (side, pixels) of area averages; pixels that lie in two cells count for each by their share."""
    edges = np.arange(side + 1) * pixels / side
    at = np.arange(pixels)
    overlap = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return np.asarray(np.maximum(overlap, 0) * side / pixels, np.float32)


@dataclass(frozen=True)
class Scatter:
    """Sums over n pictures of D pixels, from which their covariance follows; sums of parts add up to that of the whole.

    Attributes:
        count: n.
        total: (D,), the sum of the pictures.
        square: (D, D), the sum of their outer products.
    """

    count: int
    total: Floats
    square: Floats

    @staticmethod
    def none(pixels: int) -> "Scatter":
        """Of no picture of so many pixels."""
        return Scatter(0, np.zeros(pixels), np.zeros((pixels, pixels)))

    @staticmethod
    def of(pictures: NDArray[np.float32]) -> "Scatter":
        """Of pictures (n, ...)."""
        rows = pictures.reshape(len(pictures), -1).astype(np.float64)
        return Scatter(len(rows), rows.sum(axis=0), np.einsum("ni,nj->ij", rows, rows))

    def __add__(self, other: "Scatter") -> "Scatter":
        """The scatter of both sets of pictures."""
        return Scatter(self.count + other.count, self.total + other.total, self.square + other.square)

    def covariance(self) -> Floats:
        """The unbiased covariance (D, D); zero where there is one picture."""
        mean = self.total / self.count
        return np.asarray((self.square - self.count * np.outer(mean, mean)) / max(self.count - 1, 1))


def picture_distance(scatter: Scatter) -> float:
    """Frame diversity as a distance: the root mean square of the difference in brightness of two pictures.

    √(2 tr Σ / D) is its mean square over all pairs of pictures and all pixels, with Σ the unbiased covariance. 0 means
    that all are equal; independent noise of variance s² has √2 s. NaN of a single picture.
    """
    if scatter.count < 2:
        return float("nan")
    covariance = scatter.covariance()
    return float(np.sqrt(2 * max(np.trace(covariance), 0) / len(covariance)))


def effective_rank(scatter: Scatter) -> float:
    """Frame diversity as a number of independent ways to differ: exp of the entropy of Σ's normalised eigenvalues.

    The effective rank of Roy & Vetterli (2007): 1 where all pictures are equal or vary along one direction, D where
    they vary equally along all. It is at most n - 1, so compare equal numbers of pictures.
    """
    values = np.maximum(np.linalg.eigvalsh(scatter.covariance()), 0)
    if values.sum() < 1e-12 * max(scatter.square.trace(), 1e-12):
        return 1.0
    share = values / values.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


@dataclass(frozen=True)
class ClipFigures:
    """Figures of B clips, each (B,).

    Attributes:
        occupancy: mean share of lit pixels over the frames (`lit_share`).
        empty_frames: share of nearly empty frames.
        full_frames: share of nearly full frames.
        brightness: mean brightness.
        motion: change from frame to frame, relative to the mean grey level.
        still: 1 where the clip is motionless, its motion under 0.01 or nothing to move; else 0. NaN for single frames.
        path: length of the path of the centre of brightness, in frame widths. NaN for single frames.
        exponent: of the spatial amplitude spectrum.
    """

    occupancy: Floats
    empty_frames: Floats
    full_frames: Floats
    brightness: Floats
    motion: Floats
    still: Floats
    path: Floats
    exponent: Floats


def clip_figures(clips: Clips, *, above: int, power: Floats, band: Band) -> ClipFigures:
    """The figures of clips.

    Args:
        clips: grey, (B, T, H, W).
        above: pixels above this grey level are lit.
        power: of `radial_power`, of all or some of their frames.
        band: where the exponent is fitted.
    """
    lit = lit_share(clips, above)
    moved = motion(clips)
    return ClipFigures(
        occupancy=lit.mean(axis=1),
        empty_frames=nearly_empty(lit).mean(axis=1),
        full_frames=nearly_full(clips, lit).mean(axis=1),
        brightness=brightness(clips).mean(axis=1),
        motion=moved,
        still=np.where(moved >= STILL, 0.0, 1.0 if clips.shape[1] > 1 else np.nan),
        path=centroid_path(clips),
        exponent=spectrum_exponent(power, band),
    )


def _ratio(numerator: NDArray[np.floating], denominator: NDArray[np.floating]) -> Floats:
    """Their quotient, NaN where the denominator is 0."""
    return np.asarray(
        np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0), np.float64
    )
