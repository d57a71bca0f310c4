"""Optimiser and learning-rate schedule, as pure functions of a frozen configuration."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from fractalvid.utils.errors import UserError

REFERENCE_BATCH = 32
"""`OptimConfig.lr` is given for this many clips a step."""


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

    def check(self) -> None:
        """Raise a `UserError` for values no run can use."""
        if self.optimizer not in ("adamw", "sgd"):
            raise UserError(f"optimizer is {self.optimizer!r}; it can be adamw or sgd")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise UserError(f"lr is {self.lr}; it must be above 0 (the default is 8e-4 for 32 clips)")
        if not 0 <= self.last_lr <= self.lr:
            raise UserError(f"final-lr is {self.final_lr}; it must lie between 0 and lr ({self.lr})")
        if not 0 <= self.warmup < 1:
            raise UserError(f"warmup is {self.warmup}; it is a share of the steps, at least 0 and below 1")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise UserError(f"weight-decay is {self.weight_decay}; it must be 0 or more")
        if not (0 <= self.momentum < 1 and 0 <= self.beta2 < 1):
            raise UserError(f"momentum ({self.momentum}) and beta2 ({self.beta2}) must be in [0, 1)")

    @property
    def last_lr(self) -> float:
        """`final_lr`, or, where that was left at its default, the smaller of it and `lr`."""
        return min(self.final_lr, self.lr) if self.final_lr == OptimConfig.final_lr else self.final_lr


def scaled(lr: float, batch_size: int) -> float:
    """A learning rate given for 32 clips, for `batch_size` clips (linear rule, Goyal et al. 2017)."""
    return lr * batch_size / REFERENCE_BATCH


def lr_at(step: int, total: int, warmup: int, base: float, final: float) -> float:
    """Learning rate of one step: linear warm-up, then half a cosine (Loshchilov & Hutter 2017).

    Args:
        step: 0 .. total - 1.
        total: number of steps.
        warmup: steps of warm-up; the last of them has the full rate, the first a share 1 / warmup of it.
        base: the peak.
        final: the rate of the last step.
    """
    if step < warmup:
        return base * (step + 1) / warmup
    progress = min(1.0, (step - warmup + 1) / max(1, total - warmup))
    return final + (base - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def warmup_steps(config: OptimConfig, total: int) -> int:
    """Steps of warm-up in a run of `total` steps."""
    return round(config.warmup * total)


def param_groups(model: nn.Module, trainable: Collection[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters of `model` in two groups: those that decay, and those that never do.

    Parameters of one dimension (norms, biases) are not decayed. The order is the model's, so that a saved
    optimiser state fits again.
    """
    chosen = {id(p) for p in trainable}
    params = [p for p in model.parameters() if id(p) in chosen]
    groups = [
        {"params": [p for p in params if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(
    config: OptimConfig, model: nn.Module, trainable: Collection[nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimiser of `trainable`, its learning rate still 0: `set_lr` gives it one before every step."""
    groups = param_groups(model, trainable, config.weight_decay)
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0 and not config.classic_momentum
        return torch.optim.SGD(groups, lr=0.0, momentum=config.momentum, nesterov=nesterov)
    return torch.optim.AdamW(groups, lr=0.0, betas=(config.momentum, config.beta2))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group of `optimizer` the learning rate `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr
