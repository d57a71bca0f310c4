"""Heads that learn motion, camera, optical flow and the order of layers, which `fractalvid.truth` knows.

What they predict is in units in which typical clips are about 1; targets are brought to these.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fractalvid.pretrain.objectives.auxiliary.head import Decoder, Head
from fractalvid.pretrain.objectives.auxiliary.losses import (
    camera_regression,
    charbonnier,
    end_point_error,
    motion_regression,
    order_entropy,
)
from fractalvid.pretrain.objectives.two_views import mlp
from fractalvid.truth import CAMERA, ORDER

MOTION_UNIT = 0.03
"""Of displacements of the whole figure, in shares of the frame a frame."""
CAMERA_UNITS = (0.01, 0.01, 0.02, 0.01, 0.2, 0.2)
"""Of `fractalvid.truth.CAMERA`."""
FLOW_UNIT = 0.05
"""Of optical flow, in shares of the frame a frame."""
WAVES = 4
"""Cosines over time that flow and order are the sums of."""


class MotionHead(Head):
    """Regresses direction and speed of the figure."""

    def __init__(self, channels: int, weight: float) -> None:
        """For maps of `channels` channels; `weight` is that of its loss."""
        super().__init__(weight)
        self.regress = mlp(channels, channels, 3, norm=False)

    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Smooth L1 and cosine; the log has the mean cosine of all velocities with the true ones."""
        target, moving = known(batch, "motion"), known(batch, "moving")
        motion = self.regress(maps.mean((2, 3, 4)))
        loss = motion_regression(motion, target / MOTION_UNIT, moving)
        cosine = F.cosine_similarity(motion[:, :2].detach().float(), target[:, :2], dim=1).mean()
        return loss, {"motion_loss": loss.detach(), "motion_cosine": cosine}


class CameraHead(Head):
    """Regresses what the camera does."""

    units: Tensor

    def __init__(self, channels: int, weight: float) -> None:
        """For maps of `channels` channels; `weight` is that of its loss."""
        super().__init__(weight)
        self.regress = mlp(channels, channels, len(CAMERA), norm=False)
        self.register_buffer("units", torch.tensor(CAMERA_UNITS), persistent=False)

    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Smooth L1; the log also has it in parts of what a camera at rest would get."""
        target = known(batch, "camera") / self.units
        loss = camera_regression(self.regress(maps.mean((2, 3, 4))), target)
        rest = camera_regression(torch.zeros_like(target), target)
        return loss, {"camera_loss": loss.detach(), "camera_error": loss.detach() / rest.clamp(min=1e-6)}


class FlowHead(Decoder):
    """Predicts the optical flow of what is in front, on a coarse grid."""

    def __init__(self, channels: int, weight: float) -> None:
        """For maps of `channels` channels; `weight` is that of its loss."""
        super().__init__(channels, weight, outputs=2, waves=WAVES)

    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Charbonnier's; the log also has the end-point error in parts of what no motion would get."""
        target, where = known(batch, "flow") / FLOW_UNIT, known(batch, "flow_known")
        flow = self.decode(maps, tuple(target.shape[2:]))
        loss = charbonnier(flow, target, where)
        error, rest = (end_point_error(values, target, where) for values in (flow, torch.zeros_like(target)))
        return loss, {"flow_loss": loss.detach(), "flow_error": error / rest.clamp(min=1e-6)}


class OrderHead(Decoder):
    """Tells which layer is in front, on the same grid."""

    def __init__(self, channels: int, weight: float) -> None:
        """For maps of `channels` channels; `weight` is that of its loss."""
        super().__init__(channels, weight, outputs=len(ORDER), waves=WAVES)

    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy; the log has the share of cells that are told."""
        front = known(batch, "front")
        logits = self.decode(maps, tuple(front.shape[1:]))
        loss = order_entropy(logits, front)
        told, where = logits.detach().argmax(1) == front, front >= 0
        accuracy = (told & where).sum() / where.sum().clamp(min=1)
        return loss, {"order_loss": loss.detach(), "order_accuracy": accuracy}


def known(batch: Any, name: str) -> Tensor:
    """What a batch knows by that name, a field of `fractalvid.truth.Truth`.

    Raises:
        ValueError: it doesn't.
    """
    found: Tensor | None = getattr(getattr(batch, "truth", None), name, None)
    if found is None:
        raise ValueError(f"this head needs batches that know their {name}: StreamConfig(truth=...)")
    return found
