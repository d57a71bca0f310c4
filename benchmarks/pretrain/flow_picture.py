"""A picture of the optical flow that the generator knows, over frames of three clips, as docs/flow.png.

python -m benchmarks.pretrain.flow_picture
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common import command_line
from fractalvid.core.colour import ColourConfig
from fractalvid.fractals import ClassBank
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.truth import FIGURE, ORDER, UNKNOWN

PICTURE = Path(__file__).parents[2] / "docs" / "flow.png"
FRAMES = (0, 2, 4, 6)
CLIPS = {"plain": (None, 3), "paper": ("paper", 8), "scene": ("scene", 6)}
"""Emulation and the sample that is shown."""
COLOURS = {0: "#4cc9f0", 1: "#b5e48c", 2: "#ffb703", FIGURE: "#ff4d6d"}


def main() -> None:
    """Draw and write it."""
    command_line(__doc__).parse_args()
    figure = Figure(figsize=(10, 8), layout="constrained")
    panels = figure.subplots(len(CLIPS), len(FRAMES))
    bank = ClassBank.sample(50, seed=0)
    for row, (name, (emulate, index)) in zip(panels, CLIPS.items(), strict=True):
        config = StreamConfig(clip_len=8, frame_stride=1, colour=ColourConfig(), truth=("flow", "order"))
        stream = FractalStream(bank, batch_size=1, config=config, seed=1, emulate=emulate)
        batch = stream.at(np.array([index]))
        for axes, frame in zip(row, FRAMES, strict=True):
            draw(axes, batch, frame)
        row[0].set_ylabel(name)
    for label, colour in COLOURS.items():
        panels[-1, 0].plot([], [], color=colour, label=ORDER[label])
    figure.legend(*panels[-1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(PICTURE, dpi=90)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1e6:.2f} MB")


def draw(axes: Axes, batch: Batch, frame: int) -> None:
    """A frame, and an arrow to where each cell of known flow is in the next, coloured by what is in front."""
    assert batch.truth is not None
    axes.imshow(batch.video[0, :, frame].movedim(0, -1).numpy(), extent=(0, 1, 1, 0))
    flow, known = batch.truth.flow[0, :, frame].numpy(), batch.truth.flow_known[0, frame].numpy()
    front = batch.truth.front[0, frame].numpy()
    middle = (np.arange(flow.shape[-1]) + 0.5) / flow.shape[-1]
    x, y = np.meshgrid(middle, middle)
    colours = [COLOURS[label] for label in front[known].tolist() if label != UNKNOWN]
    axes.quiver(x[known], y[known], *flow[:, known], color=colours, angles="xy", scale_units="xy", scale=1, width=0.006)
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])


if __name__ == "__main__":
    main()
