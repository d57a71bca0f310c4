"""A small network, a source whose batches are functions of their index, and the command with small settings."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.config import LoopConfig, TrainConfig
from fractalvid.pretrain.engine.loop import TrainResult
from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.engine.training import train
from fractalvid.pretrain.objectives.config import SupervisedConfig
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.pretrain.weights.loading import load_network


@dataclass(frozen=True)
class Clips:
    video: Tensor
    target: Tensor
    next_index: int


class Tiny(nn.Module):
    """Conv, BatchNorm, dropout, head: everything a resume has to get right, in a thousand parameters."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1, bias=False), nn.BatchNorm3d(8), nn.ReLU())
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(8, classes)

    def forward(self, video: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(self.stem(video).mean((2, 3, 4))))
        return logits


def tiny(seed: int = 0) -> Tiny:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Tiny()


class Coloured:
    """Class k: channel k is brightest. `broken`: these indices hold NaN; `length`: where it ends."""

    def __init__(
        self,
        *,
        batch_size: int = 6,
        broken: frozenset[int] = frozenset(),
        length: int = 10**9,
        fixed: bool = False,
    ) -> None:
        self.batch_size, self.broken, self.length, self.fixed = batch_size, broken, length, fixed
        self.start = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["next_index"]

    def __iter__(self) -> Iterator[Clips]:
        for index in range(self.start, self.length):
            yield self.batch(0 if self.fixed else index, index + 1)

    def batch(self, index: int, next_index: int) -> Clips:
        generator = torch.Generator().manual_seed(index)
        target = torch.arange(self.batch_size) % 3
        video = torch.rand(self.batch_size, 3, 2, 4, 4, generator=generator)
        video[torch.arange(self.batch_size), target] += 0.5
        if index in self.broken:
            video[0, 0, 0, 0, 0] = float("nan")
        return Clips(video, target, next_index)


class Plain(nn.Module):
    """A network without BatchNorm and dropout, for which parts of a batch give what the whole batch does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU())
        self.fc = nn.Linear(8, 3)

    def forward(self, video: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.stem(video).mean((2, 3, 4)))
        return logits


def plain(seed: int = 0) -> Plain:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Plain()


class Shares:
    """Clips that are functions of their number, dealt out as `FractalStream` does. `broken`: these hold NaN."""

    def __init__(
        self, batch_size: int, *, rank: int = 0, world_size: int = 1, broken: frozenset[int] = frozenset()
    ) -> None:
        self.batch_size, self.rank, self.world_size, self.broken = batch_size, rank, world_size, broken
        self.start = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["next_index"]

    def __iter__(self) -> Iterator[Clips]:
        total = self.batch_size * self.world_size
        assert self.start % total == 0
        number = self.start // total
        while True:
            first = number * total + self.rank * self.batch_size
            yield self.batch(range(first, first + self.batch_size), (number + 1) * total)
            number += 1

    def batch(self, numbers: range, next_index: int) -> Clips:
        clips = [torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(number)) for number in numbers]
        video, target = torch.stack(clips), torch.tensor([number % 3 for number in numbers])
        video[torch.arange(len(target)), target] += 0.5
        for row, number in enumerate(numbers):
            if number in self.broken:
                video[row] = float("nan")
        return Clips(video, target, next_index)


def fit(out: Path, model: nn.Module | None = None, source: Any = None, **options: Any) -> TrainResult:
    """`train` a network or an objective with small settings; fields of the engine and supervised configs by name."""
    names = LoopConfig.__dataclass_fields__
    config: dict[str, Any] = {
        "steps": 12,
        "log_every": 4,
        "val_every": 5,
        "checkpoint_every": 100,
        "tensorboard": False,
        "precision": "fp32",  # the same on every processor
    }
    config |= {name: options.pop(name) for name in list(options) if name in names}
    if config.get("hours") is not None:
        config["steps"] = None
    labels = SupervisedConfig(**{f.name: options.pop(f.name) for f in fields(SupervisedConfig) if f.name in options})
    objective, seed = model, options.pop("seed", 0)
    if not isinstance(objective, Objective):
        objective = Supervised(tiny() if objective is None else objective, labels, seed=seed)
    training = TrainConfig(
        loop=LoopConfig(**config),
        optim=options.pop("optim", OptimConfig(lr=0.1)),
        batch_size=options.pop("batch_size", 6),
        seed=seed,
    )
    return train(objective, Coloured() if source is None else source, training, out, progress=False, **options)


class Dawdling(Coloured):
    """Clips that take a moment each, so that a run lasts longer than it takes to kill it."""

    def batch(self, index: int, next_index: int) -> Clips:
        time.sleep(0.003)
        return super().batch(index, next_index)


def dawdle(out: Path, steps: int) -> None:
    """A run with everything that has a state, or what there is of it gone on with."""
    fit(out, source=Dawdling(), steps=steps, checkpoint_every=3, ema=0.9, mixup=0.3, resume=True)


def equal_state(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def saved_model(path: Path) -> nn.Module:
    """The whole network, head included, of the weights at `path`."""
    return load_network(path)


SMALL = [
    *("--arch", "r3d_10", "--classes", "3", "--batch-size", "4", "--clip-len", "4", "--frame-stride", "2"),
    *("--size", "32", "--points", "2000", "--val-clips", "6", "--device", "cpu", "--threads", "1"),
    *("--no-tensorboard", "--no-progress"),
]


def run(out: Path, *options: str) -> int:
    """Run `pretrain` with small settings; the exit code."""
    return main([*SMALL, "--out", str(out), *options])
