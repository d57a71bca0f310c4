"""What a method may do: to a batch, around the network's pass, to the loss, and every so many steps."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class DomainBatch:
    """Labelled clips of the source, and what a method may know beside them. Nothing here is a label of the target.

    Attributes:
        video: float32 (B, 3, T, H, W), normalised.
        target: classes, int64 (B,).
        next_index: of the source of clips, after this batch.
        tubes: bool (B, T, H, W), where and when the action happens; None where no method asked for boxes.
        boxed: bool (B,), which clips have boxes at all.
        others: clips of the target, float32 (B, 3, T, H, W); None where no method asked for them.
        numbers: which of the target's clips those are, int64 (B,).
        soft: answers float32 (n, K) that the last n clips should be given beside their class.
    """

    video: Tensor
    target: Tensor
    next_index: int
    tubes: Tensor | None = None
    boxed: Tensor | None = None
    others: Tensor | None = None
    numbers: Tensor | None = None
    soft: Tensor | None = None


class Method(nn.Module):
    """A policy and an objective for generalising; the base class itself does nothing.

    What a method remembers from step to step are buffers: checkpoints hold them, so that a run that was stopped goes
    on as if it never was. What it draws are functions of its seed and the step.
    """

    def renew(self, network: nn.Module, batch: DomainBatch, step: int) -> None:
        """Called every so many steps before a batch is changed: search, look, classify.

        Args:
            network: in training mode; it has to be left as it is.
            batch: as the source gave it.
            step: steps done before this one.
        """

    def change(self, batch: DomainBatch, step: int) -> DomainBatch:
        """What the network learns from in place of `batch`."""
        return batch

    def around(self, network: nn.Module, batch: DomainBatch) -> AbstractContextManager[None]:
        """What holds while the network sees a batch that was changed."""
        return nullcontext()

    def extra_loss(self, logits: Tensor, batch: DomainBatch) -> Tensor | None:
        """A scalar to be added to the cross-entropy of logits (B, K); None for nothing."""
        return None

    def found(self) -> dict[str, object]:
        """What the method has come to, for the record: plain values."""
        return {}
