"""Losses of what the generator knows of motion, as pure functions: tensors in, a scalar out, in float32.

Each is a mean over clips; one of which nothing is known counts as 0.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SLOW = 0.1
"""Displacements, in the unit of a prediction, below which a direction says nothing."""
SOFTNESS = 0.1
"""Errors of flow, in the unit of a prediction, below which its loss is quadratic."""


def charbonnier(flow: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """√(|e|² + ε²) - ε of errors e of flow where it is known (Bruhn et al. 2005, IJCV 61, with ε of `SOFTNESS`).

    Args:
        flow: float (B, 2, T, G, G).
        target: float (B, 2, T, G, G).
        known: bool (B, T, G, G).

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_same(flow, target)
    squared = (flow.float() - target.float()).square().sum(1)
    return _mean_known((squared + SOFTNESS**2).sqrt() - SOFTNESS, known)


def end_point_error(flow: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """The mean length of errors of flow where it is known, without gradient; arguments are those of `charbonnier`."""
    with torch.no_grad():
        _check_same(flow, target)
        return _mean_known((flow.float() - target.float()).norm(dim=1), known)


def motion_regression(motion: Tensor, target: Tensor, moving: Tensor) -> Tensor:
    """Smooth L1 of velocity and speed, and 1 - cos of the velocities' directions, where clips move.

    Args:
        motion: float (B, 3), velocity along x and y, and speed.
        target: float (B, 3); directions of velocities below `SLOW` don't count.
        moving: bool (B,).

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_same(motion, target)
    p, t = motion.float(), target.float()
    distance = F.smooth_l1_loss(p, t, reduction="none").mean(1)
    directed = moving & (t[:, :2].norm(dim=1) >= SLOW)
    turned = 1 - F.cosine_similarity(p[:, :2], t[:, :2], dim=1)
    loss: Tensor = (distance * moving + turned * directed).mean()
    return loss


def camera_regression(camera: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 of camera parameters (B, P), over clips and parameters.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check_same(camera, target)
    return F.smooth_l1_loss(camera.float(), target.float())


def order_entropy(logits: Tensor, front: Tensor) -> Tensor:
    """Cross-entropy of what is in front, where that is known.

    Args:
        logits: float (B, L, T, G, G).
        front: integers (B, T, G, G), below 0 where it is not known.

    Raises:
        ValueError: shapes that do not fit.
    """
    if logits[:, 0].shape != front.shape:
        raise ValueError(f"logits {tuple(logits.shape)} do not fit what is in front, {tuple(front.shape)}")
    known = front >= 0
    each = F.cross_entropy(logits.float(), front.long().clamp(min=0), reduction="none")
    return _mean_known(each, known)


def _mean_known(values: Tensor, known: Tensor) -> Tensor:
    """The mean over clips of the mean of values (B, ...) that are known."""
    if values.shape != known.shape:
        raise ValueError(f"what is known, {tuple(known.shape)}, does not fit values {tuple(values.shape)}")
    inside = known.flatten(1)
    return ((values.flatten(1) * inside).sum(1) / inside.sum(1).clamp(min=1)).mean()


def _check_same(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape:
        raise ValueError(f"prediction and target differ in shape: {tuple(one.shape)} and {tuple(other.shape)}")
