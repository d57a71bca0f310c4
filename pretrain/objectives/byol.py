"""BYOL: each view predicts what a slow network makes of the other (Grill et al. 2020, arXiv 2006.07733)."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.objectives.checks import check_size
from fractalvid.pretrain.objectives.losses import agreement, byol_regression, spread
from fractalvid.pretrain.objectives.momentum import Follower, check_momentum, momentum_at
from fractalvid.pretrain.objectives.projector import mlp


@dataclass(frozen=True)
class BYOLConfig:
    """BYOL; the defaults are the reference method's (arXiv 2411.17584)."""

    momentum: float = 0.997
    """What the target network keeps of itself at each step."""
    cosine: bool = True
    """Let the momentum rise to 1 in half a cosine."""
    dim: int = 256
    """Components of projections."""
    hidden: int = 1024
    """Width of the hidden layers of projector and predictor."""

    def check(self) -> None:
        """Raise a `UserError` for values no run can use."""
        check_momentum("byol.momentum", self.momentum)
        check_size("byol.dim", self.dim)
        check_size("byol.hidden", self.hidden)


class BYOL(Objective):
    """Both views are predicted; each passes through the networks by itself, the first one first."""

    def __init__(self, backbone: nn.Module, features: int, config: BYOLConfig) -> None:
        """Put together the networks.

        Args:
            backbone: video (B, C, T, H, W) -> features (B, `features`).
            features: how many.
            config: the settings.
        """
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.projector = mlp(features, config.hidden, config.dim, norm=True)
        self.predictor = mlp(config.dim, config.hidden, config.dim, norm=True)
        self.follower = Follower(self.backbone, self.projector)

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch of two views: the sum of both directions, in 0..8."""
        views = (batch.video, batch.video2)
        projections = [self.projector(self.backbone(video)) for video in views]
        first, second = (self.predictor(projection) for projection in projections)
        first_target, second_target = (self.follower(video) for video in views)
        loss = byol_regression(first, second_target) + byol_regression(second, first_target)
        parts = {"agreement": agreement(first, second_target), "spread": spread(projections[0])}
        return Outcome(loss, parts=parts)

    def after_step(self, step: int, total: int | None) -> None:
        """Let the target network follow."""
        momentum = momentum_at(step, total, self.config.momentum, cosine=self.config.cosine)
        self.follower.follow((self.backbone, self.projector), momentum)
