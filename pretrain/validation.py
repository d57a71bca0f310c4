"""Numbers that say how well a network classifies."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

from pretrain.prefetch import Batch, to_device


def classification_metrics(model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """Mean cross-entropy `loss` and the shares `top1` and `top5` over all clips of `batches`.

    Args:
        model: video (B, C, T, H, W) -> logits (B, K); in evaluation mode, gradients off.
        batches: a finite sequence; empty gives no numbers. With fewer than 5 classes top5 is 1.
    """
    device = next(model.parameters()).device
    clips = 0
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    for batch in batches:
        moved: Batch = to_device(batch, device)
        logits = model(moved.video).float()
        ranked = logits.topk(min(5, logits.shape[1])).indices == moved.target[:, None]  # (B, 5)
        loss = F.cross_entropy(logits, moved.target, reduction="sum")
        sums += torch.stack([loss.double(), ranked[:, 0].sum().double(), ranked.sum().double()])
        clips += len(moved.target)
    if not clips:
        return {}
    loss_mean, top1, top5 = (sums / clips).tolist()
    return {"loss": loss_mean, "top1": top1, "top5": top5}
