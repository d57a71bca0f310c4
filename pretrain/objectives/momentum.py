"""Networks that follow others slowly."""

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fractalvid.utils.errors import UserError


def check_momentum(name: str, momentum: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what no average has."""
    if not 0 <= momentum <= 1:
        raise UserError(f"{name} is {momentum}; it must lie between 0 (follows at once) and 1 (never follows)")


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


class Follower(nn.Module):
    """A copy of modules, one after another, whose parameters are moving averages of theirs.

    As in the originals, it normalises by its own batch, as they do, and has running statistics of its own.
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
