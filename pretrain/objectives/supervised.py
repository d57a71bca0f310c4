"""Telling classes apart."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine.batches import Batch, replaced
from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.objectives.mixing import Mixture

LossFn = Callable[[Any, Any], Tensor]
"""(what the network returned, the batch) -> a scalar loss. The targets of a mixed batch are float32 (B, K)."""


def cross_entropy(label_smoothing: float) -> LossFn:
    """The default loss: cross-entropy of logits (B, K) with targets (B,) or probabilities (B, K), in float32."""

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits.float(), batch.target, label_smoothing=label_smoothing)

    return loss


class Supervised(Objective):
    """A network that maps video (B, C, T, H, W) to logits (B, K), and a loss of these."""

    mixes: ClassVar[bool] = True

    def __init__(self, network: nn.Module, label_smoothing: float = 0.0, *, loss_fn: LossFn | None = None) -> None:
        """Train all of `network`.

        Args:
            network: is kept whole as weights, its head included.
            label_smoothing: probability spread over all classes, in [0, 1); only for the default loss.
            loss_fn: (output, batch) -> scalar instead of cross-entropy; the output may then be anything.
        """
        super().__init__()
        self.backbone = network
        self.loss_fn = loss_fn or cross_entropy(label_smoothing)

    def forward(self, batch: Any, mixture: Mixture | None = None) -> Outcome:
        """The loss of a batch, whose clips and targets are mixed before if `mixture` says how.

        Raises:
            ValueError: a mixture, and a network that doesn't return logits (B, K).
        """
        video = batch.video if mixture is None else mixture.videos(batch.video)
        output = self.backbone(video)
        classifies = isinstance(output, Tensor) and output.ndim == 2
        if mixture is not None:
            if not classifies:
                raise ValueError("clips can only be mixed for a network that returns logits (B, K)")
            batch = replaced(batch, video=video, target=mixture.targets(batch.target, output.shape[1]))
        loss = self.loss_fn(output, batch)
        return Outcome(loss, output, batch.target) if classifies else Outcome(loss)
