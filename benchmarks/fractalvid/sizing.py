"""How long 1 M and 100 M clips take on 1, 16 and 256 machines, and how large they are: measured rates and a model.

Measured here, on one core: rendering and encoding, what the process that collects does for a clip (unpacking it, adding
it to its shard), and what `fractalvid merge` does. The model: rendering shares nothing, so its hours are clips x
seconds / cores, but a machine's last core adds as much less than its first as the second did here. A Ray cluster is as
fast as that until the one process that collects is busy; parts (`--shard`) are merged afterwards, by one process.

    python -m benchmarks.fractalvid.sizing                  # about two minutes
"""

import pickle
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import command_line, write
from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import Part, SetConfig, generate, merge
from fractalvid.sets.encoding import encode_clips
from fractalvid.sets.workers import store_of

SETTINGS = {
    "128², 100,000 points": SetConfig(clips=4, size=128, points=100_000, format="webdataset", shard_size=64),
    "256², 934,400 points": SetConfig(clips=4, format="webdataset", shard_size=64),
}
CLASSES = 48
CORES = 16
"""Of a machine of the model."""


@dataclass(frozen=True)
class Rates:
    """Seconds and bytes a clip, one core each."""

    make: float
    collect: float
    merge: float
    size: float


def seconds(work: Callable[[], Any]) -> float:
    """Of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(config: SetConfig, folder: Path) -> Rates:
    """The rates of one setting; clips of the first chunk, which compiles, don't count."""
    bank = ClassBank.sample(CLASSES, seed=0)
    store = store_of(folder / "collected", config, CLASSES)
    ids = list(store.plan())
    encode_clips(bank, config, ids[:8])
    chunks = [ids[i : i + 8] for i in range(0, len(ids), 8)]
    made: list[bytes] = []
    make = seconds(lambda: made.extend(pickle.dumps(encode_clips(bank, config, chunk)) for chunk in chunks))
    collect = seconds(lambda: [store.collect(store.write(clip)) for chunk in made for clip in pickle.loads(chunk)])
    for number in (1, 2):
        generate(bank, folder / "parts", config, workers=1, progress=False, part=Part(number, 2))
    merged = seconds(lambda: merge(folder / "parts"))
    size = sum(path.stat().st_size for path in (folder / "parts").rglob("*.tar"))
    return Rates(*(value / len(ids) for value in (make, collect, merged, size)))


def clip_hours(rates: Rates, clips: float, machines: int, second: float) -> tuple[float, float]:
    """Hours of making the clips in parts, and by Ray."""
    cores = machines * CORES
    rendering = clips * rates.make / (cores * second) / 3600
    return rendering + clips * rates.merge / 3600, max(rendering, clips * rates.collect / 3600)


def main() -> None:
    """Measure, print, write."""
    command_line(__doc__).parse_args()
    second = 1.81 / 2  # `generate` with two workers to one: generate.json
    rows, data = [], {}
    for name, config in SETTINGS.items():
        with tempfile.TemporaryDirectory() as folder:
            rates = measure(config, Path(folder))
        data[name] = vars(rates)
        for clips in (1e6, 1e8):
            for machines in (1, 16, 256):
                parts, ray = clip_hours(rates, clips, machines, second)
                size = clips * rates.size / 2**40
                rows.append([name, f"{clips / 1e6:.0f} M", str(machines), f"{parts:.1f}", f"{ray:.1f}", f"{size:.2f}"])
    notes = "\n".join(
        f"{name}: {1000 * r['make']:.1f} ms a clip to make, {1000 * r['collect']:.2f} to collect: Ray's collecting "
        f"process is busy from {r['make'] / r['collect']:.0f} cores; {1000 * r['merge']:.3f} to merge; "
        f"{r['size'] / 1000:.0f} KB.\n"
        for name, r in data.items()
    )
    header = ["clips", "how many", f"machines of {CORES} cores", "hours in parts", "hours by Ray", "TiB"]
    write("sizing", "Sizes and times of large sets", header, rows, {"rates": data}, notes)


if __name__ == "__main__":
    main()
