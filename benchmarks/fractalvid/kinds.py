"""The stream of every kind on the CPU, clips a second at 8 x 112², grey and coloured; and their look, docs/kinds.png.

`python -m benchmarks.fractalvid.kinds` measures and draws, `python -m benchmarks.fractalvid.kinds --sheet` only draws.
"""

import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import command_line, shown, spread, timed, write
from fractalvid.core.bank import Bank
from fractalvid.core.camera import camera_matrices
from fractalvid.core.colour import ColourConfig
from fractalvid.kernels.compiled import available_cores
from fractalvid.kinds import KINDS, fit_clips, render_clip, render_fits, sample_bank
from fractalvid.pages.gallery import Clip, contact_sheet
from fractalvid.stream import FractalStream, StreamConfig

BATCH, BATCHES, RUNS = 32, 8, 5
SHEET = Path(__file__).parents[2] / "docs" / "kinds.png"
SHOWN = {"ifs": (3, 12), "shapes": (1, 25), "perlin": (3, 4), "octopus": (4, 5), "dead_leaves": (11, 14)}
"""Classes of the picture: two of each kind that show how it can look."""


def main() -> None:
    """Measure and write, or only draw."""
    parser = command_line(__doc__)
    parser.add_argument("--sheet", action="store_true", help="only draw")
    only_draw = parser.parse_args().sheet
    sheet()
    if only_draw:
        return
    rows, data = [], {}
    for kind in KINDS:
        grey, own = rates(sample_bank(1000, kind=kind, seed=0), None)
        coloured, _ = rates(sample_bank(1000, kind=kind, seed=0), ColourConfig())
        rows.append([kind, shown(grey), shown(coloured), f"{own:.2f}"])
        data[kind] = {"clips_per_second": spread(grey), "coloured": spread(coloured), "cpu_ms": own}
    title = "The stream of every kind: 8 x 112², batches of 32, random crops and flips"
    header = ["kind", f"clips/s on {available_cores()} cores", "in colour", "ms of processor time a grey clip"]
    notes = "Median (min to max) of whole batches: drawing instances, fitting views, rendering. ifs with 60,000 points."
    write("kinds", title, header, rows, data, notes)


def rates(bank: Bank, colour: ColourConfig | None) -> tuple[list[float], float]:
    """Clips a second of several runs, and the processor's milliseconds a clip in the last."""
    config = StreamConfig()
    stream = FractalStream(bank, batch_size=BATCH, seed=0, config=config)

    def work() -> None:
        for first in range(0, BATCH * BATCHES, BATCH):
            drawn = stream.draw(np.arange(first, first + BATCH))
            fit = fit_clips(bank, drawn.class_id, drawn.instance_id)
            camera = camera_matrices(drawn.camera, config.size)
            shown = (bank, fit, drawn.times)
            render_fits(*shown, size=config.size, points=config.points, camera=camera, colour=colour)

    seconds = timed(work, RUNS)
    begin = time.process_time()
    work()
    own = time.process_time() - begin
    return [BATCH * BATCHES / s for s in seconds], own / (BATCH * BATCHES) * 1e3


def sheet() -> None:
    """Draw docs/kinds.png: two classes of each kind, from first to last frame."""
    clips = []
    for kind, classes in SHOWN.items():
        bank = sample_bank(1 + max(classes), kind=kind, seed=0)
        clips += [Clip(kind, render_clip(bank, c, 0, size=88, points=150_000)) for c in classes]
    picture = contact_sheet(clips, columns=8, size=88)
    # 32 greys are enough to judge by, and keep the file small.
    picture.convert("L").quantize(32, method=Image.Quantize.MEDIANCUT).save(SHEET, optimize=True)
    print(f"{SHEET}: {SHEET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
