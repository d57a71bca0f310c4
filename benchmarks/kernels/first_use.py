"""First use: commands in fresh processes, from an empty compile cache and again from a full one.

python -m benchmarks.kernels.first_use
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import command_line, shown, spread, write

COMMANDS = {
    "4 classes, the reference method's variations": "generate --classes 4 --clips 1 --size 64",
    "50 classes of all variations": "generate --classes 50 --clips 1 --size 64 --variations all",
}
WANTED = {"4 classes, the reference method's variations": 10, "50 classes of all variations": 40}
RUNS = 3


def seconds(command: str, cache: Path, out: Path) -> float:
    """Wall time of a command with that cache of compiled kernels."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    words = [sys.executable, "-m", "fractalvid", *command.split(), "--out", str(out)]
    started = time.perf_counter()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and write."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="times that each is begun from nothing")
    runs = parser.parse_args().runs
    rows, data = [], {}
    for name, command in COMMANDS.items():
        cold, warm = [], []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                cache = Path(folder) / "cache"
                cold.append(seconds(command, cache, Path(folder) / "first"))
                warm.append(seconds(command, cache, Path(folder) / "second"))
        data[command] = {"empty": spread(cold), "full": spread(warm), "wanted": WANTED[name]}
        rows.append([name, f"`{command}`", shown(cold, 1), f"under {WANTED[name]}", shown(warm, 1)])
        print(rows[-1], flush=True)
    header = ["what", "fractalvid", "seconds, empty cache", "wanted", "seconds, full cache"]
    write("first_use", "First use, compiling included", header, rows, data)


if __name__ == "__main__":
    main()
