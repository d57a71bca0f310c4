"""What `--isolate` costs: training clips a second and an index, decoded in this process and in child processes.

Both ways take turns. Needs real clips: FRACTALVID_TEST_DATA names a folder with `hmdb51_subset` and
`hmdb51_original_sample`.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import command_line, shown, spread, write
from benchmarks.finetune.data import BATCH, BATCHES, CONFIG, SIDE
from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.index import ClipIndex, build_index
from fractalvid.kernels.compiled import available_cores

SETS = {
    "hmdb51_subset": ("HMDB51 made small (144 x 108)", 1),
    "hmdb51_original_sample": ("HMDB51 (320 x 240)", 20),
}
"""Folders: what to call them, and how many times a file is listed."""
WAYS = {False: "in this process", True: "in child processes"}


def index(root: Path, folder: Path, *, isolate: bool) -> tuple[ClipIndex, float]:
    """An index of all videos, from nothing, and the seconds that it took."""
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.avi"))]
    begin = time.perf_counter()
    made = build_index(
        root, paths, cache_dir=folder, threads=available_cores(), max_broken=0, progress=False, isolate=isolate
    )
    return made, time.perf_counter() - begin


def rates(root: Path, found: ClipIndex, times: int, runs: int) -> dict[bool, list[float]]:
    """Training clips a second, decoded from files, a value a run; by whether children decode."""
    rows = [Video(path, k % 2, "train") for k, path in enumerate(sorted(found.facts) * times)]
    loaders = {}
    for way in WAYS:
        store = ClipStore(root, short_side=SIDE, memory=Memory(0), facts=found.facts, isolate=way)
        loaders[way] = iter(
            TrainLoader(rows, store, batch_size=BATCH, config=CONFIG, seed=0, threads=available_cores())
        )
        next(loaders[way])
    out: dict[bool, list[float]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way, batches in loaders.items():
            begin = time.perf_counter()
            for _ in range(BATCHES):
                next(batches)
            out[way].append(BATCH * BATCHES / (time.perf_counter() - begin))
    return out


def main() -> None:
    """Measure and write."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    data = Path(os.environ.get("FRACTALVID_TEST_DATA", ""))
    if not (data / "hmdb51_subset").is_dir():
        sys.exit("FRACTALVID_TEST_DATA names no folder with real clips")
    table, out = list[list[str]](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as scratch:
        for name, (called, times) in SETS.items():
            root = data / name
            indices = {way: index(root, Path(scratch) / f"{name}-{way}", isolate=way) for way in WAYS}
            speeds = rates(root, indices[False][0], times, runs)
            for way, told in WAYS.items():
                seconds, videos = indices[way][1], len(indices[way][0].facts)
                table.append([called, told, shown(speeds[way]), f"{1e3 * seconds / videos:.1f}"])
            out[name] = {told: {"clips_per_second": spread(speeds[way])} for way, told in WAYS.items()}
    head = ["clips", "decoded", "training clips a second (min to max)", "ms a video for the index"]
    write("isolate", "What decoding apart costs", head, table, out, NOTES)


NOTES = f"""
8 x 112² clips with augmentation in batches of {BATCH}, {available_cores()} threads, from files in the page cache. The
index decodes every video whole; one run, the children's start included.
"""


if __name__ == "__main__":
    main()
