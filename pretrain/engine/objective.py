"""Objectives as the loop sees them: a network and what it is trained for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from fractalvid.utils.errors import UserError

_TAKEN = frozenset(
    {"kind", "step", "loss", "accuracy", "grad_norm", "lr", "clips", "clips_per_s", "seconds", "skipped"}
    | {"waited", "data_wait", "forward", "backward"}
)
"""Names of what the loop itself measures, in its rows or on their way there."""


@dataclass(frozen=True)
class Outcome:
    """What an objective says of one batch.

    Attributes:
        loss: scalar, with gradient; the mean over the batch, so that means of parts of a batch are that of all.
        logits: (B, K), where the objective classifies: accuracy is measured from it.
        target: what `logits` should be: classes int64 (B,), or probabilities float32 (B, K).
        parts: detached scalars for the log, by names that it does not have yet.

    Raises:
        UserError: a part that is no scalar tensor, or has the name of something else in the log.
    """

    loss: Tensor
    logits: Tensor | None = None
    target: Tensor | None = None
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the parts, which whoever writes an objective names."""
        for name, value in self.parts.items():
            if name in _TAKEN:
                raise UserError(f"a part of a loss is called {name!r}, and so is something else in the log: rename it")
            if not isinstance(value, Tensor) or value.ndim:
                raise UserError(f"the part {name!r} of a loss must be a scalar tensor, got {value!r}")


class Objective(nn.Module, ABC):
    """A network and what it is trained for.

    Checkpoints hold all parameters and buffers, so whatever is to outlive a stop has to be one: a queue is a buffer, a
    momentum encoder has parameters that require no gradient. `forward` may write to buffers, in place: where a step is
    skipped, they get back what they held before it. Parameters change in `after_step` only.

    Attributes:
        backbone: what is kept as weights in the end, and validated.
    """

    backbone: nn.Module

    @abstractmethod
    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch that lies on the module's device."""

    def after_step(self, step: int, total: int | None) -> None:
        """Called without gradients after every optimiser step that was taken.

        Args:
            step: steps done, this one included.
            total: steps of the whole run; None while a budget in time is not steps yet.
        """
