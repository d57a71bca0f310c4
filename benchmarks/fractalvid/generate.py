"""`fractalvid generate` as a whole process: clips a second, first clip, memory; small clips with one worker and two.

At the reference settings, 256², 18 to 20 frames, 934,400 points a frame, MP4 (x264 superfast, CRF 18), with the
encoder's share of a clip's time; and at 128² with 100,000 points, by one worker and two in turn. Beside it stands a
program that renders by `benchmarks.kernels.plain_loop`, the mean of the reference method's variations, and encodes
alike: in one thread, and on all cores.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common import command_line, shown, spread, write_beside
from benchmarks.kernels.chaos_game import PAPER, POINTS, SIZE, jobs_of
from benchmarks.kernels.plain_loop import seconds_of
from fractalvid.fractals.bank import ClassBank
from fractalvid.kernels.compiled import available_cores
from fractalvid.kinds import clip_times, fit_clips, render_fits
from fractalvid.video.encoding.writer import encode_video

CLASSES, RUNS = 60, 3
SMALL_CLASSES, SMALL_CLIPS, SMALL_RUNS = 1000, 10, 2
SMALL = ["--size", "128", "--points", "100000"]


def run(clips: int, out: Path, classes: int = CLASSES, options: Sequence[str] = ()) -> tuple[float, float, float]:
    """Seconds until the first clip, seconds in all, and peak memory in GiB of one call."""
    generate = ["generate", "--classes", str(classes), "--clips", str(clips), "--out", str(out), *options]
    command = [sys.executable, "-c", _WRAPPED, *generate]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while not next(out.glob("clips/*/*.mp4"), None) and process.poll() is None:
        time.sleep(0.01)
    first = time.perf_counter() - begin
    output, _ = process.communicate()
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"generate failed: {output}")
    return first, seconds, int(output.splitlines()[-1]) / 2**20


_WRAPPED = """
import resource, sys
from fractalvid.cli.main import dispatch
dispatch(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def parts_of_a_clip(clips: int = 8) -> tuple[float, float]:
    """CPU seconds a clip that rendering and encoding take, one a class, after one that is not counted."""
    bank, rendering, encoding = ClassBank.sample(CLASSES, seed=0), [], []
    for class_id in range(clips + 1):
        begin = time.process_time()
        fit = fit_clips(bank, [class_id], [0], threads=1)
        times = clip_times(bank, class_id, None)[None]
        frames = render_fits(bank, fit, times, size=SIZE, points=POINTS, threads=1)[0]
        between = time.process_time()
        encode_video(frames)
        rendering.append(between - begin)
        encoding.append(time.process_time() - between)
    return float(np.mean(rendering[1:])), float(np.mean(encoding[1:]))


def plain_rate(encoding: float, threads: int, frames: int = 19) -> float:
    """Clips a second of a program that renders by a plain loop and needs so many CPU seconds a clip to encode."""
    jobs = {name: jobs_of(name, 5, np.arange(2 * threads)) for name in PAPER}
    seconds = [
        min(seconds_of(name, own, size=SIZE, points=POINTS, runs=1, threads=threads)) / len(own)
        for name, own in jobs.items()
    ]
    return 1 / (frames * float(np.mean(seconds)) + encoding / threads)


def main() -> None:
    """Measure and write."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs at the reference settings")
    parser.add_argument(
        "--small-runs", type=int, default=SMALL_RUNS, help="runs of small clips with one worker and two"
    )
    parser.add_argument("--small-clips", type=int, default=SMALL_CLIPS, help="small clips of each of 1000 classes")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp())
    run(1, root / "warm")
    few = [run(1, root / f"few{i}") for i in range(arguments.runs)]
    many = [run(8, root / f"many{i}") for i in range(arguments.runs)]
    small: dict[int, list[float]] = {1: [], 2: []}
    for number in range(arguments.small_runs):
        for workers, rates in small.items():
            out = root / f"small{number}-{workers}"
            _, seconds, _ = run(arguments.small_clips, out, SMALL_CLASSES, [*SMALL, "--workers", str(workers)])
            rates.append(SMALL_CLASSES * arguments.small_clips / seconds)
    shutil.rmtree(root)
    rendering, encoding = parts_of_a_clip()
    plain = {threads: plain_rate(encoding, threads) for threads in dict.fromkeys((1, available_cores()))}
    gain = [two / one for one, two in zip(small[1], small[2], strict=True)]
    rate = [CLASSES * 8 / seconds for _, seconds, _ in many]
    steady = [CLASSES * 7 / (m[1] - f[1]) for m, f in zip(many, few, strict=True)]
    first = [m[0] for m in few + many]
    memory = [max(m[2] for m in part) for part in (few, many)]
    small_clips = SMALL_CLASSES * arguments.small_clips
    median = spread(steady)["median"]
    rows = [
        [f"clips a second, {CLASSES * 8} clips, start included", f"{spread(rate)['median']:.1f}", "at least 25"],
        ["clips a second, start not included", f"{median:.1f}", ""],
        [
            "of a clip's CPU time, the encoder",
            f"{encoding / (rendering + encoding):.0%}: {1e3 * encoding:.1f} of {1e3 * (rendering + encoding):.1f} ms",
            "",
        ],
        *(
            [f"a plain loop on {n} core{'s' * (n > 1)}, clips a second", f"{r:.2f}, 1/{median / r:.0f} of it", wanted]
            for (n, r), wanted in zip(plain.items(), ("1/25", ""), strict=False)
        ),
        ["first clip on disk after, s", f"{spread(first)['median']:.2f} (max {max(first):.2f})", "4"],
        [f"peak memory, GiB, {CLASSES} clips", f"{memory[0]:.2f}", "1.5"],
        [f"peak memory, GiB, {CLASSES * 8} clips", f"{memory[1]:.2f}", "1.5, flat"],
        [f"128², clips a second, {small_clips} clips, 2 workers", shown(small[2], 1), "at least 60"],
        ["128², 1 worker", shown(small[1], 1), ""],
        ["128², 2 workers to 1", shown(gain, 2), "at least 1.8"],
    ]
    data = {
        "clips_per_second": spread(rate),
        "steady": spread(steady),
        "first_clip_s": spread(first),
        "memory_gib": memory,
        "rendering_s": rendering,
        "encoding_s": encoding,
        "plain_loop_clips_per_second": {f"{n} threads": r for n, r in plain.items()},
        "small": {f"{workers} workers": spread(rates) for workers, rates in small.items()},
    }
    write_beside(
        "generate",
        "`fractalvid generate` at the reference settings, and small",
        ["what", "measured", "wanted"],
        rows,
        data,
    )


if __name__ == "__main__":
    main()
