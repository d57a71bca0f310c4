"""One training step."""

from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fractalvid.pretrain.engine.batches import to_device
from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.engine.freezing import BufferGuard
from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.machine import Precision, Stopwatch, mean, world_size
from fractalvid.pretrain.optim import set_lr


class Update:
    """One step: forward, backward, clip, update. Where anything isn't finite on any rank, the step is undone."""

    def __init__(
        self,
        objective: Objective,
        parameters: list[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        config: LoopConfig,
    ) -> None:
        """Put together what a step needs.

        Args:
            objective: on the device of `precision`; it is put in place: laid out, compiled.
            parameters: those `optimizer` updates.
            optimizer: its learning rate is given with each step.
            precision: device and arithmetic.
            config: says how gradients are clipped, whether the network is compiled and laid out channels-last, and in
                how many parts, equally large, a step takes its clips: all but the last are given to `add`.
        """
        if config.channels_last:
            _lay_out(objective)
        if config.compile:
            objective.backbone.compile()
        self.objective = objective
        self.forward = _distributed(objective)
        self.parameters = parameters
        self.optimizer = optimizer
        self.grad_clip = config.grad_clip or float("inf")
        self.precision = precision
        self.accumulate = config.accumulate
        self.scaler = precision.scaler()
        self.guard = BufferGuard(objective)
        self.watch = Stopwatch(precision.device)
        self._measured: list[dict[str, Tensor]] = []

    def add(self, batch: Any) -> None:
        """Forward and backward of a part of a step's clips, which is not the last; as for `step`."""
        with _unsynchronised(self.forward):
            self._learn(batch)

    def step(self, batch: Any, lr: float) -> dict[str, float] | None:
        """Train on one batch and what was added before; loss, gradient norm and so on, or None if the step was skipped.

        What it returns are means over all parts and ranks.

        Args:
            batch: on any device.
            lr: learning rate of this step.
        """
        self._learn(batch)
        set_lr(self.optimizer, lr)
        with self.watch.time("backward"):
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.clip_grad_norm_(self.parameters, self.grad_clip)
        values = self._values(norm)
        finite = abs(values["loss"]) < float("inf") and values["grad_norm"] < float("inf")  # False for NaN
        with self.watch.time("backward"):
            if finite:
                self.scaler.step(self.optimizer)
            else:
                self.guard.restore()
            self.scaler.update()
        return values if finite else None

    def _learn(self, batch: Any) -> None:
        """Add the gradients of one part of a step."""
        if not self._measured:
            self.guard.keep()
            self.optimizer.zero_grad(set_to_none=True)
        batch = to_device(batch, self.precision.device)
        with self.watch.time("forward"), self.precision.autocast():
            outcome: Outcome = self.forward(batch)
        with self.watch.time("backward"):
            loss = self.scaler.scale(outcome.loss / self.accumulate)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        self._measured.append({"loss": outcome.loss.detach(), **_accuracy(outcome), **outcome.parts})

    def _values(self, norm: Tensor) -> dict[str, float]:
        """What was measured in a step, as means over its parts and over the ranks."""
        together: dict[str, list[Tensor]] = defaultdict(list)
        for part in self._measured:
            for name, value in part.items():
                together[name].append(value.float())
        together["grad_norm"].append(norm)
        self._measured = []
        # One transfer a step: on a GPU every .item() waits for all that was launched.
        means = mean(torch.stack([torch.stack(values).mean() for values in together.values()]))
        return dict(zip(together, means.tolist(), strict=True))


def _lay_out(objective: nn.Module) -> None:
    """Put the weights of convolutions into channels-last order; convolutions give on what their weights are in."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in objective.parameters():
        if parameter.ndim in layouts:
            parameter.data = parameter.data.contiguous(memory_format=layouts[parameter.ndim])


def _distributed(objective: Objective) -> nn.Module:
    """The objective, its gradients averaged over ranks where there are several, its buffers those of rank 0."""
    return objective if world_size() == 1 else DistributedDataParallel(objective, gradient_as_bucket_view=True)


def _unsynchronised(forward: nn.Module) -> AbstractContextManager[None]:
    """Inside, gradients are not averaged over ranks yet."""
    return forward.no_sync() if isinstance(forward, DistributedDataParallel) else nullcontext()


def _accuracy(outcome: Outcome) -> dict[str, Tensor]:
    """Share of a batch that is classified right, if the objective classifies at all.

    Where clips are mixed, right is the class that weighs most.
    """
    logits, target = outcome.logits, outcome.target
    if logits is None or target is None:
        return {}
    target = target.argmax(1) if target.shape == logits.shape else target
    if target.shape != logits.shape[:1]:
        return {}
    return {"accuracy": (logits.detach().argmax(1) == target).float().mean()}
