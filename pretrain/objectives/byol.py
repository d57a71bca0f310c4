"""BYOL: each view predicts the momentum encoder's embedding of the other (Grill et al. 2020, arXiv 2006.07733)."""

from typing import Any

from torch import nn

from fractalvid.pretrain.engine import Outcome
from fractalvid.pretrain.objectives.config import BYOLConfig
from fractalvid.pretrain.objectives.losses import byol_regression
from fractalvid.pretrain.objectives.momentum import WithMomentumEncoder
from fractalvid.pretrain.objectives.two_views import mlp, outcome


class BYOL(WithMomentumEncoder):
    """Both views are predicted; each passes through the networks by itself, the first one first."""

    def __init__(self, backbone: nn.Module, features: int, config: BYOLConfig) -> None:
        """Put together the networks.

        Args:
            backbone: video (B, C, T, H, W) -> features (B, `features`).
            features: how many.
            config: the settings.
        """
        projector = mlp(features, config.hidden, config.dim, norm=True)
        super().__init__(backbone, projector, momentum=config.momentum, cosine=config.cosine)
        self.predictor = mlp(config.dim, config.hidden, config.dim, norm=True)

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch of two views: the sum of both directions, in 0..8."""
        projection, projection2 = self.embed(batch.video), self.embed(batch.video2)
        first, second = self.predictor(projection), self.predictor(projection2)
        first_target, second_target = self.follower(batch.video), self.follower(batch.video2)
        loss = byol_regression(first, second_target) + byol_regression(second, first_target)
        return outcome(loss, (first, second_target), projection)
