"""Training steps on a CPU in float32 and in bfloat16: their time, and which gradients plain autocast gets wrong.

Times are of forward and backward passes, the precisions in turn. Errors are of the gradient of a convolution's
weights in bfloat16 against float32, by plain autocast and as `fractalvid.pretrain.machine.precision` computes it; both
with all that the processor has, and held to AVX-512 BF16.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from benchmarks.common import command_line, shown, write_beside
from fractalvid.pretrain.machine import computes_bf16, resolve_precision
from fractalvid.pretrain.models import build_model

CPU = torch.device("cpu")
NETWORKS = {"r3d_10": (32, 8, 64), "r3d_18": (8, 8, 64), "r2plus1d_18": (8, 8, 64)}
"""Clips a step, frames and pixels."""
CONVOLUTIONS = {
    "3 x 3 x 3 on 4 x 7 x 7": ((3, 3, 3), (4, 7, 7)),
    "3 x 3 x 3 on 2 x 7 x 7": ((3, 3, 3), (2, 7, 7)),
    "3 x 1 x 1 on 2 x 7 x 7": ((3, 1, 1), (2, 7, 7)),
    "5 x 1 x 1 on 3 x 7 x 7": ((5, 1, 1), (3, 7, 7)),
    "3 x 3 x 3 on 1 x 7 x 7": ((3, 3, 3), (1, 7, 7)),
}


def step_seconds(name: str, rounds: int) -> dict[str, list[float]]:
    """Seconds a clip of forward and backward, a list for each precision."""
    clips, frames, size = NETWORKS[name]
    network = build_model(name, 200, seed=0).to(memory_format=torch.channels_last_3d)
    video = torch.randn(clips, 3, frames, size, size).contiguous(memory_format=torch.channels_last_3d)
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for number in range(rounds + 1):
        for precision, taken in seconds.items():
            begin = time.perf_counter()
            with resolve_precision(precision, CPU).autocast():  # type: ignore[arg-type]
                out = network(video)
            out.float().square().mean().backward()
            if number:  # the first of each is not counted
                taken.append((time.perf_counter() - begin) / clips)
    return seconds


def gradient(conv: nn.Conv3d, video: Tensor, autocast: AbstractContextManager[object]) -> Tensor:
    """Of the weights, for a fixed gradient of the output."""
    conv.weight.grad = None
    with autocast:
        out = conv(video)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype))
    assert conv.weight.grad is not None
    return conv.weight.grad


def errors(kernel: tuple[int, ...], shape: tuple[int, ...]) -> tuple[float, float]:
    """Relative errors by plain autocast and by ours, of 64 channels."""
    padding = tuple(side // 2 for side in kernel)
    conv = nn.Conv3d(64, 64, kernel, padding=padding, bias=False)  # type: ignore[arg-type]
    video = torch.randn(8, 64, *shape, generator=torch.Generator().manual_seed(0))
    exact = gradient(conv, video, resolve_precision("fp32", CPU).autocast())
    plain, ours = torch.autocast("cpu", torch.bfloat16), resolve_precision("bf16", CPU).autocast()
    found = [gradient(conv, video, way).sub(exact).norm() / exact.norm() for way in (ours, plain)]
    return found[1].item(), found[0].item()


def all_errors() -> dict[str, tuple[float, float]]:
    """Of all convolutions of the table."""
    return {name: errors(*sizes) for name, sizes in CONVOLUTIONS.items()}


def without_amx() -> dict[str, tuple[float, float]]:
    """The same in a process that is held to what processors without matrix units have."""
    command = [sys.executable, "-m", "benchmarks.pretrain.precision", "--errors"]
    held = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
    done = subprocess.run(command, env=held, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, tuple[float, float]] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and write benchmarks/results/precision.md."""
    parser = command_line(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--errors", action="store_true", help="print errors as JSON, and measure nothing else")
    options = parser.parse_args()
    if options.errors:
        return print(json.dumps(all_errors()))
    torch.set_num_threads(options.threads)
    rows, data = [], {}
    for name in NETWORKS:
        seconds = step_seconds(name, options.rounds)
        data[name] = seconds
        ratios = [one / other for one, other in zip(seconds["fp32"], seconds["bf16"], strict=True)]
        rows.append([name, *(shown([1e3 * s for s in seconds[p]], 1) for p in ("fp32", "bf16")), shown(ratios, 2)])
    wrong = {"": all_errors(), "without AMX": without_amx()}
    found = {name: [wrong[way][name][kind] for kind in (0, 1) for way in wrong] for name in CONVOLUTIONS}
    lines = [f"| {name} | {' | '.join(f'{error:.2g}' for error in four)} |" for name, four in found.items()]
    notes = "\n".join(
        [
            f"{options.threads} threads, torch {torch.__version__}, native bfloat16: {computes_bf16()}.",
            "",
            "Relative error of the gradient of a convolution's weights. Where a kernel covers more frames than there",
            "are (but for one), plain autocast gives numbers from memory that nobody wrote:",
            "",
            "| kernel and what it sees | plain autocast | without AMX | as trained here | without AMX |",
            "|---|---|---|---|---|",
            *lines,
        ]
    )
    title = "Training steps on a CPU: float32 and bfloat16"
    header = ["network", "float32, ms a clip", "bfloat16, ms a clip", "times as fast"]
    write_beside("precision", title, header, rows, {"steps": data, "errors": wrong}, notes)


if __name__ == "__main__":
    main()
