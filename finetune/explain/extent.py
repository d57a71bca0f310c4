"""How many times and places the maps of a network's stages have, and so what a peak in them can tell."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fractalvid.finetune.explain.gradcam import as_volume, stages_with_maps
from fractalvid.pretrain.models.modes import evaluating
from fractalvid.utils.messages.phrases import counted


class Extent(NamedTuple):
    """Times, rows and columns of maps."""

    times: int
    rows: int
    columns: int

    def tells_frame(self, clip_len: int) -> bool:
        """Whether a peak in the maps is at one of a clip's frames rather than another; of one frame all is known."""
        return self.times > 1 or clip_len == 1

    @property
    def tells_place(self) -> bool:
        """Whether a peak in the maps is at one place rather than another."""
        return self.rows * self.columns > 1


@torch.no_grad()
def map_extents(network: nn.Module, arch: str, clip_len: int, size: int) -> dict[str, Extent]:
    """The extent of every stage's maps of a clip (3, clip_len, size, size), by the stages' names, the lowest first.

    Args:
        network: of architecture `arch`; left as it was.
        arch: a row of the table.
        clip_len: frames of a clip.
        size: rows and columns of a frame, in pixels.
    """
    seen, stages = dict[str, Extent](), stages_with_maps(arch)
    hooks = [network.get_submodule(path).register_forward_hook(_keeper(seen, stage)) for stage, path in stages.items()]
    try:
        with evaluating(network):
            network(torch.zeros(1, 3, clip_len, size, size, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return {stage: seen[stage] for stage in stages}


def _keeper(seen: dict[str, Extent], stage: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[stage] = Extent(*as_volume(output, 1).shape[2:])

    return keep


def finer_stage(extents: dict[str, Extent], stage: str, clip_len: int) -> str | None:
    """The highest stage below whose peaks tell most of what those of `stage` do not; None where no stage tells more."""

    def told(name: str) -> int:
        return extents[name].tells_frame(clip_len) + extents[name].tells_place

    below = list(extents)[: list(extents).index(stage)]
    best = max(reversed(below), key=told, default=stage)  # of equals max gives the first, here the highest
    return best if told(best) > told(stage) else None


def untold(extents: dict[str, Extent], stage: str, clip_len: int) -> str | None:
    """A line on what a peak in the maps of `stage` does not tell; None where it tells frame and place."""
    here = extents[stage]
    tells = {"frame": here.tells_frame(clip_len), "place": here.tells_place}
    lost = [name for name, told in tells.items() if not told]
    if not lost:
        return None
    places = f"{here.rows} x {here.columns} places" if here.tells_place else "1 place"
    says = "says" if len(lost) == 1 else "say"
    finer = finer_stage(extents, stage, clip_len)
    instead = "" if finer is None else f"; --stage {finer} is finer"
    maps = f"maps of {stage} have {counted(here.times, 'time')} and {places}"
    return f"{maps}, so the peak's {' and '.join(lost)} {says} nothing{instead}"
