"""How well features of some clips name the classes of others: by the nearest neighbour, and by a linear probe.

Neither has settings to tune, or randomness.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

RIDGE = 1.0
"""The linear probe minimises |XW - Y|² + λ|W|², λ being this times √N, for N clips to learn from, features of unit
variance."""


def neighbour_share(known: Tensor, known_target: Tensor, asked: Tensor, target: Tensor) -> float:
    """Share of features (M, D) whose nearest of `known` (N, D), by cosine, is of their class."""
    cosine = F.normalize(asked, dim=1) @ F.normalize(known, dim=1).T
    return float((known_target[cosine.argmax(1)] == target).float().mean())


def linear_share(known: Tensor, known_target: Tensor, asked: Tensor, target: Tensor) -> float:
    """Share of features (M, D) that a ridge regression on the classes of `known` (N, D) names right.

    In closed form, in double precision, with λ = `RIDGE` √N.
    """
    mean, deviation = known.double().mean(0), known.double().std(0).clamp_min(1e-6)
    x, y = (known.double() - mean) / deviation, (asked.double() - mean) / deviation
    classes = int(max(known_target.max(), target.max())) + 1
    wanted = F.one_hot(known_target, classes).double()
    wanted -= wanted.mean(0)
    # The dual form, whose matrix is as large as there are clips: features may be many more.
    gram = x @ x.T + RIDGE * len(x) ** 0.5 * torch.eye(len(x), dtype=x.dtype, device=x.device)
    scores = (y @ x.T) @ torch.linalg.solve(gram, wanted)
    return float((scores.argmax(1) == target).float().mean())
