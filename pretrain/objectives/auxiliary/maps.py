"""The feature maps of a network's last stage, seen while it works on something else."""

from typing import Any

import torch
from torch import Tensor, nn

from fractalvid.pretrain.models import architecture
from fractalvid.utils.errors import UserError

STAGES = ("layer4", "features")
"""What networks call the part whose maps are pooled, or its last stage, in the order in which they are looked for."""


class Tap:
    """Keeps what a module returns while it is open. Copies of the module get a tap of their own, a closed one."""

    def __init__(self) -> None:
        """Closed, and empty."""
        self._open = False
        self._seen: list[Tensor] = []

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        """The forward hook."""
        if self._open:
            self._seen.append(output)

    def open(self) -> None:
        """Forget what was kept, and keep what comes."""
        self._open, self._seen = True, []

    def close(self) -> list[Tensor]:
        """Keep no more; what was kept, in the order in which it came."""
        seen, self._open, self._seen = self._seen, False, []
        return seen


def last_stage(network: nn.Module, arch: str) -> nn.Module:
    """The part of a network of architecture `arch` whose maps see all of the clip.

    Raises:
        UserError: it has none that is known.
    """
    for name in STAGES:
        if isinstance(stage := getattr(network, name, None), nn.Module):
            return stage
    raise UserError(f"{arch} has no part called {' or '.join(STAGES)}: leave out the auxiliary heads")


def stage_shape(arch: str) -> tuple[int, ...]:
    """(C, t, h, w) of the maps of that part, for a clip as published; found without computing anything."""
    row, tap = architecture(arch), Tap()
    with torch.device("meta"):
        network = row.build(1).eval()
        last_stage(network, arch).register_forward_hook(tap)
        tap.open()
        network(torch.empty(1, 3, row.clip_len, row.size, row.size))
    return tuple(as_clips(tap.close()[0], row.clip_len).shape[1:])


def as_clips(maps: Tensor, frames: int) -> Tensor:
    """Maps (B, C, t, h, w) as they are; those of single frames, (B * frames, C, h, w), as (B, C, frames, h, w)."""
    return maps if maps.ndim == 5 else maps.reshape(-1, frames, *maps.shape[1:]).transpose(1, 2)
