"""A training step from the live stream, against the same batches kept on the device."""

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torchvision.models.video import r3d_18

from benchmarks.common import part_of
from benchmarks.gpu.report import Report
from fractalvid.emulate.config import PRESETS, EmulationConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.kernels.cuda.cupy_device import CupyDevice
from fractalvid.stream import Batch, FractalStream, StreamConfig

BATCH, CLASSES, WARM_UP, STEPS = 64, 1000, 12, 40
NEEDED = 110
"""Seconds for a shape, most of which compiles the network."""
POOL = 256


def known_soon(preset: str) -> EmulationConfig:
    """A preset with fewer backgrounds, so that all are known after some batches, as in a longer run."""
    chosen = PRESETS[preset]
    return replace(chosen, background=replace(chosen.background, pool=POOL))


def training(report: Report, device: CupyDevice) -> None:
    """R3D-18 in bfloat16, channels last, compiled, with SGD: 8 x 112² and 16 x 112², plain and `paper`."""
    bank = ClassBank.sample(CLASSES, seed=0)
    for clip_len in (8, 16):
        if report.left < NEEDED:
            report.add(f"training at {clip_len} x 112²", "left out for want of time")
            continue
        step = Step()
        for preset in (None, "paper"):
            config = StreamConfig(
                clip_len=clip_len,
                frame_stride=1,
                mean=0.45,
                std=0.225,
                emulate=None if preset is None else known_soon(preset),
            )
            live = FractalStream(bank, batch_size=BATCH, config=config, seed=0, device=f"cuda:{device.index}")
            kept = list(itertools.islice(live, 8))
            # The stream once more at the end: what the first compiled, or clocks did meanwhile, is no difference then.
            cached, first, second = (
                step.milliseconds(batches) for batches in (itertools.cycle(kept), iter(live), iter(live))
            )
            again = step.milliseconds(itertools.cycle(kept))
            ratio = min(first, second) / min(cached, again)
            named = f"training step, {BATCH} x {clip_len} x 112², {preset or 'plain'}"
            report.add(
                f"{named}: ms from memory, twice; from the stream, twice; ratio",
                f"{cached:.1f}, {again:.1f}; {first:.1f}, {second:.1f}; {ratio:.3f}", "1.05",
                cached=[cached, again], live=[first, second], ratio=ratio,
            )  # fmt: skip


class Step:
    """A network and its optimiser."""

    def __init__(self) -> None:
        """Made from one seed."""
        torch.manual_seed(0)
        network = r3d_18(num_classes=CLASSES).cuda().to(memory_format=torch.channels_last_3d)
        self.network: nn.Module = network
        self.compiled: Any = torch.compile(network)
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def __call__(self, batch: Batch) -> None:
        """Forward, backward, update; waits for nothing."""
        video = batch.video.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cuda", torch.bfloat16):
            loss = nn.functional.cross_entropy(self.compiled(video), batch.target)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def milliseconds(self, batches: Iterable[Batch]) -> float:
        """Of a step, the median of three spans."""
        feed: Iterator[Batch] = iter(batches)
        for batch in itertools.islice(feed, WARM_UP):
            self(batch)
        spans = []
        for _ in range(3):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            for batch in itertools.islice(feed, STEPS):
                self(batch)
            torch.cuda.synchronize()
            spans.append((time.perf_counter() - begin) / STEPS * 1e3)
        return statistics.median(spans)


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu training", __doc__)


if __name__ == "__main__":
    main()
