"""Explainability: clips that a network judges by what lies outside the action reach its head by the action alone.

After the Ani-GIFs benchmark: Grad-CAM of the true class after the last block; where its peak lies outside the
ground-truth tube (box x time), the forward activations are multiplied by the tube's binary mask.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.finetune.explain.gradcam import grad_cam
from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.pretrain.models.modes import evaluating
from fractalvid.utils.errors import UserError


class Explain(Method):
    """At every renewal, those clips of the batch whose saliency peaks outside their tube pass the last block masked.

    Attributes:
        counts: int64 (2,): clips with boxes that were looked at, and of those, how many peaked outside.
    """

    counts: Tensor

    def __init__(self, stage: str) -> None:
        """Look at, and mask, what the module `stage` of the network gives."""
        super().__init__()
        self.stage = stage
        self._outside: Tensor | None = None
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64))

    def renew(self, network: nn.Module, batch: DomainBatch, step: int) -> None:
        """Find the clips of this batch whose peak lies outside."""
        assert batch.tubes is not None and batch.boxed is not None
        peaks = peak_inside(grad_cam(network, batch.video, batch.target, self.stage), batch.tubes)
        self._outside = batch.boxed & ~peaks
        self.counts += torch.stack([batch.boxed.sum(), self._outside.sum()])

    @contextmanager
    def around(self, network: nn.Module, batch: DomainBatch) -> Iterator[None]:
        """The pass right after a renewal is masked; all others are as ever."""
        outside, self._outside = self._outside, None
        if outside is None or batch.tubes is None:
            yield
            return
        hook = network.get_submodule(self.stage).register_forward_hook(
            _masking(batch.tubes | ~outside.view(-1, 1, 1, 1))
        )
        try:
            yield
        finally:
            hook.remove()

    def found(self) -> dict[str, object]:
        """How many clips were looked at, and masked."""
        looked, outside = self.counts.tolist()
        return {"looked_at": looked, "peaked_outside": outside}


@torch.no_grad()
def check_places(network: nn.Module, stage: str, shape: tuple[int, ...]) -> None:
    """Raise `UserError` where the maps of `stage` have one place for a clip (3, T, H, W): no peak is outside a tube."""
    seen = list[Tensor]()
    hook = network.get_submodule(stage).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        with evaluating(network):
            network(torch.zeros(1, *shape, device=next(network.parameters()).device))
    finally:
        hook.remove()
    maps = seen[0]
    if maps[:, 0].numel() < 2:
        raise UserError(
            f"--method explain: of clips of {shape[1]} x {shape[2]} x {shape[3]} the last block ({stage}) makes maps "
            "of a single place, outside of which nothing can lie; give a larger --size or --clip-len"
        )


def peak_inside(saliency: Tensor, tubes: Tensor) -> Tensor:
    """Which clips' saliency float (B, T, H, W) has its peak in their tube, bool (B, T, H, W): bool (B,).

    A clip without any saliency has its peak nowhere, and so not outside either.
    """
    flat, inside = saliency.flatten(1), tubes.flatten(1)
    peak = flat.argmax(1, keepdim=True)
    return inside.gather(1, peak)[:, 0] | (flat.amax(1) <= 0)


def _masking(mask: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """A hook that keeps of maps (B, C, t, h, w), or of frames (B t, C, h, w), what the mask (B, T, H, W) touches."""

    def multiply(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        frames = output.shape[2] if output.ndim == 5 else len(output) // len(mask)
        small = F.adaptive_max_pool3d(mask[:, None].float(), (frames, *output.shape[-2:]))  # (B, 1, t, h, w)
        fitting = small if output.ndim == 5 else small.transpose(1, 2).flatten(0, 1)
        return output * fitting.to(output.dtype)

    return multiply
