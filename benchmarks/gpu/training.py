"""A training step of R3D-18 from the live stream, against the same batches kept in the device's memory.

In bfloat16, channels last, with SGD, and not compiled: that alone would take the time of this section.
"""

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import nn
from torchvision.models.video import r3d_18

from benchmarks.common import part_of
from benchmarks.gpu.clips import CLASSES, PLAIN, stream
from benchmarks.gpu.place import Place, begin
from benchmarks.gpu.report import Report
from fractalvid.stream import Batch

BATCH, WARM_UP, STEPS, SPANS, KEPT = 64, 12, 40, 3, 8
SHOWN = replace(PLAIN, mean=0.45, std=0.225)


def training(report: Report, index: int) -> None:
    """The section on a GPU."""
    measure(report, begin(report, index))


def measure(report: Report, place: Place) -> None:
    """`paper` first, then plain."""
    step = Step(place)
    for preset in ("paper", None):
        live = stream(place, SHOWN, preset, BATCH)
        kept = list(itertools.islice(live, KEPT))
        # Each a second time in the other order: what clocks did meanwhile is no difference then.
        cached, first = step.milliseconds(itertools.cycle(kept)), step.milliseconds(live)
        named = f"training step, {BATCH} x {SHOWN.clip_len} x {SHOWN.size}², {preset or 'plain'}: ms"
        report.add(f"{named} from memory; from the stream", f"{cached:.1f}; {first:.1f}", cached=cached, live=first)
        second, again = step.milliseconds(live), step.milliseconds(itertools.cycle(kept))
        ratio = min(first, second) / min(cached, again)
        report.add(
            f"{named} from memory, twice; from the stream, twice; ratio",
            f"{cached:.1f}, {again:.1f}; {first:.1f}, {second:.1f}; {ratio:.3f}", "1.05",
            cached=[cached, again], live=[first, second], ratio=ratio,
        )  # fmt: skip


class Step:
    """A network and its optimiser."""

    def __init__(self, place: Place) -> None:
        """Made from one seed."""
        torch.manual_seed(0)
        self.place = place
        self.network: nn.Module = r3d_18(num_classes=CLASSES)
        self.network.to(place.torch, memory_format=torch.channels_last_3d)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9)

    def __call__(self, batch: Batch) -> None:
        """Forward, backward, update; waits for nothing."""
        video = batch.video.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.place.torch.type, torch.bfloat16):
            loss = nn.functional.cross_entropy(self.network(video), batch.target)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def milliseconds(self, batches: Iterable[Batch]) -> float:
        """Of a step, the median of `SPANS` spans."""
        feed: Iterator[Batch] = iter(batches)
        for batch in itertools.islice(feed, WARM_UP):
            self(batch)
        return statistics.median(self._span(feed) for _ in range(SPANS))

    def _span(self, feed: Iterator[Batch]) -> float:
        self.place.wait()
        start = time.perf_counter()
        for batch in itertools.islice(feed, STEPS):
            self(batch)
        self.place.wait()
        return (time.perf_counter() - start) / STEPS * 1e3


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only training", __doc__)


if __name__ == "__main__":
    main()
