"""The GPU: is it right, how fast is it, and what bounds it. Everything in one go, inside 8 minutes on an H100 or H200.

What was measured stands in results/gpu.md; where that file is missing, this has never run on a GPU. Needs CuPy and a
GPU of compute capability 8.0; nothing else runs on it meanwhile. Sections that no longer fit the time are named.

    python -m benchmarks.gpu                       # all of it
    python -m benchmarks.gpu parity kernels        # some, printed only

Time on the device is that between CUDA events, the median of the runs after one that is not counted.
"""

import itertools
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.common import command_line, write
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.report import RUNS, Report, on_device
from benchmarks.gpu.training import known_soon, training
from benchmarks.kernels.chaos_game import PAPER, distance, jobs_of
from fractalvid.core.camera import camera_matrices
from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.render import render_fractals as render_on_cpu
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import fit_on_device
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels import Jobs, accumulate
from fractalvid.kernels.cuda import cupy_device, game
from fractalvid.kernels.cuda.cupy_device import CupyDevice
from fractalvid.kernels.cuda.device import to_device
from fractalvid.kernels.cuda.game import Tuning
from fractalvid.kernels.variations import VARIATIONS
from fractalvid.stream import Batch, FractalStream, StreamConfig

MINUTES = 7.5
POINTS = {64: 60_000, 112: 60_000, 256: 934_400}
"""Points a frame by its size."""
FRAMES = {64: 1056, 112: 1056, 256: 132}
"""Frames of a launch: eight times as many as an H200 has multiprocessors, or as many."""
PARITY_POINTS, LONG_RUN, PARITY_CLIPS = 300_000, 20_000_000, 64
STREAMS = [
    (StreamConfig(clip_len=8, size=112, frame_stride=1), 64),
    (StreamConfig(clip_len=16, size=112, frame_stride=1), 64),
    (StreamConfig(clip_len=19, size=256, frame_stride=1, points=934_400), 8),
    (StreamConfig(clip_len=8, size=112, frame_stride=1, colour=ColourConfig()), 64),
]
"""What streams show, and the size of a batch. Each is measured plain and with these presets of emulation."""
EMULATED = ("paper", "full")
BATCHES, WARM_UP, PART_CLIPS = 64, 1024, 512
"""Batches that are measured, clips before them, and clips of a fit."""
GOALS = {"linear": 50.0} | dict.fromkeys(PAPER[1:], 20.0)
CLIPS_GOAL = 20_000


def framed(jobs: Jobs, size: int) -> Jobs:
    """Jobs of `benchmarks.kernels.chaos_game`, which are seen on 256 x 256 pixels, on others."""
    scale = np.diag([size / 256, size / 256, 1]).astype(np.float32)
    return replace(jobs, projection=scale @ jobs.projection)


def parity(report: Report, device: CupyDevice) -> None:
    """Counts, views, attempts and pictures against the CPU's."""
    for name in PAPER:
        jobs = jobs_of(name, 5, np.arange(4))
        ours, cpu = (accumulate(jobs, size=256, points=PARITY_POINTS, backend=b) for b in ("cuda", "cpu"))
        one = jobs_of(name, 5, np.array([99]))
        long = accumulate(one, size=256, points=LONG_RUN, backend="cuda").counts[0]
        balanced = ours.counts.sum((1, 2), dtype=np.int64) + ours.outside + ours.discarded == PARITY_POINTS
        same = 1 - np.abs(ours.counts.astype(int) - cpu.counts).sum() / 2 / cpu.counts.sum()
        far = [float(np.mean([distance(c, long) for c in counts])) for counts in (ours.counts, cpu.counts)]
        report.add(
            f"{name}: L1 to a long run, GPU and CPU; points in the CPU's pixels; books",
            f"{far[0]:.4f}, {far[1]:.4f}; {same:.2%}; {'balanced' if balanced.all() else 'NOT BALANCED'}",
            "equal; balanced",
            l1=far[0], l1_cpu=far[1], same_pixel=float(same), balanced=bool(balanced.all()),
        )  # fmt: skip
    clips = PARITY_CLIPS
    bank, ids = ClassBank.sample(clips, seed=0), np.arange(clips)
    with device.stream():
        own = DeviceBank(device, bank)
        fits = fit_on_device(own, ids, ids)
        box = device.xp.asnumpy(fits.box)
    cpu_fits = fit_fractals(bank, ids, ids)
    span = cpu_fits.box[:, 2:] - cpu_fits.box[:, :2]
    apart = np.abs(box - cpu_fits.box).max(axis=1) / span.max(axis=1)
    alike = float(np.mean(device.xp.asnumpy(fits.attempt) == cpu_fits.instances.attempt))
    report.add(
        f"{clips} clips: attempts alike; views apart, as shares of the view, median and largest",
        f"{alike:.1%}; {np.median(apart):.1e}, {apart.max():.1e}", "all; rounding, but where dynamics spread it",
        attempts=alike, box_median=float(np.median(apart)), box_largest=float(apart.max()),
    )  # fmt: skip
    times, camera = np.tile([2.0, 9.0, 16.0], (clips, 1)), np.tile(np.eye(3, dtype=np.float32), (clips, 1, 1))
    with device.stream():
        shown = device.xp.asnumpy(render_on_device(own, fits, times, size=112, points=60_000, camera=camera))
    wanted = render_on_cpu(bank, cpu_fits, times, size=112, points=60_000, camera=camera)
    near = float((np.abs(shown.astype(int) - wanted) <= 2).mean())
    flat, targets = (x.reshape(clips, -1).astype(np.float32) for x in (shown, wanted))
    nearest = np.array([np.abs(targets - one).sum(axis=1).argmin() for one in flat])
    report.add(
        f"{clips} clips: pixels within 2 grey levels; nearest clip of the CPU is that of the class",
        f"{near:.2%}; {np.mean(nearest == ids):.1%}", "all classes",
        pixels=near, classes=float(np.mean(nearest == ids)),
    )  # fmt: skip


