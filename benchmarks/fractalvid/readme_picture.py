"""The moving picture at the top of README: coloured clips of the 12 fullest of 60 classes, as docs/clips.webp.

python -m benchmarks.fractalvid.readme_picture
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import fractalvid as fv
from benchmarks.common import command_line

PICTURE = Path(__file__).parents[2] / "docs" / "clips.webp"
ROWS, COLUMNS, SIDE, FRAMES, GAP = 2, 6, 128, 19, 4
CLASSES = 60


def fullest(bank: fv.ClassBank, count: int) -> list[int]:
    """The classes whose first instance lights most of the frame where it lights least."""
    lit = [(fv.render_clip(bank, k, 0, size=48, points=10_000) > 0).mean(axis=(1, 2)).min() for k in range(len(bank))]
    return sorted(np.argsort(lit)[-count:].tolist())


def grid() -> NDArray[np.uint8]:
    """Frames (T, H, W, 3): one clip of each of some classes, side by side."""
    bank = fv.ClassBank.sample(CLASSES, seed=11)
    colour = fv.ColourConfig(drift=0.5)
    cell = SIDE + GAP
    frames = np.zeros((FRAMES, ROWS * cell - GAP, COLUMNS * cell - GAP, 3), np.uint8)
    for place, k in enumerate(fullest(bank, ROWS * COLUMNS)):
        clip = fv.render_clip(bank, k, 0, size=SIDE, frames=FRAMES, points=400_000, colour=colour)
        top, left = place // COLUMNS * cell, place % COLUMNS * cell
        frames[:, top : top + SIDE, left : left + SIDE] = clip
    return frames


def main() -> None:
    """Draw and write it, forwards and backwards, so that it loops without a jump."""
    command_line(__doc__).parse_args()
    frames = grid()
    pictures = [Image.fromarray(frame) for frame in [*frames, *frames[-2:0:-1]]]
    pictures[0].save(PICTURE, save_all=True, append_images=pictures[1:], duration=70, loop=0, quality=78, method=6)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
