"""What colour costs: the kernel at two sizes, and clips from the stream, each beside its grey; and docs/colour.png.

Grey and colour take turns, so that other load falls on both; the ratio is the median over turns.
`python -m benchmarks.fractalvid.colour` measures; with `--sheet` it only draws the picture.
"""

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common import command_line, timed, write
from benchmarks.kernels.chaos_game import system
from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.kernels import Jobs, render
from fractalvid.kernels.variations import by_name
from fractalvid.kinds import render_clip
from fractalvid.pages.gallery import Clip, contact_sheet
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.stream.render import render_samples

TURNS, BATCH = 15, 64
KERNELS = (("linear", 256, 934_400, 12), ("cosine", 256, 934_400, 12), ("linear", 112, 60_000, 192))
LIMIT = 1.6
NOTES = "The ratio is the median of the ratios of neighbouring turns, which is not that of the medians beside it."
SHEET = Path(__file__).parents[2] / "docs" / "colour.png"
SHOWN = {0: (231, 161, 310, 345, 41, 500), 1: (300, 422, 471, 203, 390, 511)}
"""Classes of the picture by their drift: the left half is static, the right one drifts."""


def kernel(name: str, size: int, points: int, frames: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Render frames of a system of 5 maps, grey and coloured."""
    maps, weights = system(5, seed=1)
    scale = size / 8
    jobs = Jobs.of(
        [maps] * frames,
        [weights],
        seed=np.arange(frames),
        variation=by_name(name).number,
        projection=np.array([[scale, 0, size / 2], [0, scale, size / 2], [0, 0, 1]]),
        colour=np.linspace(0, 1, len(maps)),
    )
    plain = dataclasses.replace(jobs, colour=None)
    exposure = np.tile(np.array([64, 30], np.float32), (frames, 1))
    palette = np.random.default_rng(0).integers(0, 256, (frames, 256, 3)).astype(np.uint8)
    return (
        lambda: render(plain, size=size, points=points, exposure=exposure),
        lambda: render(jobs, size=size, points=points, exposure=exposure, palette=palette),
    )


def stream(**changes: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Draw a batch, fit its views and render it, grey and as `changes` of the configuration ask."""
    bank = ClassBank.sample(1000, seed=0)
    plain = StreamConfig()
    changed = dataclasses.replace(plain, **changes)
    samples = FractalStream(bank, batch_size=BATCH, seed=0, config=plain).draw(np.arange(BATCH))
    return (
        lambda: render_samples(bank, samples, plain, next_index=0),
        lambda: render_samples(bank, samples, changed, next_index=0),
    )


def turns(grey: Callable[[], Any], coloured: Callable[[], Any]) -> tuple[float, float, float]:
    """Median seconds of each, and the median ratio of neighbouring turns."""
    pairs = [(timed(grey, 1)[0], timed(coloured, 1)[0]) for _ in range(TURNS)]
    one, other = zip(*pairs, strict=True)
    return statistics.median(one), statistics.median(other), statistics.median(b / a for a, b in pairs)


def sheet() -> None:
    """Draw docs/colour.png: two columns of clips, from first to last frame."""
    bank = ClassBank.sample(1 + max(max(classes) for classes in SHOWN.values()), seed=0)
    halves = []
    for drift, classes in SHOWN.items():
        look = ColourConfig(drift=drift)
        frames = (render_clip(bank, c, 0, size=144, points=300_000, colour=look) for c in classes)
        clips = [Clip(f"class {c}", shown) for c, shown in zip(classes, frames, strict=True)]
        halves.append(np.asarray(contact_sheet(clips, columns=5, size=72)))
    Image.fromarray(np.concatenate(halves, axis=1)).save(SHEET, optimize=True)
    print(f"{SHEET}: {SHEET.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Measure and write, or only draw."""
    parser = command_line(__doc__)
    parser.add_argument("--sheet", action="store_true", help="only draw")
    if parser.parse_args().sheet:
        sheet()
        return
    rows, data = [], {}
    cases = [
        (f"kernel, {n}, {s}², {p:,} points, ns wall a point", f * p, 1e9, kernel(n, s, p, f)) for n, s, p, f in KERNELS
    ]
    for label, changes in (
        ("colour", {"colour": ColourConfig()}),
        ("drifting colour", {"colour": ColourConfig(drift=1)}),
        ("grey with masks", {"masks": True}),
    ):
        cases.append((f"stream, 8 x 112², 60,000 points, {label}, ms wall a clip", BATCH, 1e3, stream(**changes)))
    for label, count, unit, works in cases:
        grey, coloured, ratio = turns(*works)
        wanted = f"at most {LIMIT}" if "colour" in label or "kernel" in label else ""
        rows.append([label, f"{grey / count * unit:.2f}", f"{coloured / count * unit:.2f}", f"{ratio:.2f}", wanted])
        data[label] = {"grey": grey / count * unit, "this": coloured / count * unit, "ratio": ratio}
        print(rows[-1], flush=True)
    write("colour", "Colour and masks", ["what", "grey", "with it", "ratio", "wanted"], rows, data, NOTES)


if __name__ == "__main__":
    main()
