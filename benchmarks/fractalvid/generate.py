"""`fractalvid generate` as a whole process: clips a second, first clip, memory; small clips with one worker and two.

At the reference settings, 256², 18 to 20 frames, 934,400 points a frame, MP4 (x264 veryfast, CRF 18); and at 128² with
100,000 points, by one worker and two in turn.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import command_line, shown, spread, write

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


def main() -> None:
    """Measure and write."""
    command_line(__doc__).parse_args()
    root = Path(tempfile.mkdtemp())
    run(1, root / "warm")
    few = [run(1, root / f"few{i}") for i in range(RUNS)]
    many = [run(8, root / f"many{i}") for i in range(RUNS)]
    small: dict[int, list[float]] = {1: [], 2: []}
    for number in range(SMALL_RUNS):
        for workers, rates in small.items():
            out = root / f"small{number}-{workers}"
            _, seconds, _ = run(SMALL_CLIPS, out, SMALL_CLASSES, [*SMALL, "--workers", str(workers)])
            rates.append(SMALL_CLASSES * SMALL_CLIPS / seconds)
    shutil.rmtree(root)
    gain = [two / one for one, two in zip(small[1], small[2], strict=True)]
    rate = [CLASSES * 8 / seconds for _, seconds, _ in many]
    steady = [CLASSES * 7 / (m[1] - f[1]) for m, f in zip(many, few, strict=True)]
    first = [m[0] for m in few + many]
    memory = [max(m[2] for m in part) for part in (few, many)]
    rows = [
        [f"clips a second, {CLASSES * 8} clips, start included", f"{spread(rate)['median']:.1f}", "at least 25"],
        ["clips a second, start not included", f"{spread(steady)['median']:.1f}", ""],
        ["first clip on disk after, s", f"{spread(first)['median']:.2f} (max {max(first):.2f})", "4"],
        [f"peak memory, GiB, {CLASSES} clips", f"{memory[0]:.2f}", "1.5"],
        [f"peak memory, GiB, {CLASSES * 8} clips", f"{memory[1]:.2f}", "1.5, flat"],
        [f"128², clips a second, {SMALL_CLASSES * SMALL_CLIPS} clips, 2 workers", shown(small[2], 1), "at least 60"],
        ["128², 1 worker", shown(small[1], 1), ""],
        ["128², 2 workers to 1", shown(gain, 2), "at least 1.8"],
    ]
    data = {
        "clips_per_second": spread(rate),
        "steady": spread(steady),
        "first_clip_s": spread(first),
        "memory_gib": memory,
        "small": {f"{workers} workers": spread(rates) for workers, rates in small.items()},
    }
    write(
        "generate",
        "`fractalvid generate` at the reference settings, and small",
        ["what", "measured", "wanted"],
        rows,
        data,
    )


if __name__ == "__main__":
    main()
