"""Training a part of a network while the rest stays exactly as it is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def only_trainable(model: nn.Module, trainable: Iterable[nn.Parameter] | None) -> Iterator[list[nn.Parameter]]:
    """Inside, only `trainable` (None: everything that requires a gradient) requires gradients.

    Yields the trainable parameters in the model's order; afterwards every flag is as it was.

    Raises:
        ValueError: a parameter that is not the model's, or none at all.
    """
    before = {p: p.requires_grad for p in model.parameters()}
    chosen = {p for p in before if before[p]} if trainable is None else set(trainable)
    if not chosen or not chosen <= before.keys():
        raise ValueError("trainable must name at least one parameter, and only the model's own")
    try:
        for parameter in before:
            parameter.requires_grad_(parameter in chosen)
        yield [p for p in before if p in chosen]
    finally:
        for parameter, flag in before.items():
            parameter.requires_grad_(flag)


def set_train_mode(model: nn.Module) -> None:
    """Training mode, except for every part whose parameters are all frozen: that is put into evaluation mode.

    So a frozen backbone's BatchNorm layers neither use nor change batch statistics, and its dropout is off.
    """
    model.train()
    for module in model.modules():
        flags = [p.requires_grad for p in module.parameters()]
        if flags and not any(flags):
            module.eval()


class BufferGuard:
    """Undoes what one forward pass did to a network's buffers (BatchNorm's running statistics).

    A step that is skipped because its numbers are not finite has usually poisoned them already.
    """

    def __init__(self, model: nn.Module) -> None:
        """Guard all buffers of `model`."""
        self._buffers: list[Tensor] = list(model.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    def keep(self) -> None:
        """Remember the buffers as they are now."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            kept.copy_(buffer)

    def restore(self) -> None:
        """Put the remembered values back."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            buffer.copy_(kept)
