"""SimCLR: the views of a batch are told from each other (Chen et al. 2020, arXiv 2002.05709)."""

from typing import Any

import torch
from torch import nn

from fractalvid.pretrain.engine import Outcome
from fractalvid.pretrain.machine import gather
from fractalvid.pretrain.objectives.config import SimCLRConfig
from fractalvid.pretrain.objectives.losses import nt_xent
from fractalvid.pretrain.objectives.two_views import TwoViews, mlp, outcome


class SimCLR(TwoViews):
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
        super().__init__(backbone, mlp(features, config.hidden or features, config.dim, norm=True))
        self.config = config

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch of two views; the same on all processes, which share their embeddings."""
        first, second = self.embed(torch.cat([batch.video, batch.video2])).chunk(2)
        loss = nt_xent(gather(first), gather(second), temperature=self.config.temperature)
        return outcome(loss, (first, second), first)
