"""Points a second of the render kernel, box filter and tone map included: linear, and the default variations.

The kernel is compiled as a stream of default classes has it: one module for all eight variations.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.common import part_of
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.place import Place, begin
from benchmarks.gpu.report import Report
from benchmarks.kernels.chaos_game import PAPER, jobs_of
from fractalvid.kernels import Jobs
from fractalvid.kernels.cuda import game
from fractalvid.kernels.cuda.game import CompiledVariations, Tuning
from fractalvid.kernels.variations import by_name

POINTS = {64: 60_000, 112: 60_000, 256: 934_400}
"""Points a frame by its size."""
FRAMES = {64: 1056, 112: 1056, 256: 132}
"""Frames of a launch: eight times as many as an H200 has multiprocessors, or as many."""
SIZE = 112
SLOWEST_ON_CPUS = "popcorn"
DEFAULTS = CompiledVariations(tuple(sorted(by_name(name).number for name in PAPER)))
GOALS = {"linear": "50, then 200"} | dict.fromkeys(PAPER[1:], "20")
BURN_IN = 8


def points(report: Report, index: int) -> None:
    """The section on a GPU."""
    place = begin(report, index)
    measure(report, place)
    ceilings(report, place)


def measure(report: Report, place: Place) -> None:
    """Linear first, then what was slowest on CPUs, then the other defaults."""
    names = sorted(PAPER, key=("linear", SLOWEST_ON_CPUS, *PAPER).index)
    rates = {name: add_rate(report, place, name, GOALS[name]) for name in names}
    slowest = min(rates, key=lambda name: rates[name])
    report.add("slowest of the default variations", f"{slowest}, {rates[slowest]:.1f}", "20", g=rates[slowest])
    for size in POINTS:
        if size != SIZE:
            value = rate(place, jobs_at("linear", size), size)
            report.add(f"linear at {size}², G points/s", f"{value:.1f}", g=value)


def add_rate(report: Report, place: Place, name: str, wanted: str = "") -> float:
    """G points a second of one variation in the defaults' module, and its row."""
    value = rate(place, jobs_at(name, SIZE), SIZE, DEFAULTS)
    report.add(f"{name} at {SIZE}², G points/s", f"{value:.1f}", wanted, g=value)
    return value


def jobs_at(name: str, size: int) -> Jobs:
    """Jobs of one variation, as many as a launch has at that size."""
    return framed(jobs_of(name, 5, np.arange(FRAMES[size])), size)


def framed(jobs: Jobs, size: int) -> Jobs:
    """Jobs of `benchmarks.kernels.chaos_game`, which are seen on 256 x 256 pixels, on others."""
    scale = np.diag([size / 256, size / 256, 1]).astype(np.float32)
    return replace(jobs, projection=scale @ jobs.projection)


def rate(
    place: Place,
    jobs: Jobs,
    size: int,
    variations: CompiledVariations | None = None,
    *,
    tuning: Tuning = Tuning(),  # noqa: B008 (it is frozen)
    coloured: bool = False,
) -> float:
    """G points a second. By default the module is compiled for what the jobs take, and no more."""
    count, xp = len(jobs), place.kernels.xp
    options: dict[str, Any] = {"variations": variations or game.variations_of(jobs), "tuning": tuning}
    with place.kernels.stream():
        if coloured:
            jobs = replace(jobs, colour=np.tile(np.linspace(0, 1, 5, dtype=np.float32), (count, 1)))
            palette = xp.zeros((count, 256, 3), np.uint8)
            options["paints"] = game.Paints(xp.arange(256).astype(np.uint8), palette)
        moved, amounts = place.moved(jobs), np.full(count, POINTS[size], np.int64)
        exposure = xp.asarray(np.tile(np.array([64, 30], np.float32), (count, 1)))

        def work() -> None:
            game.render(
                place.kernels,
                moved,
                size=(size, size),
                points=amounts,
                exposure=exposure,
                burn_in=BURN_IN,
                **options,
            )

        return count * POINTS[size] / place.seconds(work) / 1e9


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only points", __doc__)


if __name__ == "__main__":
    main()
