"""Whether a GPU draws what the CPU draws: clips, golden pictures, counts of fixed jobs; and the same bits again.

The CPU's values are computed here by its backend. Of the golden files, whose bits are those of one processor and set of
versions, the thumbnails are compared, which hold to one grey level everywhere.
"""

import base64
import json

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import part_of
from benchmarks.gpu.place import Place, begin
from benchmarks.gpu.points import framed
from benchmarks.gpu.report import Report
from benchmarks.kernels.chaos_game import PAPER, distance, jobs_of
from fractalvid.core.camera import camera_matrices, identity_camera
from fractalvid.core.fingerprint import fingerprint
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.render import render_fractals
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.fit import DeviceFits, fit_on_device
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels import Jobs, accumulate
from fractalvid.kernels.cuda import game
from fractalvid.kernels.cuda.game import Tuning

CLIPS, CLIP_SIZE, CLIP_POINTS = 64, 112, 60_000
SIZE, POINTS, LONG_RUN = 256, 300_000, 20_000_000
BURN_IN = 32
TUNINGS = (Tuning(walkers=1), Tuning(walkers=4), Tuning(tile=(40, 70)))


def correctness(report: Report, index: int) -> None:
    """The section on a GPU."""
    measure(report, begin(report, index))


def measure(report: Report, place: Place) -> None:
    """All comparisons, what says most first."""
    clips(report, place)
    golden(report, place)
    for name in PAPER:
        counts(report, place, name)
    determinism(report, place)


def clips(report: Report, place: Place) -> None:
    """Attempts, views and pictures of clips."""
    bank, ids = ClassBank.sample(CLIPS, seed=0), np.arange(CLIPS)
    with place.kernels.stream():
        own = DeviceBank(place.kernels, bank)
        fits = fit_on_device(own, ids, ids)
    cpu = fit_fractals(bank, ids, ids)
    compare_fits(report, place, fits, cpu)
    times = np.tile([2.0, 9.0, 16.0], (CLIPS, 1))
    shown = pictures(place, own, fits, times, CLIP_SIZE, CLIP_POINTS)
    compare_pictures(report, shown, render_fractals(bank, cpu, times, size=CLIP_SIZE, points=CLIP_POINTS))


def compare_fits(report: Report, place: Place, fits: DeviceFits, cpu: Fits) -> None:
    """How many attempts are the CPU's, and how far views lie apart."""
    span = cpu.box[:, 2:] - cpu.box[:, :2]
    apart = np.abs(place.to_host(fits.box) - cpu.box).max(axis=1) / span.max(axis=1)
    alike = float(np.mean(place.to_host(fits.attempt) == cpu.instances.attempt))
    report.add(
        f"{len(span)} clips: attempts alike; views apart, as shares of the view, median and largest",
        f"{alike:.1%}; {np.median(apart):.1e}, {apart.max():.1e}", "all; rounding, but where dynamics spread it",
        ok=alike > 0.95, attempts=alike, box_median=float(np.median(apart)), box_largest=float(apart.max()),
    )  # fmt: skip


def pictures(
    place: Place, bank: DeviceBank, fits: DeviceFits, times: NDArray[np.float64], size: int, points: int
) -> NDArray[np.uint8]:
    """Frames (B, F, H, W) as they are at rest, in the host's memory."""
    camera = camera_matrices(identity_camera(len(times)), size)
    with place.kernels.stream():
        return place.to_host(render_on_device(bank, fits, times, size=size, points=points, camera=camera))


