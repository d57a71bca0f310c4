"""Batches whose scenes are known, and which come without their figures as well."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DebiasBatch:
    """B labelled clips, the scenes they show, and the same clips without their figures.

    Attributes:
        video: float32 (B, C, T, H, W).
        target: int64 (B,), the action.
        next_index: what a source's `load_state_dict` takes to go on after this batch.
        scene: float32 (B, S), probabilities of the scenes; all 0 where a clip's is not known. None where no clip's is.
        masked: float32 (B, C, T, H, W), the clips without their figures; None where there are none.
        is_masked: bool (B,), which of these count.
    """

    video: Tensor
    target: Tensor
    next_index: int
    scene: Tensor | None = None
    masked: Tensor | None = None
    is_masked: Tensor | None = None
