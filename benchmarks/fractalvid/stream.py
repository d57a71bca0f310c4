"""The stream on the CPU: clips a second at 8 x 112², 60,000 points a frame, and where a clip's time goes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.common import command_line, shown, spread, timed, write_beside
from fractalvid.core.camera import camera_matrices
from fractalvid.fractals import fit
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.render import render_fractals
from fractalvid.kernels.compiled import available_cores
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.stream.fractal_stream import TOGETHER
from fractalvid.stream.samples import Samples
from fractalvid.utils.arrays import rows_of

BATCH, RUNS, BATCHES = 32, 7, 12


def main() -> None:
    """Measure and write."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="timings of each; the median counts")
    runs = parser.parse_args().runs
    bank = ClassBank.sample(1000, seed=0)
    config = StreamConfig()
    stream = FractalStream(bank, batch_size=BATCH, seed=0, config=config)
    clips = BATCH * BATCHES
    batches = {threads: _settled(bank, config, threads) for threads in (None, 1)}

    def whole(threads: int | None) -> None:
        for _ in islice(batches[threads], BATCHES):
            pass

    def by_themselves() -> None:
        for first in range(0, clips, BATCH):
            stream.at(np.arange(first, first + BATCH))

    def drawing_only(prepared: list[tuple[Samples, Fits]]) -> None:
        for samples, fits in prepared:
            camera = camera_matrices(samples.camera, config.size)
            render_fractals(bank, fits, samples.times, size=config.size, points=config.points, camera=camera, threads=1)

    def fitting_only(drawn: list[Samples], threads: int | None) -> None:
        for samples in drawn:
            fit_fractals(bank, samples.class_id, samples.instance_id, threads=threads)

    all_cores = [clips / s for s in timed(lambda: whole(None), runs)]
    alone = [clips / s for s in timed(by_themselves, runs)]
    one_core = [s / clips * 1e3 for s in timed(lambda: whole(1), runs)]
    drawn = [stream.draw(np.arange(first, first + TOGETHER)) for first in range(0, clips, TOGETHER)]
    prepared = [both for samples in drawn for both in _fitted(bank, samples)]
    drawing = [s / clips * 1e3 for s in timed(lambda: drawing_only(prepared), runs)]
    host = [a - b for a, b in zip(sorted(one_core), sorted(drawing), strict=True)]
    with _clock() as inside:
        kernels = []
        for _ in range(runs):
            fitting_only(drawn, 1)
            kernels.append(inside() / clips * 1e3)
    host_wall = [s / clips * 1e3 for s in timed(lambda: fitting_only(drawn, None), runs)]
    rows = [
        [f"clips a second on {available_cores()} cores", shown(all_cores, 0), "at least 300, goal 600"],
        ["... batches drawn and fitted by themselves (`stream.at`)", shown(alone, 0), ""],
        ["one thread, ms a clip, all of it", shown(one_core, 2), ""],
        ["one thread, ms a clip, trajectories, chaos game, tone", shown(drawing, 2), ""],
        ["one thread, ms a clip, drawing samples and fitting views (the difference)", shown(host, 2), ""],
        [
            "one thread, ms a clip, of which orbits and growth rates in the kernel, of redraws, too",
            shown(kernels, 2),
            "",
        ],
        ["one thread, ms a clip, host work besides the kernel", f"{_median(host) - _median(kernels):.2f}", "under 0.5"],
        [f"fitting views on {available_cores()} cores, ms wall a clip", shown(host_wall, 2), ""],
    ]
    data = {
        "clips_per_second": spread(all_cores),
        "clips_per_second_alone": spread(alone),
        "one_thread_ms": spread(one_core),
        "render_ms": spread(drawing),
        "host_ms": spread(host),
        "fit_kernels_ms": spread(kernels),
        "fit_wall_ms": spread(host_wall),
    }
    title = "The stream on the CPU: 8 x 112², 60,000 points a frame, batches of 32, no emulation"
    write_beside("stream", title, ["what", "median (min to max)", "wanted"], rows, data)


def _settled(bank: ClassBank, config: StreamConfig, threads: int | None) -> Iterator[Batch]:
    """The batches of a stream that has come to draw as many clips together as it ever does."""
    batches = iter(FractalStream(bank, batch_size=BATCH, seed=0, config=config, threads=threads))
    seen = 0
    while seen < 2 * TOGETHER:
        seen += len(next(batches).video)
    return batches


def _fitted(bank: ClassBank, samples: Samples) -> list[tuple[Samples, Fits]]:
    """Batches of samples that are fitted together, each with its fits."""
    fits = fit_fractals(bank, samples.class_id, samples.instance_id)
    rows = [slice(first, first + BATCH) for first in range(0, len(samples.index), BATCH)]
    return [(rows_of(samples, some), rows_of(fits, some)) for some in rows]


@contextmanager
def _clock() -> Iterator[Callable[[], float]]:
    """Inside, a call gives the seconds that view fits have spent in `orbit` and `growth` since the last call."""
    spent = 0.0

    def timing(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def timed_kernel(*args: Any, **options: Any) -> Any:
            nonlocal spent
            begin = time.perf_counter()
            result = kernel(*args, **options)
            spent += time.perf_counter() - begin
            return result

        return timed_kernel

    def since() -> float:
        nonlocal spent
        seconds, spent = spent, 0.0
        return seconds

    kernels = {name: getattr(fit, name) for name in ("orbit", "growth")}
    for name, kernel in kernels.items():
        setattr(fit, name, timing(kernel))
    try:
        yield since
    finally:
        for name, kernel in kernels.items():
            setattr(fit, name, kernel)


def _median(values: list[float]) -> float:
    return spread(values)["median"]


if __name__ == "__main__":
    main()
