"""How parameters are updated, as a frozen dataclass."""

from dataclasses import dataclass
from typing import Literal

from fractalvid.utils.checks import check_at_most, check_fields
from fractalvid.utils.errors import UserError

LARGEST_RATE = 1e30
"""Beyond it, weights would be infinite after the first step."""


@dataclass(frozen=True)
class OptimConfig:
    """How parameters are updated; the defaults are those of the reference method (arXiv 2411.17584)."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """adamw, or sgd with momentum."""
    lr: float = 8e-4
    """Peak learning rate for 32 clips a step; scaled linearly with the batch size, that of all processes together."""
    weight_decay: float = 0.01
    """Decoupled (adamw) or classic (sgd) weight decay; never on norms and biases."""
    momentum: float = 0.9
    """Momentum of sgd, beta 1 of adamw."""
    classic_momentum: bool = False
    """With sgd: plain momentum, as in MoCo; without it, Nesterov's."""
    beta2: float = 0.999
    """Beta 2 of adamw."""
    warmup: float = 0.12
    """Share of all steps in which the learning rate rises linearly from 0 (the reference: 3 of 25 epochs)."""
    final_lr: float = 1e-5
    """Learning rate the cosine ends at, for 32 clips a step; scaled like lr. By default lr itself where that is
    smaller."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        if not self.lr > 0:
            raise UserError(f"lr is {self.lr}; it must be above 0 (the default is 8e-4 for 32 clips)")
        if not 0 <= self.last_lr <= self.lr:
            raise UserError(f"final-lr is {self.final_lr}; it must lie between 0 and lr ({self.lr})")
        if not 0 <= self.warmup < 1:
            raise UserError(f"warmup is {self.warmup}; it is a share of the steps, at least 0 and below 1")
        if not self.weight_decay >= 0:
            raise UserError(f"weight-decay is {self.weight_decay}; it must be 0 or more")
        if not (0 <= self.momentum < 1 and 0 <= self.beta2 < 1):
            raise UserError(f"momentum ({self.momentum}) and beta2 ({self.beta2}) must be in [0, 1)")
        check_at_most(self, dict.fromkeys(("lr", "final_lr", "weight_decay"), LARGEST_RATE))

    @property
    def last_lr(self) -> float:
        """`final_lr`, or, where that was left at its default, the smaller of it and `lr`."""
        return min(self.final_lr, self.lr) if self.final_lr == OptimConfig.final_lr else self.final_lr
