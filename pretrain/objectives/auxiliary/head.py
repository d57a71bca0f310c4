"""What heads have in common: a weight, a loss, and for those that learn maps a light decoder."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 32, 32, 16)
"""Channels of a decoder: at first, and after each doubling of the maps' sides."""


class Head(nn.Module, ABC):
    """Learns something that the generator knows from the feature maps of a clip; `weight` is that of its loss."""

    def __init__(self, weight: float) -> None:
        """See the class."""
        super().__init__()
        self.weight = weight

    @abstractmethod
    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of maps (B, C, t, h, w) of a batch, and what the log says.

        Raises:
            ValueError: the batch doesn't have what is to be learned.
        """


class Decoder(Head):
    """A head with a light decoder: up to three doublings of the maps' sides."""

    def __init__(self, channels: int, weight: float, outputs: int, waves: int = 1) -> None:
        """For maps of `channels` channels.

        Args:
            channels: of the maps.
            weight: of the loss.
            outputs: values at each place.
            waves: cosines over time that each value is the sum of, 1 for none: the last maps of a network may have
                no more than one place in time, and predict each frame all the same.
        """
        super().__init__(weight)
        self.reduce = nn.Conv3d(channels, WIDTHS[0], kernel_size=1)
        self.convs = nn.ModuleList(nn.Conv3d(a, b, kernel_size=3, padding=1) for a, b in pairwise(WIDTHS))
        self.predict = nn.Conv3d(WIDTHS[-1], outputs * waves, kernel_size=1)
        self.waves = waves

    def decode(self, maps: Tensor, most: tuple[int, ...]) -> Tensor:
        """Values (B, outputs, T', H', W') from maps (B, C, t, h, w); with `waves`, they are of the size `most`.

        Args:
            maps: of a clip.
            most: frames, rows and columns that there are at most.
        """
        x = F.relu(self.reduce(maps))
        for conv in self.convs:
            doubled = [min(2 * now, end) for now, end in zip(x.shape[2:], most, strict=True)]
            x = F.relu(conv(F.interpolate(x, size=doubled, mode="trilinear")))
        values: Tensor = self.predict(x)
        if self.waves == 1:
            return values
        values = F.interpolate(values, size=most, mode="trilinear")
        values = values.reshape(len(values), -1, self.waves, *most)
        time = (torch.arange(most[0], device=values.device) + 0.5) * (math.pi / most[0])
        cosines = torch.cos(torch.arange(self.waves, device=values.device)[:, None] * time)
        return (values * cosines[:, :, None, None].to(values.dtype)).sum(2)
