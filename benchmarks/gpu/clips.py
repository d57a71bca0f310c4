"""Clips a second of a stream that nothing else waits for, and the host's work for a batch; plain and emulated."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.common import part_of
from benchmarks.gpu.place import RUNS, Place, begin
from benchmarks.gpu.report import Report
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.stream import Batch, FractalStream, StreamConfig

CLASSES, POOL = 1000, 256
BATCH, BATCHES, WARM_UP = 64, 64, 1024
"""Clips a batch, batches that are measured, clips before them."""
PLAIN = StreamConfig(clip_len=8, size=112, frame_stride=1)
OTHERS = (
    (replace(PLAIN, clip_len=16), 64),
    (replace(PLAIN, clip_len=19, size=256, points=934_400), 8),
    (replace(PLAIN, colour=ColourConfig()), 64),
)
"""What else streams show, and clips a batch."""
CLIPS_GOAL, HOST_GOAL = "20000", "below 2"


def clips(report: Report, index: int) -> None:
    """The section of clips a second on a GPU."""
    measure_clips(report, begin(report, index))


def host(report: Report, index: int) -> None:
    """The section of the host's time on a GPU."""
    measure_host(report, begin(report, index))


def measure_clips(report: Report, place: Place) -> None:
    """Plain, then `paper`."""
    for preset, wanted in ((None, CLIPS_GOAL), ("paper", "")):
        add_clips(report, place, PLAIN, preset, BATCH, wanted)


def add_clips(
    report: Report, place: Place, config: StreamConfig, preset: str | None, batch: int, wanted: str = ""
) -> None:
    """Clips a second of a stream, and its row."""
    feed = iter(stream(place, config, preset, batch))
    _skip(feed, WARM_UP // batch)
    place.wait()
    start = time.perf_counter()
    _skip(feed, BATCHES)
    place.wait()
    rate = BATCHES * batch / (time.perf_counter() - start)
    report.add(f"{described(config, preset)}: clips/s in batches of {batch}", f"{rate:.0f}", wanted, clips=rate)


def measure_host(report: Report, place: Place) -> None:
    """Plain, then `paper`."""
    for preset in (None, "paper"):
        live = stream(place, PLAIN, preset, BATCH)
        renderer = live._renderer
        chunk = 1 if renderer is None else renderer.batches_at_once(BATCH, 1)
        feed = iter(live)
        _skip(feed, WARM_UP // BATCH)
        seconds = _host_seconds(feed, place, chunk)
        named = f"{described(PLAIN, preset)}: host's time a batch of {BATCH}, ms"
        report.add(named, f"{seconds * 1e3:.2f}", HOST_GOAL, ms=seconds * 1e3)


def stream(place: Place, config: StreamConfig, preset: str | None, batch: int) -> FractalStream:
    """A stream whose batches lie on the device."""
    emulate = None if preset is None else known_soon(preset)
    bank = ClassBank.sample(CLASSES, seed=0)
    return FractalStream(bank, batch_size=batch, config=config, seed=0, emulate=emulate, device=str(place.torch))


def known_soon(preset: str) -> EmulationConfig:
    """A preset with fewer backgrounds, so that all are known after some batches, as in a longer run."""
    chosen = PRESETS[preset]
    return replace(chosen, background=replace(chosen.background, pool=POOL))


def described(config: StreamConfig, preset: str | None) -> str:
    """A stream in words."""
    colour = "" if config.colour is None else ", colour"
    return f"{config.clip_len} x {config.size}², {config.points} points a frame{colour}, {preset or 'plain'}"


def _skip(feed: Iterator[Batch], count: int) -> None:
    for _ in range(count):
        next(feed)


def _host_seconds(feed: Iterator[Batch], place: Place, chunk: int) -> float:
    """Of this thread for a batch, where it never waits for room in the queue of launches: chunk by chunk."""
    spans = []
    for _ in range(RUNS):
        place.wait()
        start = time.thread_time()
        _skip(feed, chunk)
        spans.append((time.thread_time() - start) / chunk)
    return statistics.median(spans)


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only clips host", __doc__)


if __name__ == "__main__":
    main()
