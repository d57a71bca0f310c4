"""Grad-CAM of clips: which places at which times speak for a class (Selvaraju et al. 2017, arXiv 1610.02391)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.models import architecture, stage_names
from fractalvid.pretrain.models.modes import evaluating
from fractalvid.utils.errors import UserError


def last_maps(arch: str) -> str:
    """The module of architecture `arch` whose output is the last that still has places and times: its last block."""
    return list(stages_with_maps(arch).values())[-1]


def stages_with_maps(arch: str) -> dict[str, str]:
    """The modules of architecture `arch` whose output has places, by the names of the stages, the lowest first."""
    row = architecture(arch)
    return {name: path for name, path in zip(stage_names(arch), row.stages, strict=True) if path != row.head}


def grad_cam(model: nn.Module, clips: Tensor, classes: Tensor, stage: str) -> Tensor:
    """Saliency of B clips for a class each: float32 (B, T, H, W) in [0, 1], 1 at the peak.

    relu(sum over c of a_c A_c), A_c the maps of a stage and a_c the mean over time and space of the class's logit's
    gradient with respect to them; enlarged to the clip (trilinear) and divided by its maximum. A clip of which nothing
    speaks for the class is 0 everywhere. Of networks that see frames one by one, a clip's frames are one volume.

    The network computes in evaluation mode and is left as it was, gradients and modes of its parts included.

    Args:
        model: maps (B, 3, T, H, W) to logits (B, K).
        clips: float32 (B, 3, T, H, W), normalised, on the network's device.
        classes: int64 (B,).
        stage: the module in the network whose output is looked at, as `last_maps` names it.

    Raises:
        UserError: there is no such module, or its output has no places.
    """
    with torch.inference_mode(mode=False), torch.enable_grad(), evaluating(model), _maps(model, stage) as seen:
        logits = model(clips.detach().clone())  # copies of what may come from inference mode
        chosen = logits.gather(1, classes.clone().to(logits.device)[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, seen)
    return _saliency(as_volume(seen[0].detach(), len(clips)), as_volume(gradient, len(clips)), clips.shape[2:])


def _saliency(maps: Tensor, gradient: Tensor, shape: torch.Size) -> Tensor:
    """(B, T, H, W) of maps and their gradient, both (B, C, t, h, w)."""
    weights = gradient.mean((2, 3, 4), keepdim=True)
    small = F.relu((weights * maps).sum(1, keepdim=True))
    large = F.interpolate(small, size=tuple(shape), mode="trilinear", align_corners=False)[:, 0]
    peak = large.amax((1, 2, 3), keepdim=True)
    return torch.where(peak > 0, large / peak, 0.0)


def as_volume(maps: Tensor, clips: int) -> Tensor:
    """A number of clips' maps as float32 (B, C, t, h, w) of (B, C, t, h, w) or, of frames, (B t, C, h, w)."""
    if maps.ndim == 4:
        maps = maps.view(clips, -1, *maps.shape[1:]).transpose(1, 2)
    return maps.float()


@contextmanager
def _maps(model: nn.Module, stage: str) -> Iterator[list[Tensor]]:
    """Inside, a pass of the network leaves here the output of `stage`, at which gradients end."""
    try:
        module = model.get_submodule(stage)
    except AttributeError:
        raise UserError(f"this network has no part called {stage!r} to look at") from None
    seen = list[Tensor]()
    hook = module.register_forward_hook(_cut(seen, stage))
    try:
        yield seen
    finally:
        hook.remove()


def _cut(seen: list[Tensor], stage: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """A hook that gives on what a module gave as the beginning of a new graph: nothing below needs gradients."""

    def cut(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if output.ndim not in (4, 5):
            raise UserError(f"what {stage!r} gives has no places: choose an earlier stage of the network")
        leaf = output.detach().requires_grad_()
        seen.append(leaf)
        return leaf.clone()  # the next layer may change it in place, which a leaf can't be

    return cut
