"""A toy problem: clips whose class is a channel's brightness, and a network of a few numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.finetune.generalise.objective import Generalising
from fractalvid.finetune.generalise.pool import Pixels
from fractalvid.pretrain.engine import LoopConfig, TrainConfig, TrainResult, train
from fractalvid.pretrain.optim import OptimConfig

PIXELS = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
BATCH, SHAPE = 4, (4, 3, 2, 6, 6)


class Small(nn.Module):
    """A convolution, BatchNorm and a linear head."""

    def __init__(self, classes: int = 3, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.maps = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU())
            self.fc = nn.Linear(4, classes)

    def forward(self, video: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.maps(video).mean((2, 3, 4)))
        return logits


def clips(number: int, count: int = BATCH, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Clips whose channel `target` is bright, in [-1, 1], and their classes."""
    generator = torch.Generator().manual_seed(number)
    target = torch.randint(0, classes, (count,), generator=generator)
    video = torch.rand(count, *SHAPE[1:], generator=generator) - 0.8
    for clip, label in enumerate(target.tolist()):
        video[clip, label] += 0.6
    return video, target


@dataclass
class Toy:
    """A source of toy batches, with tubes and clips of another domain."""

    start: int = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["next_index"]

    def __iter__(self) -> Iterator[DomainBatch]:
        while True:
            yield batch(self.start // BATCH)
            self.start += BATCH


def batch(number: int) -> DomainBatch:
    video, target = clips(number)
    others, _ = clips(1000 + number % 5)
    numbers = torch.arange(BATCH) + BATCH * (number % 5)
    tubes = torch.zeros(BATCH, *SHAPE[2:], dtype=torch.bool)
    tubes[..., :3] = True
    boxed = torch.tensor([True, True, True, False])
    return DomainBatch(video, target, BATCH * (number + 1), tubes, boxed, others, numbers)


def run(method: Method, out: Path, *, steps: int, every: int = 3, resume: bool = False) -> tuple[Small, TrainResult]:
    """Train the toy by a method."""
    network = Small()
    loop = LoopConfig(steps=steps, device="cpu", precision="fp32", checkpoint_every=1000, tensorboard=False)
    optim = OptimConfig(lr=0.1, final_lr=0.1, weight_decay=0.0, warmup=0.0)
    objective = Generalising(network, method, batch_size=BATCH, every=every)
    config = TrainConfig(loop, optim, BATCH)
    return network, train(objective, Toy(), config, out, resume=resume, progress=False)
