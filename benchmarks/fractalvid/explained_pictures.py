"""The pictures that explain fractals in docs/fractals.md: maps and their attractor in motion, points that add up.

python -m benchmarks.fractalvid.explained_pictures
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import fractalvid as fv
from benchmarks.common import command_line
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.instances import maps_at
from fractalvid.fractals.render import render_fractals

DOCS = Path(__file__).parents[2] / "docs"
FRAMES, SIDE = 24, 256
COLOURS = ("#ff6b35", "#4cc9f0", "#b8de6f", "#f72585", "#ffd166", "#9b5de5", "#06d6a0", "#ef476f")


def a_class(bank: fv.ClassBank) -> int:
    """The class of three maps that lights most of its frame where it lights least."""
    three = [k for k in range(len(bank)) if bank.num_maps[k] == 3]
    lit = {k: (fv.render_clip(bank, k, 0, size=48, points=10_000) > 0).mean(axis=(1, 2)).min() for k in three}
    return max(lit, key=lambda k: lit[k])


def frame_of_maps(box: NDArray[np.float32], maps: NDArray[np.float32], picture: NDArray[np.uint8]) -> Image.Image:
    """The view as a square, what each map makes of it, and the attractor beside."""
    left, top, right, bottom = (float(edge) for edge in box)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    figure = Figure(figsize=(6.4, 3.2), dpi=100, facecolor="black")
    canvas: Any = FigureCanvasAgg(figure)
    a, b = figure.subplots(1, 2)
    for matrix, colour in zip(maps, COLOURS, strict=False):
        moved = corners @ matrix[:, :2].T + matrix[:, 2]
        a.fill(*moved.T, facecolor=colour, edgecolor=colour, alpha=0.35, linewidth=1.5)
    a.fill(*corners.T, fill=False, edgecolor="white", linewidth=1)
    width, height = right - left, bottom - top
    a.set(xlim=(left - 0.35 * width, right + 0.35 * width), ylim=(bottom + 0.35 * height, top - 0.35 * height))
    b.imshow(picture, cmap="gray", vmin=0, vmax=255)
    for axes in (a, b):
        axes.axis("off")
    figure.tight_layout(pad=0.3)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def moving_maps(bank: fv.ClassBank, k: int, fits: Fits) -> list[Image.Image]:
    """A clip beside its maps."""
    times = np.linspace(0, bank.native_frames[k] - 1, FRAMES)[None]
    maps = maps_at(bank, fits.instances, times)[0, :, : bank.num_maps[k]].reshape(FRAMES, -1, 2, 3)
    pictures = render_fractals(bank, fits, times, size=SIDE, points=400_000)[0]
    return [frame_of_maps(fits.box[0], *frame) for frame in zip(maps, pictures, strict=True)]


def adding_up(bank: fv.ClassBank, k: int, fits: Fits) -> Image.Image:
    """One frame of more and more points."""
    time = np.array([[bank.native_frames[k] - 1.0]])
    frames = [render_fractals(bank, fits, time, size=SIDE, points=n)[0, 0] for n in (1_000, 10_000, 100_000, 1_000_000)]
    return Image.fromarray(np.concatenate([np.pad(frame, 4, constant_values=40) for frame in frames], axis=1))


def main() -> None:
    """Draw and write both."""
    command_line(__doc__).parse_args()
    bank = fv.ClassBank.sample(80, seed=11, config=fv.ClassConfig(variations=("linear",)))
    k = a_class(bank)
    fits = fit_fractals(bank, [k], [0])
    pictures = moving_maps(bank, k, fits)
    whole = [*pictures, *pictures[-2:0:-1]]
    whole[0].save(DOCS / "maps.webp", save_all=True, append_images=whole[1:], duration=90, loop=0, quality=75, method=6)
    adding_up(bank, k, fits).save(DOCS / "points.png", optimize=True)


if __name__ == "__main__":
    main()
