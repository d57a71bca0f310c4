"""Pointwise operations as tables of 256 entries: composed first, applied to the pixels once.

A table is uint8 (B, C or 1, T or 1, 256): one a clip, or one for each of its channels, of its frames, or both.
"""

import torch
from torch import Tensor


def identity_tables(count: int, channels: int, device: torch.device) -> Tensor:
    """Tables (B, C, 1, 256) that change nothing."""
    return torch.arange(256, dtype=torch.uint8, device=device).repeat(count, channels, 1, 1)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """The tables of `second` after `first`, which has at least its channels and frames."""
    return second.expand_as(first).gather(-1, first.long())


def look_up(video: Tensor, tables: Tensor) -> Tensor:
    """Apply tables (B, C or 1, T or 1, 256) to uint8 (B, C, T, H, W)."""
    begin = 256 * torch.arange(tables.numel() // 256, dtype=torch.int32, device=video.device)
    place = video.int().add_(begin.view(*tables.shape[:3], 1, 1))
    return tables.reshape(-1).index_select(0, place.view(-1)).view(video.shape)


def histogram(video: Tensor) -> Tensor:
    """How many pixels of each clip and channel have each value: int64 (B, C, 1, 256) of uint8 (B, C, T, H, W)."""
    count, channels = video.shape[:2]
    if video.device.type != "cpu":
        return _counted_by_column(video)
    begin = 256 * torch.arange(count * channels, dtype=torch.int32, device=video.device)
    place = video.int().add_(begin.view(count, channels, 1, 1, 1))
    return torch.bincount(place.view(-1), minlength=256 * count * channels).view(count, channels, 1, 256)


def _counted_by_column(video: Tensor) -> Tensor:
    """The same on a GPU, where `bincount` waits for the largest value.

    Each column of pixels has counters of its own: most pixels of a clip are black, and would queue for one of them.
    """
    count, channels, _, _, width = video.shape
    begin = 256 * torch.arange(count * channels * width, device=video.device).view(count, channels, 1, 1, width)
    place = video.long().add_(begin).view(-1)
    counts = torch.zeros(begin.numel() * 256, dtype=torch.int32, device=video.device)
    counts.scatter_add_(0, place, torch.ones((), dtype=torch.int32, device=video.device).expand_as(place))
    return counts.view(count, channels, width, 256).sum(dim=2, keepdim=True)


def moved(counts: Tensor, tables: Tensor) -> Tensor:
    """The histogram of clips to which tables have been applied, from their histogram before: exactly."""
    return torch.zeros_like(counts).scatter_add_(-1, tables.expand(counts.shape).long(), counts)
