"""The stages of a network, and what each makes of clips: features pooled over time and space."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fractalvid.pretrain.models.table import architecture


def stage_names(name: str) -> tuple[str, ...]:
    """What the stages of architecture `name` are called, the lowest first: stem, stage1, ..."""
    return ("stem", *(f"stage{number}" for number in range(1, len(architecture(name).stages))))


def stage_features(network: nn.Module, name: str, video: Tensor) -> dict[str, Tensor]:
    """Features of every stage: float32 (B, D), D of its own, by the names of the stages.

    Args:
        network: of architecture `name`; in evaluation mode, gradients off.
        name: a row of the table.
        video: float32 (B, 3, T, H, W).
    """
    with _watched(network, name, len(video)) as seen:
        network(video)
    return {stage: seen[stage] for stage in stage_names(name)}


@contextmanager
def _watched(network: nn.Module, name: str, clips: int) -> Iterator[dict[str, Tensor]]:
    """Inside, a pass of the network leaves here what its stages gave."""
    row, seen = architecture(name), dict[str, Tensor]()
    hooks = [
        network.get_submodule(path).register_forward_hook(_keeper(seen, stage, clips, first=path == row.head))
        for stage, path in zip(stage_names(name), row.stages, strict=True)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(
    seen: dict[str, Tensor], stage: str, clips: int, *, first: bool
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A hook that keeps what a module gives, or with `first` what it takes."""

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[stage] = pooled(inputs[0] if first else output, clips)

    return keep


def pooled(maps: Tensor, clips: int) -> Tensor:
    """Means float32 (B, C) over time and space of maps (B, C, T, H, W) or, of frames, (B T, C, H, W); or (B, C)."""
    flat = maps.flatten(2).mean(2, dtype=torch.float32) if maps.ndim > 2 else maps.float()
    return flat.reshape(clips, -1, flat.shape[1]).mean(1)
