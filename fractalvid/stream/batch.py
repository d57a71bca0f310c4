"""A batch of clips, as a network takes it."""

from dataclasses import dataclass, replace
from typing import Any

import torch


@dataclass(frozen=True)
class Batch:
    """B clips on their way into a network.

    Attributes:
        video: float32 (B, C, T, H, W), in [0, 1], or normalised where mean and std are given.
        target: int64 (B,), the class.
        clip_id: int64 (B, 2), class id and instance id.
        next_index: the value for `load_state_dict` once this batch has been used.
        mask: bool (B, T, H, W), True where the grey clip is above 0, also where it was emulated: the foreground, seen
            by the camera; None unless asked for.
        background_id: int64 (B, 2, 2), class and instance of both stills that are joined behind a clip, of a background
            that moves twice, -1 where there is none; None unless clips are emulated. Of the first view.
        video2: like `video`, another view of the same instances (`stream.second_view`); None unless two are asked for.
        mask2: the mask of `video2`, where masks are asked for.
    """

    video: torch.Tensor
    target: torch.Tensor
    clip_id: torch.Tensor
    next_index: int
    mask: torch.Tensor | None = None
    background_id: torch.Tensor | None = None
    video2: torch.Tensor | None = None
    mask2: torch.Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Batch":
        """The same batch with its tensors on a device; PyTorch Lightning moves batches by this."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, which `DataLoader(..., pin_memory=True)` asks for."""
        pinned: dict[str, Any] = {
            name: value.pin_memory() for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **pinned)
