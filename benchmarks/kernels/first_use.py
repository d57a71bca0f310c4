"""First use: commands in fresh processes, from an empty compile cache and again from a full one.

python -m benchmarks.kernels.first_use
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import RESULTS, command_line, spread, write
from fractalvid.core.fingerprint import fingerprint

COMMANDS = {
    "4 classes, the reference method's variations": "generate --classes 4 --clips 1 --size 64",
    "50 classes of all variations": "generate --classes 50 --clips 1 --size 64 --variations all",
}
WANTED = {"4 classes, the reference method's variations": 10, "50 classes of all variations": 40}
RUNS = 3
NAME = "first_use"
Times = dict[str, dict[str, float]]
"""Spreads of seconds, from an `empty` cache and from a `full` one."""


def seconds(command: str, cache: Path, out: Path) -> float:
    """Wall time of a command with that cache of compiled kernels."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    words = [sys.executable, "-m", "fractalvid", *command.split(), "--out", str(out)]
    started = time.perf_counter()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(command: str, runs: int) -> Times:
    """What a command takes, each time with a cache of its own."""
    cold, warm = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "cache"
            cold.append(seconds(command, cache, Path(folder) / "first"))
            warm.append(seconds(command, cache, Path(folder) / "second"))
    return {"empty": spread(cold), "full": spread(warm)}


def table(known: dict[str, dict[str, Times]]) -> list[list[str]]:
    """A row for each processor and command."""
    return [
        [processor, name, f"`{COMMANDS[name]}`", _told(times["empty"]), f"under {WANTED[name]}", _told(times["full"])]
        for processor in sorted(known)
        for name, times in known[processor].items()
    ]


def _told(times: dict[str, float]) -> str:
    return f"{times['median']:.1f} ({times['min']:.1f} to {times['max']:.1f})"


def main() -> None:
    """Measure and write; rows of other processors stay, and so do the findings."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="times that each is begun from nothing")
    parser.add_argument("--only", choices=tuple(COMMANDS), nargs="*", default=tuple(COMMANDS), help="all by default")
    options = parser.parse_args()
    kept = RESULTS / f"{NAME}.json"
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    known, findings = before.get("seconds", {}), before.get("findings", [])
    own = known.setdefault(fingerprint()["processor"].split()[-1], {})
    for name in options.only:
        own[name] = measure(COMMANDS[name], options.runs)
    header = ["processor", "what", "fractalvid", "seconds, empty cache", "wanted", "seconds, full cache"]
    data = {"seconds": known, "findings": findings}
    write(NAME, "First use, compiling included", header, table(known), data, "\n\n".join(findings))


if __name__ == "__main__":
    main()
