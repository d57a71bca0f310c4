"""SimCLR: the views of a batch are told from each other (Chen et al. 2020, arXiv 2002.05709)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.machine.distributed import gather
from fractalvid.pretrain.objectives.checks import check_size, check_temperature
from fractalvid.pretrain.objectives.losses import agreement, nt_xent, spread
from fractalvid.pretrain.objectives.projector import mlp


@dataclass(frozen=True)
class SimCLRConfig:
    """SimCLR; the temperature is the reference method's (arXiv 2411.17584), the rest the original's."""

    temperature: float = 0.1
    """Divides cosines."""
    dim: int = 128
    """Components of embeddings."""
    hidden: int | None = None
    """Width of the projector's hidden layer; as many as the network has features if not given."""

    def check(self) -> None:
        """Raise a `UserError` for values no run can use."""
        check_temperature("simclr.temperature", self.temperature)
        check_size("simclr.dim", self.dim)
        check_size("simclr.hidden", self.hidden)


class SimCLR(Objective):
    """Both views pass through the network together, the first views first; negatives are those of all processes.

    They are those of one forward pass: where a step takes its clips in parts, each part has fewer of them.
    """

    def __init__(self, backbone: nn.Module, features: int, config: SimCLRConfig) -> None:
        """Put together the networks.

        Args:
            backbone: video (B, C, T, H, W) -> features (B, `features`).
            features: how many.
            config: the settings.
        """
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.projector = mlp(features, config.hidden or features, config.dim, norm=True)

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch of two views; the same on all processes, which share their embeddings."""
        both = self.projector(self.backbone(torch.cat([batch.video, batch.video2])))
        first, second = both.chunk(2)
        loss = nt_xent(gather(first), gather(second), temperature=self.config.temperature)
        return Outcome(loss, parts={"agreement": agreement(first, second), "spread": spread(first)})
