"""One training step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.mixing import Mixture
from pretrain.optim import set_lr
from pretrain.precision import Precision
from pretrain.prefetch import Batch, replaced, to_device
from pretrain.trainable import BufferGuard

LossFn = Callable[[Any, Any], Tensor]
"""(what the network returned, the batch) -> a scalar loss. The targets of a mixed batch are float32 (B, K)."""


def cross_entropy(label_smoothing: float) -> LossFn:
    """The default loss: cross-entropy of logits (B, K) with targets (B,) or probabilities (B, K), in float32."""

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits.float(), batch.target, label_smoothing=label_smoothing)

    return loss


class Update:
    """One step: forward, backward, clip, update; or, if anything isn't finite, no trace of it."""

    def __init__(
        self,
        model: nn.Module,
        parameters: list[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        loss_fn: LossFn,
        precision: Precision,
        *,
        grad_clip: float,
        channels_last: bool,
        compiled: bool,
    ) -> None:
        """Put together what a step needs.

        Args:
            model: on the device of `precision`.
            parameters: those `optimizer` updates.
            optimizer: its learning rate is given with each step.
            loss_fn: (output, batch) -> scalar.
            precision: device and arithmetic.
            grad_clip: largest norm of all gradients together; 0 doesn't clip.
            channels_last: keep videos and weights in channels-last order.
            compiled: compile the network.
        """
        self.layout = torch.channels_last_3d if channels_last else torch.contiguous_format
        self.model = model.to(memory_format=self.layout) if channels_last else model
        self.forward = torch.compile(model) if compiled else model
        self.parameters = parameters
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.clip = grad_clip or float("inf")
        self.precision = precision
        self.scaler = precision.scaler()
        self.guard = BufferGuard(model)

    def step(self, batch: Any, lr: float, mixture: Mixture | None = None) -> dict[str, float] | None:
        """Train on one batch; loss, gradient norm and accuracy, or None if the step was skipped.

        Args:
            batch: on any device.
            lr: learning rate of this step.
            mixture: how its clips and targets are mixed before; None leaves them.

        Raises:
            ValueError: a mixture, and a network that doesn't return logits (B, K).
        """
        self.guard.keep()
        set_lr(self.optimizer, lr)
        self.optimizer.zero_grad(set_to_none=True)
        batch = to_device(batch, self.precision.device)
        with self.precision.autocast():
            output, batch = self._predict(batch, mixture)
            loss = self.loss_fn(output, batch)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.clip)
        measured = {"loss": loss.detach(), "grad_norm": norm, **_accuracy(output, batch)}
        # One transfer a step: on a GPU every .item() waits for all that was launched.
        values = dict(zip(measured, torch.stack([v.float() for v in measured.values()]).tolist(), strict=True))
        finite = abs(values["loss"]) < float("inf") and values["grad_norm"] < float("inf")  # False for NaN
        if finite:
            self.scaler.step(self.optimizer)
        else:
            self.guard.restore()
        self.scaler.update()
        return values if finite else None

    def _predict(self, batch: Any, mixture: Mixture | None) -> tuple[Any, Any]:
        """What the network says, and the batch it has seen: the given one, or a mixed copy."""
        video = batch.video if mixture is None else mixture.videos(batch.video)
        output = self.forward(video.to(memory_format=self.layout))
        if mixture is None:
            return output, batch
        if not (isinstance(output, Tensor) and output.ndim == 2):
            raise ValueError("clips can only be mixed for a network that returns logits (B, K)")
        return output, replaced(batch, video=video, target=mixture.targets(batch.target, output.shape[1]))


def _accuracy(output: Any, batch: Any) -> dict[str, Tensor]:
    """Share of a batch that is classified right, if the output is logits (B, K) at all.

    Where clips are mixed, right is the class that weighs most.
    """
    if not (isinstance(output, Tensor) and output.ndim == 2):
        return {}
    target = batch.target.argmax(1) if batch.target.shape == output.shape else batch.target
    if target.shape != output.shape[:1]:
        return {}
    return {"accuracy": (output.detach().argmax(1) == target).float().mean()}