def compare_pictures(report: Report, shown: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
    """How many pixels are the CPU's, and how many clips are most like the CPU's clip of the same class."""
    near = float((np.abs(shown.astype(int) - wanted) <= 2).mean())
    flat, targets = (x.reshape(len(x), -1).astype(np.float32) for x in (shown, wanted))
    nearest = np.array([np.abs(targets - one).sum(axis=1).argmin() for one in flat])
    same = float(np.mean(nearest == np.arange(len(shown))))
    report.add(
        f"{len(shown)} clips: pixels within 2 grey levels; the CPU's nearest clip is that of the class",
        f"{near:.2%}; {same:.1%}", "all classes", ok=same > 0.95, pixels=near, classes=same,
    )  # fmt: skip


def golden(report: Report, place: Place) -> None:
    """The pictures of `tests/fractalvid/fractals/golden.json`."""
    from tests.fractalvid.fractals import test_golden as recorded  # brings pytest, without which the rest still runs

    known = json.loads(recorded.PATH.read_text(encoding="utf-8"))
    bank = ClassBank.sample(len(recorded.CLASSES), seed=recorded.SEED)
    with place.kernels.stream():
        own = DeviceBank(place.kernels, bank)
        fits = fit_on_device(own, recorded.CLASSES, recorded.INSTANCES)
    times = np.tile(recorded.TIMES, (len(recorded.CLASSES), 1))
    frames = pictures(place, own, fits, times, recorded.SIZE, recorded.POINTS)[recorded.SHOWN]
    before = np.frombuffer(base64.b64decode(known["thumbnails"]), np.uint8).reshape(-1, 32, 32)
    apart = float(np.abs(recorded.thumbnails(frames).reshape(before.shape).astype(int) - before).mean())
    attempts = float(np.mean(place.to_host(fits.attempt) == known["attempts"]))
    here = "this" if known["fingerprint"] == fingerprint() else "another"
    report.add(
        f"golden pictures of {here} processor and versions: mean difference of thumbnails, grey levels; attempts alike",
        f"{apart:.3f}; {attempts:.1%}", "at most 1; 95 %", ok=apart <= 1 and attempts >= 0.95,
        grey_levels=apart, attempts=attempts, same_fingerprint=here == "this",
    )  # fmt: skip


def counted(place: Place, jobs: Jobs, size: int, points: int, tuning: Tuning = Tuning()) -> game.Counted:  # noqa: B008
    """Where points fall on the device, in the host's memory."""
    amounts, variations = np.full(len(jobs), points, np.int64), game.variations_of(jobs)
    with place.kernels.stream():
        done = game.accumulate(
            place.kernels,
            place.moved(jobs),
            size=(size, size),
            points=amounts,
            burn_in=BURN_IN,
            variations=variations,
            tuning=tuning,
        )
        return game.Counted(*(None if part is None else place.to_host(part) for part in done))


def counts(report: Report, place: Place, name: str) -> None:
    """Four jobs of one variation: their counts against the CPU's, and both against a long run."""
    jobs, other = (framed(jobs_of(name, 5, seeds), SIZE) for seeds in (np.arange(4), np.array([99])))
    ours, cpu = counted(place, jobs, SIZE, POINTS), accumulate(jobs, size=SIZE, points=POINTS, burn_in=BURN_IN)
    long = counted(place, other, SIZE, LONG_RUN).counts[0]
    books = ours.counts.sum((1, 2), dtype=np.int64) + ours.outside + ours.discarded
    balanced = bool((books == POINTS).all())
    same = 1 - float(np.abs(ours.counts.astype(int) - cpu.counts).sum() / 2 / cpu.counts.sum())
    far, far_cpu = (float(np.mean([distance(c, long) for c in of])) for of in (ours.counts, cpu.counts))
    report.add(
        f"{name}: L1 to a long run, GPU and CPU; points in the CPU's pixels; books",
        f"{far:.4f}, {far_cpu:.4f}; {same:.2%}; {'balanced' if balanced else 'NOT BALANCED'}", "equal; balanced",
        ok=balanced and far < 1.1 * far_cpu, l1=far, l1_cpu=far_cpu, same_pixel=same, balanced=balanced,
    )  # fmt: skip


def determinism(report: Report, place: Place) -> None:
    """The same bits again, and however the kernel is launched."""
    jobs = framed(jobs_of("cosine", 5, np.arange(8)), SIZE)
    first = counted(place, jobs, SIZE, CLIP_POINTS).counts
    again = np.array_equal(first, counted(place, jobs, SIZE, CLIP_POINTS).counts)
    tuned = [np.array_equal(first, counted(place, jobs, SIZE, CLIP_POINTS, tuning).counts) for tuning in TUNINGS]
    report.add(
        "the same bits twice; and with other walkers a thread, and tiles", f"{again}; {tuned}", "True; all True",
        ok=again and all(tuned), again=again, tuned=tuned,
    )  # fmt: skip


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only correctness", __doc__)


if __name__ == "__main__":
    main()