def determinism(report: Report, device: CupyDevice) -> None:
    """The same bits again, and however the kernel is launched."""
    jobs = framed(jobs_of("cosine", 5, np.arange(8)), 112)
    first = accumulate(jobs, size=112, points=60_000, backend="cuda").counts
    again = accumulate(jobs, size=112, points=60_000, backend="cuda").counts
    tuned = []
    with device.stream():
        moved = to_device(device, jobs)
        for tuning in (Tuning(walkers=1), Tuning(walkers=4), Tuning(tile=(40, 70))):
            done = game.accumulate(
                device,
                moved,
                size=(112, 112),
                points=np.full(8, 60_000),
                burn_in=32,
                variations=game.variations_of(jobs),
                tuning=tuning,
            )
            tuned.append(np.array_equal(device.xp.asnumpy(done.counts), first))
    same = np.array_equal(first, again)
    report.add("the same bits twice; and with other walkers a thread, and tiles", f"{same}; {tuned}", "True; all True")


def kernels(report: Report, device: CupyDevice) -> None:
    """Points a second of `render`, box filter and tone map included: all variations at 112², canvases, tunings."""

    def rate(name: str, size: int, tuning: Tuning = Tuning(), colour: bool = False) -> float:  # noqa: B008
        count = FRAMES[size]
        jobs = framed(jobs_of(name, 5, np.arange(count)), size)
        paints = None
        with device.stream():
            if colour:
                jobs = replace(jobs, colour=np.tile(np.linspace(0, 1, 5, dtype=np.float32), (count, 1)))
                curve, palette = device.xp.arange(256).astype(np.uint8), device.xp.zeros((count, 256, 3), np.uint8)
                paints = game.Paints(curve, palette)
            moved, variations = to_device(device, jobs), game.variations_of(jobs)
            exposure = device.xp.asarray(np.tile(np.array([64, 30], np.float32), (count, 1)))
            points = np.full(count, POINTS[size], np.int64)

            def work() -> None:
                game.render(
                    device,
                    moved,
                    size=(size, size),
                    points=points,
                    exposure=exposure,
                    burn_in=8,
                    variations=variations,
                    paints=paints,
                    tuning=tuning,
                )

            return count * POINTS[size] / on_device(work) / 1e9

    for size in POINTS:
        value = rate("linear", size)
        report.add(f"linear at {size}², G points/s", f"{value:.1f}", "50, then 200" if size == 112 else "", g=value)
    for walkers in (1, 2, 4):
        value = rate("linear", 112, Tuning(walkers=walkers))
        report.add(f"linear at 112², {walkers} walkers a thread, G points/s", f"{value:.1f}", g=value)
    report.add("linear at 112² in colour, G points/s", f"{rate('linear', 112, colour=True):.1f}")
    for row in sorted(VARIATIONS.values(), key=lambda row: row.name not in PAPER):
        if report.left < 240 and row.name not in PAPER:
            report.add("variations left out for want of time", f"from {row.name} on")
            break
        value = rate(row.name, 112)
        report.add(f"{row.name} at 112², G points/s", f"{value:.1f}", f"{GOALS.get(row.name, '')}", g=value)


def stream(report: Report, device: CupyDevice) -> None:
    """Clips a second of a stream that nothing else waits for, and the host's work for a batch."""
    bank = ClassBank.sample(1000, seed=0)
    for (config, size_of_batch), preset in itertools.product(STREAMS, (None, *EMULATED)):
        emulate = None if preset is None else known_soon(preset)
        live = FractalStream(bank, batch_size=size_of_batch, config=config, seed=0, emulate=emulate, device="cuda")
        feed = iter(live)
        for _ in range(WARM_UP // size_of_batch):
            next(feed)
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(BATCHES):
            next(feed)
        torch.cuda.synchronize()
        rate = BATCHES * size_of_batch / (time.perf_counter() - begin)
        assert live._renderer is not None
        host = _host_time(feed, live._renderer.batches_at_once(size_of_batch, 1))
        named = f"{config.clip_len} x {config.size}², {config.points} points a frame"
        named += f"{'' if config.colour is None else ', colour'}, {preset or 'plain'}"
        goal = f"{CLIPS_GOAL}; " if preset is None else ""
        wanted = f"{goal}below 2" if config == STREAMS[0][0] else ""
        report.add(
            f"{named}: clips/s; host's time a batch of {size_of_batch}, ms",
            f"{rate:.0f}; {host * 1e3:.2f}", wanted, clips=rate, host_ms=host * 1e3,
        )  # fmt: skip
    _parts(report, device, bank)


def _host_time(feed: Iterator[Batch], chunk: int) -> float:
    """Seconds of this thread for a batch, where it never waits for room in the queue of launches: chunk by chunk."""
    spans = []
    for _ in range(RUNS):
        torch.cuda.synchronize()
        begin = time.thread_time()
        for _ in range(chunk):
            next(feed)
        spans.append((time.thread_time() - begin) / chunk)
    return statistics.median(spans)


def _parts(report: Report, device: CupyDevice, bank: ClassBank) -> None:
    """Where a chunk's time goes."""
    config, count = StreamConfig(), PART_CLIPS
    samples = FractalStream(bank, batch_size=count, config=config, seed=0).draw(np.arange(count))
    with device.stream():
        own = DeviceBank(device, bank)
        fits = fit_on_device(own, samples.class_id, samples.instance_id)
        fitting = on_device(lambda: fit_on_device(own, samples.class_id, samples.instance_id))
        camera = camera_matrices(samples.camera, config.size)

        def draw_pictures() -> None:
            render_on_device(own, fits, samples.times, size=config.size, points=config.points, camera=camera)

        drawing = on_device(draw_pictures)
    shown = f"{fitting / count * 1e6:.1f}, {drawing / count * 1e6:.1f}"
    report.add("8 x 112²: µs a clip for the fit, and for the pictures", shown, "", fit=fitting, pictures=drawing)


SECTIONS: dict[str, tuple[Callable[[Report, CupyDevice], None], float]] = {
    "parity": (parity, 60),
    "determinism": (determinism, 10),
    "ceilings": (ceilings, 10),
    "kernels": (kernels, 60),
    "stream": (stream, 90),
    "training": (training, 180),
}
"""The sections, and the seconds each needs at least."""


def main() -> None:
    """Measure and write, or measure some and print."""
    parser = command_line(__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"of {', '.join(SECTIONS)}; by default all, and results are written"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no section begins that would end later")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - set(SECTIONS))
    reason = cupy_device.missing() or (None if torch.cuda.is_available() else "PyTorch sees no GPU")
    if unknown or reason:
        sys.exit(f"benchmarks.gpu: {f'unknown section {unknown[0]}' if unknown else reason}")
    device, report = cupy_device.device(), Report(time.monotonic() + 60 * arguments.minutes)
    for name in arguments.sections or SECTIONS:
        section, needed = SECTIONS[name]
        if report.left < needed:
            report.add(name, "left out for want of time")
            continue
        try:
            section(report, device)
        except Exception as error:  # the other sections still count
            traceback.print_exc()
            report.add(name, f"FAILED: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")
        if not arguments.sections:
            keep(report, device)


def keep(report: Report, device: CupyDevice) -> None:
    """Write what is known so far: whoever stops this has that."""
    about: dict[str, Any] = {"gpu": device.name, "capability": device.capability, "torch": torch.__version__}
    about |= {"cupy": device.xp.__version__, "multiprocessors": device.multiprocessors}
    notes = f"On one {device.name}, {device.multiprocessors} multiprocessors, PyTorch {torch.__version__}."
    data = {"gpu": about} | report.data
    write("gpu", "The GPU", ["what", "measured", "wanted"], report.rows, data, notes, show=False)


if __name__ == "__main__":
    main()
