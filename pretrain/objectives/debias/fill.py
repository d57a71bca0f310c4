"""Clips without their figures, where only masks say where these are."""

import torch
from torch import Tensor


def fill_figures(video: Tensor, mask: Tensor) -> Tensor:
    """A copy of video (B, C, T, H, W) with the mean colour of the rest of each clip where mask (B, T, H, W) is True.

    So Choi et al. (2019) mask people. The outline of the figure stays to be seen. A clip that is figure alone becomes
    0 everywhere.
    """
    rest = ~mask[:, None]
    count = rest.sum((2, 3, 4), keepdim=True).clamp(min=1)
    mean = (video * rest).sum((2, 3, 4), keepdim=True) / count
    return torch.where(rest, video, mean)
