"""Training the small network on a CPU: what a step costs, what whole runs come to, and what makes them faster.

`steps` times forward, backward and update of 32 clips on one thread, all ways in turn in one process. `runs` times
`pretrain --recipe small_cpu` as a command, the stream beside it: seconds a step once it is steady. What earlier
calls have measured, and what was found, stays in the result file beside what this one measures.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest import mock

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.video.resnet import Conv2Plus1D, Conv3DNoTemporal

from benchmarks.common import RESULTS, command_line, shown, write
from fractalvid.core.fingerprint import fingerprint
from fractalvid.kernels.compiled import available_cores
from fractalvid.pretrain.engine import read_rows
from fractalvid.pretrain.machine import keep_freed_memory, resolve_precision
from fractalvid.pretrain.machine.convolutions import Convolution
from fractalvid.pretrain.models import build_model, r3d
from fractalvid.pretrain.models.pooling import FramePool

NAME = "cpu_training"
CLIPS, CLASSES, BLOCKS = 32, 200, (1, 1, 1, 1)
SMALL = (
    ("8 x 64", ("--clip-len", "8")),
    ("4 x 48", ("--clip-len", "4", "--size", "48", "--points", "11250")),
    ("8 x 48", ("--clip-len", "8", "--size", "48", "--points", "11250")),
)
"""Sizes of clips in whole runs, and their options; what `--grow` begins with."""
ISAS = {"native": {}, "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}}
"""Environment in which torch computes with all that the processor has, or as on one that has AVX2 only."""
SIZES = {"4 x 48": (4, 48), "8 x 48": (8, 48), "4 x 64": (4, 64)}
ALL = str(available_cores())
RUNS: dict[str, tuple[str, ...]] = {
    "before, 8 x 64": ("--arch", "r3d_10", *SMALL[0][1], "--threads", ALL, "--torch-threads", ALL),
    **{
        f"{arch}, {size}{threads}": ("--arch", arch, *options, *more)
        for threads, more in {
            "": (),
            ", one torch thread": ("--torch-threads", "1"),
            ", all threads": ("--torch-threads", ALL, "--threads", ALL),
        }.items()
        for arch in ("r3d_10", "rmc3_10")
        for size, options in SMALL
    },
}
"""Options of whole runs, by name; `--passive` and `--processes` are how they are started."""


def whole_kernels() -> AbstractContextManager[object]:
    """Inside, kernels larger than their video are computed whole, and in float32."""
    return mock.patch.object(Convolution, "fitted", Convolution.in_float32)


@contextmanager
def as_before() -> Iterator[None]:
    """Inside, networks and optimisers are made as they were: layer by layer, AdamW in ten passes over the weights."""
    pool = {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1)}
    adamw = torch.optim.AdamW
    with (
        mock.patch.object(r3d, "FramePool", lambda: nn.MaxPool3d(**pool)),  # type: ignore[arg-type]
        mock.patch.object(r3d, "PooledStem", nn.Sequential),
        whole_kernels(),
        mock.patch.object(torch.optim, "AdamW", lambda *args, **options: adamw(*args, **(options | {"fused": None}))),
    ):
        yield


def r3d_with(kernel: tuple[int, int, int], stride: int) -> nn.Module:
    """R3D-10 with another stem, which ends with a pool where it strides by 2."""
    then: list[nn.Module] = [FramePool()] if stride == 2 else []
    return r3d.R3D(_stem(kernel, stride, 32, then), 32, BLOCKS, CLASSES)


def rmc3_with(kernel: tuple[int, int, int] = (1, 7, 7), width: int = 32, first: Any = Conv3DNoTemporal) -> nn.Module:
    """rMC3-10 with another stem, width or first stage."""
    return r3d.R3D(_stem(kernel, 4, width, []), width, BLOCKS, CLASSES, first=first)


def _stem(kernel: tuple[int, int, int], stride: int, width: int, then: list[nn.Module]) -> nn.Sequential:
    sides = tuple((side - 1) // 2 for side in kernel)
    convolution = nn.Conv3d(3, width, kernel, (1, stride, stride), sides, bias=False)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.BatchNorm3d(width), nn.ReLU(inplace=True), *then)


def layer_by_layer(pool: nn.Module | None = None) -> nn.Module:
    """R3D-10 whose stem is what its layers are, maybe with another pool."""
    made: Any = r3d_10()
    *layers, own = made.stem
    made.stem = nn.Sequential(*layers, pool or own)
    return cast(nn.Module, made)


r3d_10, rmc3_10 = (partial(build_model, name, CLASSES, seed=0) for name in ("r3d_10", "rmc3_10"))
pooled_over_time = partial(layer_by_layer, nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
STEPS: dict[str, Callable[[], nn.Module]] = {
    "before": pooled_over_time,
    "r3d_10, pooled frame by frame": layer_by_layer,
    "r3d_10, layer by layer": layer_by_layer,
    **dict.fromkeys(("r3d_10", "r3d_10, torch.compile", "r3d_10, contiguous", "r3d_10, whole kernels"), r3d_10),
    "r3d_10, stem 1 x 7 x 7": partial(r3d_with, (1, 7, 7), 2),
    "r3d_10, stem 3 x 5 x 5": partial(r3d_with, (3, 5, 5), 2),
    "r3d_10, stem 3 x 7 x 7, stride 4 instead of the pool": partial(r3d_with, (3, 7, 7), 4),
    "r3d_10, stem 1 x 7 x 7, stride 4 instead of the pool": partial(r3d_with, (1, 7, 7), 4),
    **dict.fromkeys(("rmc3_10", "rmc3_10, torch.compile", "rmc3_10, contiguous"), rmc3_10),
    "rmc3_10, stem 3 x 7 x 7": partial(rmc3_with, (3, 7, 7)),
    "rmc3_10, stem 1 x 4 x 4": partial(rmc3_with, (1, 4, 4)),
    "rmc3_10, width 24": partial(rmc3_with, width=24),
    "rmc3_10, first stage (2+1)D": partial(rmc3_with, first=Conv2Plus1D),
    **{f"r3d_10, {size}": r3d_10 for size in SIZES},
    **{f"rmc3_10, {size}": rmc3_10 for size in SIZES},
}
"""The networks of which steps are timed; the optimiser and the layout follow from the name."""


def stepper(name: str, precision: str) -> Callable[[], None]:
    """A training step of one of `STEPS`."""
    model, arithmetic = STEPS[name](), resolve_precision(precision, torch.device("cpu"))  # type: ignore[arg-type]
    model = model if "contiguous" in name else model.to(memory_format=torch.channels_last_3d)
    if "torch.compile" in name:
        model.compile()
    fused = None if name in ("before", "r3d_10, pooled frame by frame") else True
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused)
    kernels = whole_kernels if name in ("before", "r3d_10, whole kernels") else nullcontext
    frames, size = next((SIZES[size] for size in SIZES if name.endswith(size)), (8, 64))
    video, target = torch.rand(CLIPS, 3, frames, size, size), torch.randint(200, (CLIPS,))

    def step() -> None:
        optimizer.zero_grad()
        with kernels(), arithmetic.autocast():
            loss = F.cross_entropy(model(video).float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

    return step


def time_steps(names: list[str], precision: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each step, all of them in turn; the first of each, which compiles, is not counted."""
    torch.set_num_threads(1)
    steps = {name: stepper(name, precision) for name in names}
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def run_all(names: list[str], options: Any) -> dict[str, list[float]]:
    """Seconds of each step of runs in turn, those left out in which a run starts: the queue of clips is full then."""
    more = ISAS[options.isa] | ({"OMP_WAIT_POLICY": "passive"} if options.passive else {})
    together = ["-m", "torch.distributed.run", f"--nproc-per-node={options.processes}"] if options.processes > 1 else []
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        wanted = [folder, str(options.rounds), f"--steps={options.steps}", f"--precision={options.precision}"]
        command = [sys.executable, *together, "-m", "benchmarks.pretrain.cpu_step", "child", *wanted, *names]
        subprocess.run(command, env=os.environ | more, check=True, stdout=subprocess.DEVNULL)
        for name in names:
            rounds = [read_rows(path) for path in sorted(Path(folder).glob(f"{name} */metrics.jsonl"))]
            taken = [[CLIPS / float(row["clips_per_s"]) for row in rows if row["kind"] == "train"] for rows in rounds]
            seconds[name] = [one for steps in taken for one in steps[len(steps) // 3 :]]
    return seconds


def child(folder: str, rounds: str, steps: str, precision: str, *names: str) -> None:
    """Runs of `pretrain` in this process, as it was before or as it is."""
    from fractalvid.pretrain.cli import main as pretrain

    fixed = ["--recipe", "small_cpu", "--grow", "--log-every", "1", "--val-clips", "0", "--no-tensorboard"]
    fixed += ["--no-progress", "--device", "cpu", "--emulate", "light,share=0.5,samples=1", steps, precision]
    for number in range(int(rounds)):
        for name in names:
            with as_before() if name.startswith("before") else nullcontext():
                assert pretrain([*fixed, *RUNS[name], "--out", f"{folder}/{name} {number}"]) == 0


def measure(options: Any) -> dict[str, dict[str, list[float]]]:
    """What is asked for, by the names of arithmetic and way."""
    how = ", passive" if options.passive else ""
    how += f", {options.processes} processes" if options.processes > 1 else ""
    processor = fingerprint()["processor"].split()[-1]
    how += ", freed memory given back" if options.given_back else ""
    key = f"{processor}, {options.part}, {options.precision}, {options.isa}{how}"
    if options.part == "runs":
        return {key: run_all(options.only or list(RUNS), options)}
    if any(os.environ.get(name) != value for name, value in ISAS[options.isa].items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | ISAS[options.isa])
    if not options.given_back:
        keep_freed_memory()
    return {key: time_steps(options.only or list(STEPS), options.precision, options.rounds)}


def table(data: dict[str, dict[str, list[float]]]) -> list[list[str]]:
    """A row for each way, beside how many times as fast as `before` of its group it is."""
    rows = []
    for key in sorted(data):
        base = statistics.median(next((s for name, s in data[key].items() if name.startswith("before")), [0.0]))
        for name, seconds in data[key].items():
            middle = statistics.median(seconds)
            rate, times = f"{CLIPS / middle:.1f}", f"{base / middle:.2f}" if base else ""
            rows.append([key, name, shown([1e3 * s for s in seconds]), rate, times])
    return rows


def main() -> None:
    """Measure and write benchmarks/results/cpu_training.md."""
    if sys.argv[1:2] == ["child"]:
        return child(*sys.argv[2:])
    parser = command_line(__doc__)
    parser.add_argument("part", nargs="?", choices=("steps", "runs"), default="runs")
    parser.add_argument("--isa", choices=tuple(ISAS), default="native")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--only", nargs="*", help="names of ways; all if not given")
    parser.add_argument("--passive", action="store_true", help="runs with OMP_WAIT_POLICY=passive")
    parser.add_argument("--given-back", action="store_true", help="steps that leave freed memory to the system")
    parser.add_argument("--processes", type=int, default=1, help="of each run")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=18, help="of each run")
    options = parser.parse_args()
    found, kept = measure(options), RESULTS / f"{NAME}.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    seconds: dict[str, dict[str, list[float]]] = known.get("seconds", {})
    for key, ways in found.items():
        seconds[key] = seconds.get(key, {}) | ways
    findings = known.get("findings", [])
    data = {"seconds": seconds, "findings": findings}
    header = ["measured", "way", "ms a step of 32 clips", "clips a second", "times as fast"]
    write(NAME, "Training the small network on a CPU", header, table(seconds), data, "\n\n".join(findings))


if __name__ == "__main__":
    main()
