"""`fractalvid stats` of 10,000 clips, as a whole process: seconds, processor seconds, memory.

From a bank, whose clips are rendered at 128² with 60,000 points a frame and all their native frames, and from a
generated set of the same clips as MP4. Without the motion-only probe, which is timed alone.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import command_line, write

CLASSES, CLIPS, HELD_OUT = 1000, 8, 2

_WRAPPED = """
import resource, sys
from fractalvid.cli.main import dispatch
dispatch(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def run(*arguments: object) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak memory in GiB of a command."""
    begin = time.perf_counter()
    command = [sys.executable, "-c", _WRAPPED, *map(str, arguments)]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    seconds = time.perf_counter() - begin
    used, memory = process.stdout.splitlines()[-1].split()
    return seconds, float(used), int(memory) / 2**20


def main() -> None:
    """Measure and write."""
    command_line(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        bank, made = root / "classes.npz", root / "set"
        run("classes", "--classes", CLASSES, "--out", bank)
        run("generate", "--bank", bank, "--clips", CLIPS + HELD_OUT, "--size", 128, "--points", 60_000, "--out", made)
        few = ["--classes", 10, "--clips", 2, "--held-out", 1, "--size", 32]
        run("stats", bank, made, *few, "--out", root / "warm")
        many = ["--classes", CLASSES, "--clips", CLIPS, "--held-out", HELD_OUT, "--no-motion-probe"]
        found = {
            "10,000 clips rendered from a bank": run("stats", bank, *many, "--out", root / "a"),
            "10,000 clips of a generated set": run("stats", made, *many, "--out", root / "b"),
            "the motion-only probe": run("stats", bank, *few, "--out", root / "c"),
        }
    wanted = [120, 120, 60]
    rows = [
        [name, f"{wall:.0f}", f"{used:.0f}", f"{memory:.2f}", f"under {limit}"]
        for (name, (wall, used, memory)), limit in zip(found.items(), wanted, strict=True)
    ]
    data = {name: {"seconds": s, "processor_seconds": u, "memory_gib": m} for name, (s, u, m) in found.items()}
    header = ["what", "seconds", "processor seconds", "peak memory, GiB", "wanted, seconds"]
    write("stats", "`fractalvid stats`", header, rows, data)


if __name__ == "__main__":
    main()
