"""What a linear probe needs beside its head: statistics of the data at hand, and features of one scale.

Weights come with BatchNorm's statistics of what they were trained on, and random ones with none at all; the features
that a head is then given differ in scale by orders of magnitude, which one learning rate cannot serve. Both are cured
before training, from training clips whose labels nobody looks at, and alike for every initialisation.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.clips.settling import settle
from fractalvid.pretrain.models import head_name
from fractalvid.pretrain.models.modes import evaluating

BATCHES, CLIPS = 16, 16
"""So many batches of so many training clips give statistics and scale."""
_LEAST = 1e-6
"""Deviation, relative to the mean one, below which a feature never changes."""


class Scale:
    """The mean and deviation of the features that a head takes, (D,); inside a hook, and folded into the head after."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        """Features that hardly change are left as large as they are."""
        still = deviation <= _LEAST * deviation.mean().clamp_min(torch.finfo(deviation.dtype).tiny)
        self.mean, self.deviation = mean, torch.where(still, torch.ones_like(deviation), deviation)

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """A hook before the head: features (B, D, ...) standardised."""
        features, *rest = inputs
        shape = (1, -1, *[1] * (features.dim() - 2))
        return ((features - self.mean.view(shape)) / self.deviation.view(shape), *rest)

    @torch.no_grad()
    def fold(self, head: nn.Module) -> None:
        """Have the one linear layer of a head give for features as they are what it gave for standardised ones."""
        layer = next(module for module in head.modules() if isinstance(module, nn.Linear | nn.Conv3d))
        assert layer.bias is not None
        flat = layer.weight.flatten(1) / self.deviation  # (K, D)
        layer.bias -= flat @ self.mean
        layer.weight.copy_(flat.view_as(layer.weight))


def prepare_frozen(
    network: nn.Module, arch: str, loader: TrainLoader, *, settled: bool, standardised: bool
) -> Callable[[], None]:
    """Settle statistics and standardise what the head takes, as asked for, from the first training clips of `loader`.

    Args:
        network: of architecture `arch`, on its device; changed in place.
        arch: its name.
        loader: of training clips in batches of `CLIPS`.
        settled: whether BatchNorm's statistics are those of the clips.
        standardised: whether the head is given features of mean 0 and deviation 1.

    Returns:
        To be called after training: it folds the scale into the head, whose weights then need nothing beside them.
    """
    device = next(network.parameters()).device
    if settled:
        settle(network, (video.to(device) for video in _clips(loader)))
    if not standardised:
        return lambda: None
    head: nn.Module = getattr(network, head_name(arch))
    scale = _measure(network, head, (video.to(device) for video in _clips(loader)))
    hook = head.register_forward_pre_hook(scale)

    def fold() -> None:
        hook.remove()
        scale.fold(head)

    return fold


def _clips(loader: TrainLoader) -> Iterator[Tensor]:
    return (batch.video for batch in islice(loader, BATCHES))


@torch.no_grad()
def _measure(network: nn.Module, head: nn.Module, clips: Iterable[Tensor]) -> Scale:
    """The scale of what the head takes, over clips (and over places, where it takes maps)."""
    seen = list[Tensor]()
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
    with hook, evaluating(network):
        for video in clips:
            network(video)
    features = torch.cat([maps.transpose(0, 1).flatten(1) for maps in seen], dim=1).double()  # (D, n)
    return Scale(features.mean(1).float(), features.std(1, correction=0).float())
