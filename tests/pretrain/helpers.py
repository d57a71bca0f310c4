"""A small network and a source whose batches are functions of their index."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.checkpoint import load_card, load_tensors
from pretrain.engine import EngineConfig, TrainResult, train
from pretrain.models import build_model
from pretrain.optim import OptimConfig


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


def fit(out: Path, model: nn.Module | None = None, source: Any = None, **options: Any) -> TrainResult:
    """`train` with small settings; `steps` and other fields of `EngineConfig` by name."""
    names = EngineConfig.__dataclass_fields__
    config: dict[str, Any] = {
        "steps": 12,
        "log_every": 4,
        "val_every": 5,
        "checkpoint_every": 100,
        "tensorboard": False,
    }
    config |= {name: options.pop(name) for name in list(options) if name in names}
    if config.get("hours") is not None:
        config["steps"] = None
    return train(
        tiny() if model is None else model,
        Coloured() if source is None else source,
        config=EngineConfig(**config),
        optim=options.pop("optim", OptimConfig(lr=0.1)),
        batch_size=6,
        seed=options.pop("seed", 0),
        out=out,
        progress=False,
        **options,
    )


def equal_state(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def saved_model(path: Path) -> nn.Module:
    """The whole network, head included, of the weights at `path`."""
    card = load_card(path)
    model = build_model(card.architecture, card.num_classes, seed=0)
    model.load_state_dict(load_tensors(path))
    return model
