"""The data of fine-tuning: the index of 10,000 videos, and training clips from files, from the cache and from memory.

Needs real clips: FRACTALVID_TEST_DATA names a folder with `hmdb51_subset`, `hmdb51_original_sample` and
`ucf101_original_sample`.
"""

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import command_line, shown, spread, write
from fractalvid.finetune.cache.reader import CacheKind, open_cache
from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.cache.writer import make_cache
from fractalvid.finetune.clips.config import ClipConfig, FrameConfig
from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.index import ClipIndex, build_index
from fractalvid.kernels.compiled import available_cores

VIDEOS, SIDE, QUALITY = 10_000, 128, 90
BATCH, BATCHES, RUNS, WARM_UP = 32, 10, 5, 12
SETS = {"hmdb51_subset": 1, "hmdb51_original_sample": 20, "ucf101_original_sample": 80}  # times each file is listed
CONFIG = ClipConfig(FrameConfig(8, 2), 112, (0.45, 0.45, 0.45), (0.225, 0.225, 0.225))


def index_seconds(root: Path, folder: Path) -> list[float]:
    """Seconds for the index of 10,000 links to the files below `root`, from nothing each time."""
    files = sorted(root.rglob("*.avi"))
    folder.mkdir()
    for number, file in zip(range(VIDEOS), itertools.cycle(files), strict=False):
        (folder / f"{number}.avi").symlink_to(file)
    caches = (folder.parent / f"{folder.name}_index{run}" for run in range(3))
    return [_timed(lambda: _index(folder, cache_dir=next(caches))) for _ in range(3)]


def _index(root: Path, *, cache_dir: Path | None = None) -> ClipIndex:
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*.avi")]
    threads = available_cores()
    return build_index(root, paths, cache_dir=cache_dir, threads=threads, max_broken=0, progress=False)


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def stores(root: Path, index: ClipIndex, cache_dir: Path) -> tuple[dict[str, ClipStore], dict[str, float]]:
    """A store for each place clips may come from; and bytes a frame and seconds a video of the caches."""
    made, facts = {}, dict[str, float]()
    for name, quality in (("raw", None), ("jpeg", QUALITY)):
        kind, where = CacheKind(SIDE, quality), cache_dir / name
        begin = time.perf_counter()
        report = make_cache(root, index.facts, kind, cache_dir=where, threads=available_cores(), progress=False)
        facts[f"{name}_ms_a_video"] = (time.perf_counter() - begin) / len(index.facts) * 1e3
        facts[f"{name}_bytes_a_frame"] = report.used / sum(index.frames.values())
        cache, refused = open_cache(where, root, SIDE)
        assert cache is not None, refused
        made[name] = ClipStore(root, short_side=SIDE, memory=Memory(0), cache=cache)
    made["files"] = ClipStore(root, short_side=SIDE, memory=Memory(0), facts=index.facts)
    made["memory"] = ClipStore(root, short_side=SIDE, memory=Memory(2**33))
    return made, facts


def clip_rates(store: ClipStore, rows: list[Video]) -> tuple[list[float], dict[str, float]]:
    """Training clips a second, a value a run; processor time a clip (ms), and memory before and after (MiB)."""
    source = TrainLoader(rows, store, batch_size=BATCH, config=CONFIG, seed=0, threads=available_cores())
    batches = iter(source)
    for _ in range(max(WARM_UP, 3 + len(rows) // BATCH if store.memory.limit_bytes else 0)):
        next(batches)
    before, rates, busy = resident(), [], time.process_time()
    for _ in range(RUNS):
        seconds = _timed(lambda: [next(batches) for _ in range(BATCHES)])
        rates.append(BATCH * BATCHES / seconds)
    busy = (time.process_time() - busy) / (RUNS * BATCH * BATCHES) * 1e3
    return rates, {"processor_ms": busy, "mib_before": before, "mib_after": resident()}


def resident() -> float:
    """Resident memory of this process in MiB, mapped files included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status says no VmRSS")


def main() -> None:
    """Measure and write."""
    command_line(__doc__).parse_args()
    data = Path(os.environ.get("FRACTALVID_TEST_DATA", ""))
    if not (data / "hmdb51_subset").is_dir():
        sys.exit("FRACTALVID_TEST_DATA names no folder with real clips")
    table, out = list[list[str]](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as scratch:
        for name, wanted in (("hmdb51_subset", "60 s"), ("hmdb51_original_sample", "60 s")):
            seconds = index_seconds(data / name, Path(scratch) / name)
            out[f"index_{name}"] = spread(seconds)
            table.append([f"index of {VIDEOS} videos, {_about(name)}", f"{shown(seconds, 1)} s", f"under {wanted}"])
        for name, times in SETS.items():
            index = _index(data / name)
            rows = [Video(path, k % 2, "train") for k, path in enumerate(sorted(index.facts) * times)]
            made, facts = stores(data / name, index, Path(scratch) / "decoded" / name)
            out[name] = facts
            for place, goal in (("raw", "300"), ("jpeg", "300"), ("files", "60"), ("memory", "")):
                rates, more = clip_rates(made[place], rows)
                out[name][place] = {"clips_per_second": spread(rates)} | more
                cost = f"{more['processor_ms']:.1f} ms of a core each"
                memory = f"memory {more['mib_before']:.0f} to {more['mib_after']:.0f} MiB"
                found = f"{shown(rates)} a second, {cost}, {memory}"
                table.append([f"clips from {_PLACES[place]}, {_about(name)}", found, goal])
            for kind in ("raw", "jpeg"):
                size, each = facts[f"{kind}_bytes_a_frame"], facts[f"{kind}_ms_a_video"]
                table.append(
                    [f"{_PLACES[kind]}, {_about(name)}", f"{size:.0f} bytes a frame, {each:.0f} ms a video", ""]
                )
    title = f"The data of fine-tuning: 8 x 112² clips with augmentation, decoded at {SIDE} pixels"
    write("finetune_data", title, ["what", "median (min to max)", "wanted"], table, out, NOTES)


_PLACES = {
    "raw": "the cache, bit for bit",
    "jpeg": f"the cache, JPEG {QUALITY}",
    "files": "AVI files",
    "memory": "memory",
}
NOTES = f"""
Batches of {BATCH}, {available_cores()} threads, {RUNS} runs of {BATCH * BATCHES} clips, files in the page cache; the
index is of links to the same few files, decoded anew for every link. Memory is all that is resident, mapped files
included, before the first and after the last run. The processor time is that of this process alone. Where `load_before`
says that others held the cores, that time tells more than the clips a second, which are then too few.
"""


def _about(name: str) -> str:
    sizes = {"hmdb51_subset": "144 x 108", "hmdb51_original_sample": "320 x 240", "ucf101_original_sample": "320 x 240"}
    kind = {
        "hmdb51_subset": "HMDB51 made small",
        "hmdb51_original_sample": "HMDB51",
        "ucf101_original_sample": "UCF101",
    }
    return f"{kind[name]} ({sizes[name]})"


if __name__ == "__main__":
    main()
