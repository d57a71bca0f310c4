"""Emulation: clips a second of every preset, and training from a stream against training from memory.

The network is the small one (`r3d_10`) at 8 x 112², in batches of 32. With one torch thread the stream has the other
core; with two, both compute on both. Training from memory uses the very same batches, made beforehand.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import tyro

from benchmarks.common import shown, spread, timed, write_beside
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.draw import pool_ids
from fractalvid.emulate.presets import PRESETS
from fractalvid.emulate.renderer import CpuRenderer
from fractalvid.fractals.bank import ClassBank
from fractalvid.kernels.compiled import available_cores
from fractalvid.pretrain.engine import LoopConfig, Prefetcher, Update
from fractalvid.pretrain.machine import resolve_device, resolve_precision
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.objectives import Supervised
from fractalvid.pretrain.optim import OptimConfig, build_optimizer
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.stream.render import render_samples

SEED = 0
CHOICES: dict[str, EmulationConfig | None] = {"plain": None} | {
    n: PRESETS[n] for n in ("light", "paper", "full", "scene")
}


@dataclass(frozen=True)
class Settings:
    """How long to measure."""

    classes: int = 1000
    batch_size: int = 32
    size: int = 112
    runs: int = 5
    """Timings of each preset; the median counts."""
    batches: int = 8
    """Batches a timing."""
    steps: int = 10
    """Steps of training a timing; each is repeated three times, from the stream and from memory in turn. 0 is none."""


def main() -> None:
    """Measure and write."""
    settings = tyro.cli(Settings, description=__doc__)
    bank = ClassBank.sample(settings.classes, seed=SEED)
    speeds = {name: _speeds(bank, name, settings) for name in CHOICES}
    plain = _median(speeds["plain"]["all"])
    header = ["preset", f"clips a second on {available_cores()} cores", "in those of plain", "CPU, ms a clip"]
    header += ["while backgrounds are still unknown"]
    rows = [
        [
            name,
            shown(found["all"], 0),
            f"{_median(found['all']) / plain:.2f}",
            shown(found["cpu"], 2),
            shown(found["unknown"], 0),
        ]
        for name, found in speeds.items()
    ]
    trained = {threads: _training(bank, threads, settings) for threads in (1, 2) if settings.steps}
    notes = []
    if trained:
        notes += ["Training the small network with the `paper` preset, median seconds a step (wait: share of it):", ""]
    for threads, found in trained.items():
        memory, stream = _median(found["memory"]), _median(found["stream"])
        notes.append(
            f"- torch threads {threads}: from memory {memory:.3f}, from the stream {stream:.3f} "
            f"(wait {_median(found['wait']):.1%}), ratio {stream / memory:.3f}"
        )
    data = {
        "presets": {name: {k: spread(v) for k, v in found.items()} for name, found in speeds.items()},
        "training": {str(t): {k: spread(v) for k, v in found.items()} for t, found in trained.items()},
    }
    title = f"Emulation: 8 x {settings.size}², batches of {settings.batch_size}; wanted: 150 clips/s of paper and scene"
    write_beside("emulate", title, header, rows, data, "\n".join(notes))


def _speeds(bank: ClassBank, name: str, settings: Settings) -> dict[str, list[float]]:
    """Clips a second, and CPU milliseconds a clip with one thread, once backgrounds are known, and before."""
    config = StreamConfig(size=settings.size, emulate=CHOICES[name])
    stream = FractalStream(bank, batch_size=settings.batch_size, seed=SEED, config=config)
    numbers = itertools.count()
    clips = settings.batches * settings.batch_size

    def some(renderer: CpuRenderer, threads: int | None) -> None:
        for _ in range(settings.batches):
            first = next(numbers) * settings.batch_size
            samples = stream.draw(np.arange(first, first + settings.batch_size))
            render_samples(bank, samples, config, next_index=0, threads=threads, renderer=renderer)

    pool = 0 if config.emulate is None else config.emulate.background.pool
    unknown = [clips / s for s in timed(lambda: some(CpuRenderer(bank, 0), None), 3)]
    renderer = CpuRenderer(bank, pool)
    if pool:
        renderer.fit(pool_ids(SEED, np.arange(pool), len(bank)), None)
    everything = [clips / s for s in timed(lambda: some(renderer, None), settings.runs)]
    cpu = []
    with _torch_threads(1):
        for _ in range(settings.runs):
            begin = time.process_time()
            some(renderer, 1)
            cpu.append((time.process_time() - begin) / clips * 1e3)
    return {"all": everything, "cpu": cpu, "unknown": unknown}


class _Kept:
    """Batches in memory, again and again."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def load_state_dict(self, state: dict[str, int]) -> None:
        """There is only one place to begin."""

    def __iter__(self) -> Iterator[Batch]:
        """For ever."""
        return itertools.cycle(self._batches)


def _training(bank: ClassBank, threads: int, settings: Settings) -> dict[str, list[float]]:
    """Seconds a step from memory and from the stream, in turn, and the share of the latter that was waiting."""
    config = StreamConfig(size=settings.size, emulate=CHOICES["paper"])
    found: dict[str, list[float]] = {"memory": [], "stream": [], "wait": []}
    with _torch_threads(threads):
        precision = resolve_precision("fp32", resolve_device("cpu"))
        model = build_model("r3d_10", len(bank), seed=SEED).train()
        parameters = list(model.parameters())
        optimizer = build_optimizer(OptimConfig(), model, parameters)
        update = Update(Supervised(model), parameters, optimizer, precision, LoopConfig(channels_last=True))
        stream = FractalStream(
            bank, batch_size=settings.batch_size, seed=SEED, config=config, threads=max(1, available_cores() - 1)
        )
        assert config.emulate is not None
        batches = list(itertools.islice(stream, settings.steps))
        for _ in range(3):
            seconds, _ = _steps(update, Prefetcher(_Kept(batches), 2), settings.steps)
            found["memory"].append(seconds)
            seconds, wait = _steps(update, Prefetcher(stream, 2), settings.steps)
            found["stream"].append(seconds)
            found["wait"].append(wait)
    return found


def _steps(update: Update, source: Prefetcher, count: int) -> tuple[float, float]:
    """Seconds a step, after two that are not counted, and the share of them that was waiting."""
    with source:
        for _ in range(2):
            update.step(next(source), 1e-4)
        begin, waited = time.perf_counter(), source.waited
        for _ in range(count):
            update.step(next(source), 1e-4)
        seconds = time.perf_counter() - begin
        return seconds / count, (source.waited - waited) / seconds


@contextmanager
def _torch_threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _median(values: list[float]) -> float:
    return spread(values)["median"]


if __name__ == "__main__":
    main()
