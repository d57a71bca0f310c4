"""Saliency to look at: laid over the frames, and frames side by side."""

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
_COLOURS = np.array([(0, 0, 130), (0, 130, 255), (120, 255, 130), (255, 200, 0), (200, 0, 0)], np.float64)
"""From what does not matter to what matters most."""
_GAP = 4
"""Pixels between frames of a sheet."""


def overlay(frames: Frames, saliency: NDArray[np.float32], *, strength: float = 0.6) -> Frames:
    """Frames uint8 (T, H, W, 3) under colours of saliency (T, H, W) in [0, 1], which cover at most `strength`."""
    stops = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(saliency, stops, _COLOURS[:, channel]) for channel in range(3)], axis=-1)
    share = strength * saliency[..., None]
    return np.asarray(np.rint(frames * (1 - share) + colours * share), np.uint8)


def mark(frames: Frames, place: tuple[int | None, int, int] | None, mask: NDArray[np.bool_] | None) -> Frames:
    """A copy with a white cross at a place (t, y, x), if any, and white outlines around a mask (T, H, W).

    Without t the cross is in all frames.
    """
    marked = frames.copy()
    if mask is not None:
        inside = mask.copy()
        inside[:, 1:-1, 1:-1] &= mask[:, :-2, 1:-1] & mask[:, 2:, 1:-1] & mask[:, 1:-1, :-2] & mask[:, 1:-1, 2:]
        inside[:, [0, -1]] = inside[:, :, [0, -1]] = False
        marked[mask & ~inside] = 255
    if place is None:
        return marked
    time, y, x = place
    t = slice(None) if time is None else time
    marked[t, max(0, y - 3) : y + 4, x] = marked[t, y, max(0, x - 3) : x + 4] = 255
    return marked


def contact_sheet(rows: list[Frames]) -> Frames:
    """Rows of frames uint8 (T, H, W, 3) as one picture (rows, all of T side by side), with gaps."""
    lines = []
    for frames in rows:
        padded = np.pad(frames, ((0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
        lines.append(np.concatenate(list(padded), axis=1))
    return np.concatenate(lines)
