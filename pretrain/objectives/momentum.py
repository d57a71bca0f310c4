"""Momentum encoders: copies of networks whose parameters are moving averages of theirs."""

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fractalvid.pretrain.objectives.two_views import TwoViews


def momentum_at(step: int, total: int | None, base: float, *, cosine: bool) -> float:
    """The momentum after a step: `base`, or 1 - (1 - base) (cos(π step / total) + 1) / 2.

    The latter rises to 1 in half a cosine (Grill et al. 2020, arXiv 2006.07733, appendix J). While a budget in time is
    no number of steps yet, it is still `base`.

    Args:
        step: steps done.
        total: steps of the run, None where that is not known.
        base: where it begins.
        cosine: whether it rises.
    """
    if not cosine or total is None:
        return base
    return 1 - (1 - base) * (math.cos(math.pi * min(1.0, step / total)) + 1) / 2


class MomentumEncoder(nn.Module):
    """A copy of modules, one after another, whose parameters are moving averages of theirs.

    Its BatchNorm layers normalise by the batch, as those of the originals do, and have running statistics of their own.
    """

    def __init__(self, *leaders: nn.Module) -> None:
        """Start as they are."""
        super().__init__()
        self.network = copy.deepcopy(nn.Sequential(*leaders)).requires_grad_(False)

    @torch.no_grad()
    def forward(self, video: Tensor) -> Tensor:
        """What the copy makes of `video`, without gradient."""
        output: Tensor = self.network(video)
        return output

    @torch.no_grad()
    def follow(self, leaders: Iterable[nn.Module], momentum: float) -> None:
        """Keep `momentum` of its own parameters and take the rest from the leaders."""
        theirs = [parameter for leader in leaders for parameter in leader.parameters()]
        average = get_ema_multi_avg_fn(momentum)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        average(list(self.network.parameters()), theirs, None)


class WithMomentumEncoder(TwoViews):
    """A network, its projector, and a momentum encoder of both, whose embeddings are the targets.

    Attributes:
        follower: the momentum encoder, video (B, C, T, H, W) -> embeddings (B, D).
    """

    def __init__(self, backbone: nn.Module, projector: nn.Module, *, momentum: float, cosine: bool) -> None:
        """Put them together; the momentum encoder begins as a copy.

        Args:
            backbone: video (B, C, T, H, W) -> features (B, F).
            projector: features (B, F) -> embeddings (B, D).
            momentum: what the momentum encoder keeps of itself at each step.
            cosine: whether that rises to 1 in half a cosine.
        """
        super().__init__(backbone, projector)
        self.follower = MomentumEncoder(self.backbone, self.projector)
        self._momentum, self._cosine = momentum, cosine

    def after_step(self, step: int, total: int | None) -> None:
        """Move the momentum encoder towards network and projector."""
        momentum = momentum_at(step, total, self._momentum, cosine=self._cosine)
        self.follower.follow((self.backbone, self.projector), momentum)
