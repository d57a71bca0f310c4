"""Numbers that say how well a network classifies."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

from fractalvid.pretrain.engine import Batch, to_device
from fractalvid.pretrain.machine import total


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
