"""Losses as pure functions: tensors in, a scalar out.

Embeddings are normalised here; whoever calls gives them as they are. Everything is computed in float32, whatever the
precision around it: a temperature of 0.07 magnifies the rounding of a similarity fourteen times.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    query: Tensor, key: Tensor, negatives: Tensor, *, temperature: float, usable: Tensor | None = None
) -> Tensor:
    """Tell the key of each query from negatives (van den Oord et al. 2018; He et al. 2020, arXiv 1911.05722, eq. 1).

    Args:
        query: float (B, D).
        key: float (B, D), the positive of each query.
        negatives: float (N, D), shared by all queries; N may be 0.
        temperature: divides cosines, above 0.
        usable: bool (B, N), False where a negative is none for a query; all are where None.

    Returns:
        The mean over queries, 0 for one that has no negatives.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_pairs(query, key)
    if negatives.ndim != 2 or negatives.shape[1] != query.shape[1]:
        raise ValueError(f"negatives must be (N, {query.shape[1]}), got {tuple(negatives.shape)}")
    if usable is not None and usable.shape != (len(query), len(negatives)):
        raise ValueError(f"usable must be {(len(query), len(negatives))}, got {tuple(usable.shape)}")
    with _full_precision(query):
        q, k, n = _unit(query), _unit(key), _unit(negatives)
        positive = (q * k).sum(1, keepdim=True)  # (B, 1)
        others = q @ n.T  # (B, N)
        if usable is not None:
            others = others.masked_fill(~usable, float("-inf"))
        logits = torch.cat([positive, others], dim=1) / temperature
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64, device=q.device))


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Tell the other view of each of 2 B embeddings from all the rest (Chen et al. 2020, arXiv 2002.05709, eq. 1).

    Args:
        first: float (B, D).
        second: float (B, D), the other view of each.
        temperature: divides cosines, above 0.

    Returns:
        The mean over all 2 B.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_pairs(first, second)
    with _full_precision(first):
        z = _unit(torch.cat([first, second]))  # (2 B, D)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        logits = (z @ z.T / temperature).masked_fill(itself, float("-inf"))
        other = torch.arange(len(z), device=z.device).roll(len(first))
        return F.cross_entropy(logits, other)


def byol_regression(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared distance of normalised vectors (B, D), 2 - 2 cos (Grill et al. 2020, arXiv 2006.07733, eq. 2).

    Returns:
        The mean over the batch, in 0..4.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_pairs(prediction, target)
    with _full_precision(prediction):
        return (_unit(prediction) - _unit(target)).square().sum(1).mean()


def mask_bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of foreground logits with shares of foreground in [0, 1], both (B, ...): the mean.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_masks(logits, target)
    return F.binary_cross_entropy_with_logits(logits.float(), target.float())


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - (2 Σ p t + 1) / (Σ p + Σ t + 1) for each clip, p the predicted foreground, t the shares of it, both (B, ...).

    Milletari et al. 2016 (arXiv 1606.04797), with plain sums below; one is added so that an empty mask has a gradient.

    Returns:
        The mean over the batch, in [0, 1].

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_masks(logits, target)
    p, t = logits.float().sigmoid().flatten(1), target.float().flatten(1)
    return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()


def curve_regression(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of vectors (B, P), over clips and components.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_pairs(prediction, target)
    return F.mse_loss(prediction.float(), target.float())


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """The mean cosine of pairs of vectors (B, D), without gradient: 1 where both views give the same."""
    with torch.no_grad(), _full_precision(first):
        return (_unit(first) * _unit(second)).sum(1).mean()


def spread(embedding: Tensor) -> Tensor:
    """How far embeddings (B, D) lie apart, without gradient: 0 where all are one, near 1 where all over the sphere.

    The standard deviation of the normalised components, times √D (Chen & He 2021, arXiv 2011.10566, section 4.1).
    """
    with torch.no_grad():
        z = _unit(embedding)
        return z.std(0, correction=0).mean() * math.sqrt(z.shape[1])


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x.float(), dim=1)


def _full_precision(x: Tensor) -> torch.autocast:
    """Inside, autocast is off: it would round the factors of a product."""
    return torch.autocast(x.device.type, enabled=False)


def _check_pairs(first: Tensor, second: Tensor) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"both must be (B, D), got {tuple(first.shape)} and {tuple(second.shape)}")


def _check_masks(logits: Tensor, target: Tensor) -> None:
    if logits.shape != target.shape:
        raise ValueError(f"logits and target differ in shape: {tuple(logits.shape)} and {tuple(target.shape)}")
