"""The demo's actions as animated GIFs draw them: flat colours, outlines, few frames that stay for uneven times."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.finetune.targets.demo.clips import act, paint
from fractalvid.finetune.targets.demo.stick_figures import CAPSULES, Floats

COLOURS = 8
"""Of a GIF's palette, outlines included."""
SPEED = 1.6
"""How much faster than filmed people these figures move."""
FEWEST = 5
"""Frames of a GIF."""
_DELAYS = (6, 8, 10, 10, 20)
"""Hundredths of a second that a frame may stay."""
_BOLD = 1.35
"""Limbs are so much thicker than those of filmed people."""


@dataclass(frozen=True)
class Cartoon:
    """A GIF: uint8 frames (T, H, W, 3), each shown for `delays` (T,) hundredths of a second."""

    frames: NDArray[np.uint8]
    delays: tuple[int, ...]


def draw_cartoon(action: str, rng: np.random.Generator, *, size: int = 72, frames: int = 16) -> Cartoon:
    """Draw one GIF of an action.

    Args:
        action: a name in `ACTIONS`.
        rng: where everything that varies comes from.
        size: height and width in pixels.
        frames: frames T at most.
    """
    count = int(rng.integers(min(FEWEST, frames), frames + 1))
    delays = rng.choice(_DELAYS, count)
    shown = (np.cumsum(delays) - delays) / delays.sum()  # when each frame appears, as a share of the clip
    joints = act(action, rng, shown, speed=SPEED)
    scale = rng.uniform(0.66, 0.86) * size
    middle = size / 2 + rng.uniform(-0.08, 0.08) * size
    ground = (size + scale) / 2 + rng.uniform(-0.02, 0.05) * size
    flat = np.array([middle, ground]) + scale * joints[..., :2] * (1, -1)
    video = np.repeat(_scene(rng, size, ground)[None], count, axis=0).astype(np.float32)
    _figure(video, flat, joints[..., 2], scale, rng)
    return Cartoon(_few_colours(np.clip(video, 0, 255).astype(np.uint8)), tuple(delays.tolist()))


def _scene(rng: np.random.Generator, size: int, ground: float) -> Floats:
    """Sky, floor and perhaps a sun or a hill, each of one colour: (size, size, 3) in [0, 255]."""
    row, column = np.mgrid[0:size, 0:size]
    scene: Floats = np.where((row > ground - size * rng.uniform(0, 0.15))[..., None], _bright(rng), _bright(rng))
    if rng.uniform() < 0.6:
        centre, radius = rng.uniform(0, size, 2), rng.uniform(0.08, 0.3) * size
        disc = (row - 0.7 * centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2
        scene = np.where(disc[..., None], _bright(rng), scene)
    return scene


def _bright(rng: np.random.Generator) -> Floats:
    """A saturated colour (3,)."""
    colour = np.array([rng.uniform(180, 255), rng.uniform(60, 255), rng.uniform(0, 120)])
    return rng.permutation(colour)


def _figure(video: NDArray[np.float32], flat: Floats, depth: Floats, scale: float, rng: np.random.Generator) -> None:
    """Paint the figure into every frame, in place: outline, then skin and clothes without shades."""
    first, second, radius, tint = (np.array(column) for column in zip(*CAPSULES, strict=True))
    ends = np.stack([flat[:, first], flat[:, second]], axis=2)
    order = np.argsort(depth[:, first] + depth[:, second] + 0.1 * (radius > 0.06), axis=1)
    colours = np.stack([_bright(rng) for _ in range(4)])[tint]
    thick = _BOLD * radius * scale * rng.uniform(0.75, 1.2)
    for frame, rank in enumerate(order):
        paint(video[frame], ends[frame, rank], thick[rank] + 0.018 * scale, np.zeros((len(rank), 3)))
        paint(video[frame], ends[frame, rank], thick[rank], colours[rank])


def _few_colours(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All frames in one palette of `COLOURS`, without dithering."""
    count, height, width, _ = frames.shape
    tall = Image.fromarray(frames.reshape(count * height, width, 3))
    few = tall.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return np.asarray(few).reshape(frames.shape)


def write_cartoon(path: Path, cartoon: Cartoon) -> None:
    """Write an animated GIF that repeats without end."""
    first, *others = (Image.fromarray(frame).quantize(COLOURS, dither=Image.Dither.NONE) for frame in cartoon.frames)
    delays = [10 * delay for delay in cartoon.delays]  # Pillow counts milliseconds
    first.save(path, save_all=True, append_images=others, duration=delays, loop=0, disposal=1)
