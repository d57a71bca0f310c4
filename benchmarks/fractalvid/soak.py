"""Hours of streaming, then of `generate` and `verify`: is memory flat, does throughput hold, are handles closed?

Each phase is a process of its own, sampled with all its children every minute: resident memory, open file handles, and
clips made since. The first tenth is warming up. Of what follows, the mean of the last quarter is compared with that of
the first: memory may not have grown by more than 5 %, nor clips a minute changed by more. Of handles it is the fewest,
and they may not have grown at all. Results are saved with every sample, so an interrupt loses only the rest. Of a phase
given no time the result is kept that --out holds: each can be run alone. It reads /proc: Linux only.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.common import RESULTS, command_line, write
from fractalvid.utils.duration import parse_hours

STREAM = """
import sys
from torch.utils.data import DataLoader
import fractalvid as fv
bank = fv.ClassBank.sample(200, seed=0)
config = fv.StreamConfig(clip_len=8, size=112, points=60_000)
stream = fv.FractalStream(bank, batch_size=32, seed=0, config=config, emulate="paper")
with open(sys.argv[1], "ab", buffering=0) as progress:
    for batch in DataLoader(stream, batch_size=None, num_workers=2):
        progress.write(b"." * len(batch.video))
"""
GENERATE = """
import shutil, sys
from pathlib import Path
from fractalvid.cli.main import dispatch
out, options = Path(sys.argv[2], "set"), ["--size", "128", "--points", "100000", "--workers", "2"]
for seed in range(2**32):
    dispatch(["generate", "--classes", "100", "--clips", "4", "--seed", str(seed), *options, "--out", str(out)])
    dispatch(["verify", str(out)])
    shutil.rmtree(out)
    with open(sys.argv[1], "ab") as progress:
        progress.write(b"." * 400)
"""
"""Both write a byte for each clip into the file that is their first word."""
LIMIT = 0.05


@dataclass(frozen=True)
class Sample:
    """All processes of a phase at one moment: seconds since its start, MiB, handles, and clips made so far."""

    seconds: float
    memory: float
    handles: int
    clips: int


def family(root: int) -> list[int]:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            below.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found = [root]
    for one in found:
        found += below.get(one, [])
    return found


def measure(root: int, began: float, progress: Path) -> Sample:
    """What a process and all below it hold now; those that end meanwhile count for nothing."""
    pages = handles = 0
    for process in family(root):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
            handles += len(os.listdir(f"/proc/{process}/fd"))
    made = progress.stat().st_size if progress.exists() else 0
    return Sample(time.monotonic() - began, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, handles, made)


def run(code: str, seconds: float, every: float) -> Iterator[Sample]:
    """Run one phase, yield a sample `every` so many seconds, and end its processes.

    Raises:
        SystemExit: the phase ended by itself.
    """
    work = Path(tempfile.mkdtemp(prefix="soak-"))
    command = [sys.executable, "-c", code, str(work / "progress"), str(work)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    began = time.monotonic()
    try:
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(every, left))
            if process.poll() is not None:
                raise SystemExit(f"it ended after {time.monotonic() - began:.0f} s with code {process.returncode}")
            yield measure(process.pid, began, work / "progress")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(work, ignore_errors=True)


def rates(samples: list[Sample]) -> list[float]:
    """Clips a minute between samples."""
    return [60 * (b.clips - a.clips) / (b.seconds - a.seconds) for a, b in pairwise(samples) if b.seconds > a.seconds]


def change(values: list[float], of: Callable[[list[float]], float] = statistics.fmean) -> float:
    """By what part the mean (or what else) of the last quarter differs from the first's, after a tenth of warming up.

    NaN where it is not known.
    """
    rest = values[max(1, len(values) // 10) :]
    quarter = max(1, len(rest) // 4)
    if not rest:
        return math.nan
    first, last = (of(part) for part in (rest[:quarter], rest[-quarter:]))
    return last / first - 1 if first else math.nan


def verdicts(samples: list[Sample]) -> list[list[str]]:
    """A row for each of memory, throughput and handles: its range, its change and what is asked of it."""
    memory, handles = [s.memory for s in samples], [float(s.handles) for s in samples]
    rows = []
    for name, values, limits, of in (
        ("resident memory, MiB", memory, (-1.0, LIMIT), statistics.fmean),
        ("clips a minute", rates(samples), (-LIMIT, LIMIT), statistics.fmean),
        # Files come and go with what is done at the moment; one that is never closed is there in every sample.
        ("open file handles, fewest", handles, (-1.0, 0.0), min),
    ):
        moved, seen = change(values, of), f"{min(values):.0f} to {max(values):.0f}" if values else "too short"
        asked = f"at most {limits[1]:+.0%}" if limits[0] == -1 else f"within {limits[1]:.0%}"
        rows.append([name, seen, f"{moved:+.1%}", asked, "met" if limits[0] <= moved <= limits[1] else "missed"])
    return rows


def draw(phases: dict[str, list[Sample]]) -> Figure:
    """Memory, throughput and handles over time, a column for each phase."""
    figure = Figure(figsize=(5 * len(phases), 7), layout="constrained")
    axes = figure.subplots(3, len(phases), squeeze=False, sharex="col")
    for column, (name, samples) in enumerate(phases.items()):
        minutes = [s.seconds / 60 for s in samples]
        shown = [[s.memory for s in samples], rates(samples), [float(s.handles) for s in samples]]
        labels = ("MiB, all processes", "clips a minute", "open handles")
        for axis, values, label in zip(axes[:, column], shown, labels, strict=True):
            axis.plot(minutes[len(minutes) - len(values) :], values)
            axis.set(ylabel=label, ylim=(0, None))
        axes[0, column].set_title(name)
        axes[2, column].set_xlabel("minutes")
    return figure


def save(phases: dict[str, list[Sample]], folder: Path, *, show: bool = False) -> None:
    """Write soak.json, soak.md and soak.png."""
    folder.mkdir(parents=True, exist_ok=True)
    draw(phases).savefig(folder / "soak.png", dpi=90)
    rows = [[name, *row] for name, samples in phases.items() for row in verdicts(samples)]
    header = ["phase", "what", "seen", "change, first to last quarter", "asked", "verdict"]
    data = {"phases": {name: [asdict(s) for s in samples] for name, samples in phases.items()}}
    write("soak", "Hours of work", header, rows, data, "![Over time](soak.png)", folder=folder, show=show)


def kept(folder: Path) -> dict[str, list[Sample]]:
    """The phases that soak.json in a folder holds."""
    file = folder / "soak.json"
    told = json.loads(file.read_text(encoding="utf-8"))["phases"] if file.exists() else {}
    return {name: [Sample(**sample) for sample in samples] for name, samples in told.items()}


def main() -> None:
    """Run both phases and write."""
    parser = command_line(__doc__)
    parser.add_argument("--stream", default="2h", help="how long to stream, as 2h or 10m")
    parser.add_argument("--generate", default="1h", help="how long to generate and verify sets of 400 clips")
    parser.add_argument("--every", default="1m", help="time between samples")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for soak.json, soak.md and soak.png")
    arguments = parser.parse_args()
    try:
        stream, generate, every = (
            3600 * parse_hours(text) for text in (arguments.stream, arguments.generate, arguments.every)
        )
    except ValueError as error:
        parser.error(str(error))
    phases = kept(arguments.out)
    for name, code, seconds in (("stream", STREAM, stream), ("generate and verify", GENERATE, generate)):
        if seconds == 0:
            continue
        phases[name] = []
        for sample in run(code, seconds, every):
            phases[name].append(sample)
            save(phases, arguments.out)
    save(phases, arguments.out, show=True)


if __name__ == "__main__":
    main()
