"""How good features are that were learned without labels: whether a clip's nearest neighbour is of its class."""

import dataclasses
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.core.bank import Bank, array_names
from fractalvid.pretrain.engine import Batch
from fractalvid.pretrain.monitors.features import features_of

CLIPS_A_CLASS = 4
"""Held-out clips of each class that are compared, where there are so many."""


def neighbour_metrics(backbone: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """The share `knn_top1` of clips whose nearest other clip, by cosine, is of the same class.

    Args:
        backbone: video (B, C, T, H, W) -> features (B, D); in evaluation mode, gradients off.
        batches: a finite sequence, with several processes this one's turns; where no class has two clips, there are no
            numbers.
    """
    features = features_of(backbone, batches)
    return {} if features is None else nearest_share(features.values, features.target)


def nearest_share(features: Tensor, target: Tensor) -> dict[str, float]:
    """`knn_top1` of features (N, D) of classes (N,); only clips whose class has another one are asked.

    Nothing where none has, or where there is one class, which every neighbour is of.
    """
    counts = torch.bincount(target)
    asked = counts[target] > 1
    if not asked.any() or (counts > 0).sum() < 2:
        return {}
    unit = F.normalize(features, dim=1)
    with torch.autocast(unit.device.type, enabled=False):
        cosine = (unit @ unit.T).fill_diagonal_(-2)
    right = target[cosine.argmax(1)] == target
    return {"knn_top1": float(right[asked].float().mean())}


def first_classes(bank: Bank, num_clips: int) -> Bank:
    """The first classes of a bank, at least two: as many as `num_clips` clips show `CLIPS_A_CLASS` times each."""
    count = min(len(bank), max(2, num_clips // CLIPS_A_CLASS))
    rows = {name: getattr(bank, name)[:count] for name in array_names(bank)}
    shorter: Bank = dataclasses.replace(bank, **rows)  # type: ignore[type-var]  # every bank is a dataclass
    return shorter
