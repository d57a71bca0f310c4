"""The optimiser that a configuration asks for."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from fractalvid.pretrain.optim.config import OptimConfig


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
    # On a CPU fused is several times as fast as torch's own choice, which passes over the weights ten times.
    fused = True if all(p.device.type == "cpu" for p in trainable) else None
    return torch.optim.AdamW(groups, lr=0.0, betas=(config.momentum, config.beta2), fused=fused)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on from a saved `state`, on whatever device and in whatever layout it was saved.

    Raises:
        ValueError: it is of other parameters.
    """
    own = [group["fused"] for group in optimizer.param_groups]
    groups = [{**group, "fused": fused} for group, fused in zip(state["param_groups"], own, strict=False)]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            # Fused updates pair numbers by their place in memory, without a look at the layout (torch 2.15).
            if isinstance(value, Tensor) and value.ndim > 1:
                kept[name] = torch.empty_like(parameter).copy_(value)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group of `optimizer` the learning rate `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr
