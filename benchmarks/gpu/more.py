"""What time is left is for: where a clip's time goes, other streams, other launches, and the other variations."""

import itertools

import numpy as np

from benchmarks.common import part_of
from benchmarks.gpu.clips import OTHERS, PLAIN, add_clips
from benchmarks.gpu.place import Place, begin
from benchmarks.gpu.points import SIZE, jobs_at, rate
from benchmarks.gpu.report import Report
from benchmarks.kernels.chaos_game import PAPER
from fractalvid.core.camera import camera_matrices
from fractalvid.fractals.bank import ClassBank
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import fit_on_device
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels.cuda.game import Tuning
from fractalvid.kernels.variations import VARIATIONS
from fractalvid.stream import FractalStream

CLASSES, CLIPS = 1000, 512


def more(report: Report, index: int) -> None:
    """The section on a GPU."""
    measure(report, begin(report, index))


def measure(report: Report, place: Place) -> None:
    """What says most first: the time may end anywhere."""
    parts(report, place)
    add_clips(report, place, PLAIN, "full", 64)
    launches(report, place)
    for (config, batch), preset in itertools.product(OTHERS, (None, "paper", "full")):
        add_clips(report, place, config, preset, batch)
    for row in VARIATIONS.values():
        if row.name not in PAPER:
            value = rate(place, jobs_at(row.name, SIZE), SIZE)
            report.add(f"{row.name} at {SIZE}², alone in its module, G points/s", f"{value:.1f}", g=value)


def parts(report: Report, place: Place) -> None:
    """Where a chunk's time goes."""
    bank = ClassBank.sample(CLASSES, seed=0)
    samples = FractalStream(bank, batch_size=CLIPS, config=PLAIN, seed=0).draw(np.arange(CLIPS))
    camera = camera_matrices(samples.camera, PLAIN.size)
    with place.kernels.stream():
        own = DeviceBank(place.kernels, bank)
        fits = fit_on_device(own, samples.class_id, samples.instance_id)
        fitting = place.seconds(lambda: fit_on_device(own, samples.class_id, samples.instance_id))

        def draw_pictures() -> None:
            render_on_device(own, fits, samples.times, size=PLAIN.size, points=PLAIN.points, camera=camera)

        drawing = place.seconds(draw_pictures)
    shown = f"{fitting / CLIPS * 1e6:.1f}, {drawing / CLIPS * 1e6:.1f}"
    named = f"{PLAIN.clip_len} x {PLAIN.size}²: µs a clip for the fit, and for the pictures"
    report.add(named, shown, fit=fitting, pictures=drawing)


def launches(report: Report, place: Place) -> None:
    """Linear with other numbers of walkers a thread, and in colour."""
    jobs = jobs_at("linear", SIZE)
    for walkers in (1, 2, 4):
        value = rate(place, jobs, SIZE, tuning=Tuning(walkers=walkers))
        named = f"linear at {SIZE}², {walkers} walkers a thread, G points/s"
        report.add(named, f"{value:.1f}", g=value)
    value = rate(place, jobs, SIZE, coloured=True)
    report.add(f"linear at {SIZE}² in colour, G points/s", f"{value:.1f}", g=value)


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only more", __doc__)


if __name__ == "__main__":
    main()
