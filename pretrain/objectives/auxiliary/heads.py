"""Auxiliary heads, which learn masks and curves beside any objective.

They see the feature maps of the network's last stage, taken from the main objective's own pass, and cost no second one.
They see those of first views only, since second views may run backwards in time.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine import Objective, Outcome
from fractalvid.pretrain.objectives.auxiliary.head import Decoder, Head
from fractalvid.pretrain.objectives.auxiliary.maps import Tap, as_clips
from fractalvid.pretrain.objectives.losses import curve_regression, dice, mask_bce
from fractalvid.pretrain.objectives.two_views import mlp

STRIDE = 4
"""Pixels a side that one place of the finest maps covers; targets are the shares of foreground in such squares."""


class MaskHead(Decoder):
    """A light decoder from maps to where the foreground is."""

    def __init__(self, channels: int, weight: float) -> None:
        """For maps of `channels` channels; `weight` is that of its loss."""
        super().__init__(channels, weight, outputs=1)

    def forward(self, maps: Tensor, frames: int, size: tuple[int, int]) -> Tensor:
        """Logits (B, T', H', W') of the foreground; T' is at most `frames`, H' and W' are at most `size` / `STRIDE`.

        Args:
            maps: (B, C, t, h, w).
            frames: T of the clips.
            size: H and W of the clips.
        """
        most = (frames, *(max(side // STRIDE, now) for side, now in zip(size, maps.shape[3:], strict=True)))
        return self.decode(maps, most)[:, 0]

    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy and Dice loss of the batch's masks, and what the log says.

        Raises:
            ValueError: the batch has no masks.
        """
        if batch.mask is None:
            raise ValueError("the mask head needs batches with masks: StreamConfig(masks=True)")
        frames, *size = batch.mask.shape[1:]
        logits = self(maps, frames, (size[0], size[1]))
        target = F.adaptive_avg_pool3d(batch.mask[:, None].float(), logits.shape[1:])[:, 0]
        loss = mask_bce(logits, target) + dice(logits, target)
        return loss, {"mask_loss": loss.detach(), "mask_iou": overlap(logits, target)}


class CurveHead(Head):
    """Regresses how the class moves from one keyframe to the other (`curves.curve_targets`)."""

    targets: Tensor

    def __init__(self, channels: int, weight: float, targets: Tensor) -> None:
        """For maps of `channels` channels; `targets` is float32 (K, P), `weight` that of its loss."""
        super().__init__(weight)
        self.regress = mlp(channels, channels, targets.shape[1], norm=False)
        self.register_buffer("targets", targets)

    def loss(self, maps: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the batch's curves: 1 is what their mean over the classes gets."""
        loss = curve_regression(self.regress(maps.mean((2, 3, 4))), self.targets[batch.target])
        return loss, {"curve_loss": loss.detach()}


class WithAuxiliary(Objective):
    """Another objective and the weighted losses of some heads."""

    def __init__(self, main: Objective, stage: nn.Module, heads: Mapping[str, Head]) -> None:
        """Put them together.

        Args:
            main: whose network is trained; the first clips that pass through it in `forward` are the first views.
            stage: the part of that network whose maps the heads see.
            heads: by name.
        """
        super().__init__()
        self.main = main
        self.heads = nn.ModuleDict(heads)
        self._tap = Tap()
        stage.register_forward_hook(self._tap)
        # Past nn.Module's bookkeeping: as a second submodule, its parameters would be saved twice.
        object.__setattr__(self, "backbone", main.backbone)

    def forward(self, batch: Any) -> Outcome:
        """The weighted sum of all losses of a batch."""
        self._tap.open()
        outcome = self.main(batch)
        maps = as_clips(self._tap.close()[0], batch.video.shape[2])[: len(batch.target)]
        loss, parts = outcome.loss, {"main_loss": outcome.loss.detach(), **outcome.parts}
        for head in self.heads.values():
            assert isinstance(head, Head)
            head_loss, head_parts = head.loss(maps, batch)
            loss = loss + head.weight * head_loss
            parts |= head_parts
        return Outcome(loss, outcome.logits, outcome.target, parts)

    def after_step(self, step: int, total: int | None) -> None:
        """What the main objective does."""
        self.main.after_step(step, total)


@torch.no_grad()
def overlap(logits: Tensor, target: Tensor) -> Tensor:
    """Mean intersection over union of predicted and true foregrounds (B, ...), both where above a half; 1 if empty."""
    p, t = (logits > 0).flatten(1), (target > 0.5).flatten(1)
    both, either = (p & t).sum(1), (p | t).sum(1)
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean()
