"""A toy problem: points of which most of what varies is another in each view, and the rest tells the class."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine.objective import Objective

CLASSES = 8
SHAPE = (3, 2, 4, 4)
"""C, T, H and W of a toy clip: 96 numbers."""
FEATURES = 16
_INSTANCES = 0.6


@dataclass(frozen=True)
class Pairs:
    """A batch of two views."""

    video: Tensor
    video2: Tensor
    target: Tensor
    clip_id: Tensor
    next_index: int = 0
    mask: Tensor | None = None


def pairs(seed: int, number: int = 64) -> Pairs:
    """`number` instances: a view is its class's point, a little of its own, and ten strong directions drawn anew."""
    fixed, drawn = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1000 + seed)
    points = torch.randn(CLASSES, 96, generator=fixed)
    nuisance = torch.randn(10, 96, generator=fixed)
    target = torch.randint(CLASSES, (number,), generator=drawn)
    own = points[target] + _INSTANCES * torch.randn(number, 96, generator=drawn)
    first, second = (own + torch.randn(number, 10, generator=drawn) @ nuisance for _ in range(2))
    instance = torch.arange(number) + number * seed
    clip_id = torch.stack([target, instance], dim=1)
    return Pairs(first.reshape(number, *SHAPE), second.reshape(number, *SHAPE), target, clip_id, seed + 1)


class Toy(nn.Module):
    """Toy clips to features (B, 16), with a BatchNorm as networks have them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(96, 64), nn.BatchNorm1d(64), nn.ReLU())
        self.last = nn.Linear(64, FEATURES)

    def forward(self, video: Tensor) -> Tensor:
        features: Tensor = self.last(self.layers(video))
        return features


def toy(seed: int = 0) -> Toy:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Toy()


class Endless:
    """Toy batches for the engine, one a step."""

    def __init__(self) -> None:
        self.start = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["next_index"]

    def __iter__(self) -> Iterator[Pairs]:
        return (pairs(index, 6) for index in count(self.start))


def learn(objective: Objective, steps: int, lr: float = 3e-3) -> list[float]:
    """Train on the toy problem; the losses."""
    objective.train()
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=lr)
    losses = []
    for step in range(steps):
        outcome = objective(pairs(step))
        optimizer.zero_grad()
        outcome.loss.backward()
        optimizer.step()
        objective.after_step(step + 1, steps)
        losses.append(outcome.loss.item())
    return losses


@torch.no_grad()
def separation(backbone: nn.Module) -> float:
    """How much larger cosines of features are within classes than between them, on clips that were not trained on."""
    batch = pairs(10**6, 256)
    unit = F.normalize(backbone.eval()(batch.video), dim=1)
    cosine = unit @ unit.T
    same = batch.target[:, None] == batch.target
    itself = torch.eye(len(unit), dtype=torch.bool)
    return float(cosine[same & ~itself].mean() - cosine[~same].mean())
