"""Numbers that say how well a network classifies."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine.batches import Batch, to_device
from fractalvid.pretrain.machine.distributed import in_turns, total

Validate = Callable[[nn.Module], dict[str, float]]
"""The network, in evaluation mode -> named numbers."""


@dataclass(frozen=True)
class Shared:
    """A validation that all processes take part in, each with its share of the clips, and that gives all the same.

    The loop calls it on every process, and any other validation on the main one alone.
    """

    measure: Validate

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Measure this process's share; what all have found together."""
        return self.measure(network)


def classification_metrics(model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """Mean cross-entropy `loss` and the shares `top1` and `top5` over all clips of `batches`.

    Args:
        model: video (B, C, T, H, W) -> logits (B, K); in evaluation mode, gradients off.
        batches: a finite sequence, with several processes this one's share; empty on all gives no numbers. With fewer
            than 5 classes top5 is 1.
    """
    device = next(model.parameters()).device
    sums = torch.zeros(4, dtype=torch.float64, device=device)
    for batch in batches:
        moved: Batch = to_device(batch, device)
        logits = model(moved.video).float()
        ranked = logits.topk(min(5, logits.shape[1])).indices == moved.target[:, None]  # (B, 5)
        loss = F.cross_entropy(logits, moved.target, reduction="sum")
        clips = torch.tensor(len(moved.target), device=device)
        sums += torch.stack([loss.double(), ranked[:, 0].sum(), ranked.sum(), clips])
    loss_sum, top1, top5, number = total(sums).tolist()
    return {"loss": loss_sum / number, "top1": top1 / number, "top5": top5 / number} if number else {}


def features_of(network: nn.Module, batches: Iterable[Batch]) -> tuple[Tensor, Tensor] | None:
    """What a network makes of all clips, and their classes: float32 (N, D) and int64 (N,); None where there are none.

    Args:
        network: video (B, C, T, H, W) -> features (B, D); in evaluation mode, gradients off.
        batches: a finite sequence; with several processes, of all batches in order this one's turns. Everyone gets the
            features of all, in the order of the clips.
    """
    device = next(network.parameters()).device
    found: list[tuple[Tensor, Tensor]] = []
    for batch in batches:
        moved: Batch = to_device(batch, device)
        found.append((network(moved.video).float(), moved.target))
    everyone = in_turns(found)
    return (torch.cat([pair[0] for pair in everyone]), torch.cat([pair[1] for pair in everyone])) if everyone else None
