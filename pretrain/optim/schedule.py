"""The learning rate of each step, as pure functions."""

import math

from fractalvid.pretrain.optim.config import OptimConfig

REFERENCE_BATCH = 32
"""`OptimConfig.lr` is given for this many clips a step."""


def scaled(lr: float, batch_size: int) -> float:
    """A learning rate given for 32 clips, for `batch_size` clips (linear rule, Goyal et al. 2017)."""
    return lr * batch_size / REFERENCE_BATCH


def lr_at(step: int, total: int, *, warmup: int, base: float, final: float) -> float:
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


def planned_lr(config: OptimConfig, batch_size: int, step: int, total: int) -> float:
    """Learning rate of one step of a run of `total` steps, of `batch_size` clips each."""
    base, final = scaled(config.lr, batch_size), scaled(config.last_lr, batch_size)
    return lr_at(step, total, warmup=warmup_steps(config, total), base=base, final=final)


def warmup_steps(config: OptimConfig, total: int) -> int:
    """Steps of warm-up in a run of `total` steps."""
    return round(config.warmup * total)
