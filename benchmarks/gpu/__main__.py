"""The GPU: is it right, and how fast is it. Everything in one go, in six minutes of one GPU.

    python -m benchmarks.gpu --minutes 6                       # all of it: benchmarks/results/gpu.md and gpu.json
    python -m benchmarks.gpu --only points clips --minutes 2   # some: gpu_points_clips.md and .json

In this order, with these shares of six minutes:

    correctness  90 s  clips, golden pictures and counts against the CPU's; the same bits, however launched
    tests        75 s  pytest -m gpu
    points       45 s  points a second: linear, the slowest default variation, and what bounds them
    clips        45 s  clips a second of a stream, plain and `paper`
    host         30 s  the host's time for a batch, plain and `paper`
    training     75 s  a step of r3d_18 from the live stream against batches in memory, `paper` and plain
    more         what the others leave: other streams, launches and variations

Each section runs in a process of its own that ends when its time is up, and results are saved after each: what hangs or
crashes takes nothing else. A section may also take what those before it have left. One that is cut off leaves what it
had measured by then, says so, and what it was at. Exit code 0: all sections are done and nothing is wrong; 1: not so;
2: no GPU. Where results/gpu.md is missing, this has never run on a GPU: nothing is known of its speed.

Needs CuPy, and a GPU of compute capability 8.0 that nothing else works on. Time on the device is that between CUDA
events, the median of the runs after one that is not counted.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import RESULTS, command_line
from benchmarks.gpu.results import all_right, save
from benchmarks.gpu.sections import MINUTES, SECTIONS
from benchmarks.gpu.supervise import Section, run_all


def main() -> None:
    """Measure and write."""
    parser = command_line(__doc__)
    names = [section.name for section in SECTIONS]
    parser.add_argument("--minutes", type=_minutes, default=MINUTES, help="for all sections together (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="SECTION", help="these sections, in the order above"
    )
    parser.add_argument("--gpu", type=int, default=0, help="which one, from 0 (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results (benchmarks/results)")
    sys.exit(_measure(parser.parse_args()))


def _measure(arguments: argparse.Namespace) -> int:
    """The exit code, after all that was asked for."""
    reason = _missing(arguments.gpu)
    if reason:
        print(f"benchmarks.gpu: nothing to measure, {reason}", file=sys.stderr)
        return 2
    chosen = _chosen(arguments.only)
    name = "_".join(["gpu", *(section.name for section in chosen if arguments.only)])
    outcomes = run_all(
        chosen,
        60 * arguments.minutes,
        index=arguments.gpu,
        save=lambda so_far: save(so_far, name, arguments.out),
    )
    print(f"{arguments.out / name}.md")
    return 0 if all_right(outcomes) else 1


def _minutes(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no time: it must be above 0")
    return value


def _chosen(only: Sequence[str] | None) -> list[Section]:
    return [section for section in SECTIONS if only is None or section.name in only]


def _missing(index: int) -> str | None:
    """Why there is no such GPU, in one line. PyTorch is imported here since `--help` need not wait for it."""
    from benchmarks.gpu.place import missing

    return missing(index)


if __name__ == "__main__":
    main()
