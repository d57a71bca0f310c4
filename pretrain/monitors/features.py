"""The features that a network gives of clips."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fractalvid.pretrain.engine import Batch, to_device
from fractalvid.pretrain.machine import in_turns


class Features(NamedTuple):
    """What a network makes of clips.

    Attributes:
        values: float32 (N, D).
        target: the clips' classes, int64 (N,).
    """

    values: Tensor
    target: Tensor


def features_of(network: nn.Module, batches: Iterable[Batch]) -> Features | None:
    """The features of all clips, in the order of the clips; None where there are none.

    Args:
        network: video (B, C, T, H, W) -> features (B, D); in evaluation mode, gradients off.
        batches: a finite sequence; with several processes this one's turns of all batches. Everyone gets the features
            of all.
    """
    device = next(network.parameters()).device
    own: list[tuple[Tensor, Tensor]] = []
    for batch in batches:
        moved: Batch = to_device(batch, device)
        own.append((network(moved.video).float(), moved.target))
    everyone = in_turns(own)
    if not everyone:
        return None
    values, target = zip(*everyone, strict=True)
    return Features(torch.cat(values), torch.cat(target))


@contextmanager
def headless(network: nn.Module, head: str) -> Iterator[None]:
    """Inside, the network gives its features instead of logits; `head` is the attribute that holds the last layer."""
    kept: nn.Module = getattr(network, head)
    setattr(network, head, nn.Identity())
    try:
        yield
    finally:
        setattr(network, head, kept)
