"""Every format and encoder: what a clip costs to make, read and verify, and its bytes; MP4 by x264 is the measure.

128², 18 to 20 frames, 100,000 points a frame. Costs are the processor time of the process, which does not count what
else the machine does meanwhile.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import command_line, spread, write
from fractalvid.fractals.bank import ClassBank
from fractalvid.kernels.compiled import available_cores
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.torch_set import FractalSet
from fractalvid.sets.verification import verify
from fractalvid.video.encoding.codecs import available_codecs

CLASSES, CLIPS, RUNS = 20, 2, 3
SHAPE: dict[str, Any] = {"clips": CLIPS, "size": 128, "points": 100_000}


def cases() -> dict[str, dict[str, Any]]:
    """Options of each set by what it is called in the results."""
    found: dict[str, dict[str, Any]] = {f"mp4, {codec}": {"codec": codec} for codec in available_codecs()}
    found |= {"webdataset, libx264": {"format": "webdataset", "shard_size": 20}}
    found |= {"npz": {"format": "npz"}, "png (1 frame)": {"format": "png"}}
    return found | {"mp4, libx264, masks": {"masks": True}}


def measured(bank: ClassBank, options: dict[str, Any], out: Path) -> dict[str, float]:
    """Processor milliseconds a clip to make, read and verify one set, and its bytes a clip."""
    config = SetConfig(**SHAPE, **options)
    total = len(bank) * CLIPS

    def cost(work: Callable[[], Any]) -> float:
        begin = time.process_time()
        work()
        return 1000 * (time.process_time() - begin) / total

    made = cost(lambda: generate(bank, out, config, workers=available_cores(), progress=False))
    clips = FractalSet(out)
    read = cost(lambda: [clips[i] for i in range(len(clips))])
    checked = cost(lambda: verify(out, workers=available_cores(), progress=False))
    size = sum(row.bytes + row.mask_bytes for row in clips.rows) / total
    shutil.rmtree(out)
    return {"made": made, "read": read, "checked": checked, "bytes": size}


def main() -> None:
    """Measure and write."""
    command_line(__doc__).parse_args()
    bank = ClassBank.sample(CLASSES, seed=0)
    root = Path(tempfile.mkdtemp())
    measured(bank, {}, root / "warm")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in cases()}
    for _ in range(RUNS):
        for name, options in cases().items():
            runs[name].append(measured(bank, options, root / "set"))
    shutil.rmtree(root)
    data = {name: {key: spread([run[key] for run in part]) for key in part[0]} for name, part in runs.items()}
    medians = {name: {key: value["median"] for key, value in one.items()} for name, one in data.items()}
    base = medians["mp4, libx264"]["made"]
    rows = [
        [
            name,
            f"{one['made']:.1f}",
            f"{base / one['made']:.2f}",
            f"{one['bytes'] / 1024:.1f}",
            f"{one['read']:.1f}",
            f"{one['checked']:.1f}",
        ]
        for name, one in medians.items()
    ]
    header = ["format", "to make, ms", "clips a second, to MP4", "KiB a clip", "to read, ms", "to verify, ms"]
    write("formats", "What formats and encoders cost a clip, in processor time", header, rows, data)


if __name__ == "__main__":
    main()
