"""Whether a network looks at the figure or at what is behind it: the shortcut probe."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ShortcutScores:
    """What the probe finds, as shares of the clips.

    Attributes:
        whole: accuracy on the clips as they are.
        masked: accuracy without their figures; above chance, backgrounds tell classes.
        swapped: accuracy with the background of a clip of another class.
        followed: how many of those are taken for the class of their background.
        chance: of a guess that knows nothing.
    """

    whole: float
    masked: float
    swapped: float
    followed: float
    chance: float

    def to_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def other_backgrounds(labels: Ints, seed: int, sources: Sequence[str] | None = None) -> Ints:
    """For each of N clips the number of one of another class, whose background it gets; a draw by the seed.

    Args:
        labels: (N,).
        seed: of the draw.
        sources: of the N clips; a background is of another source, where there is one: a film's is the same behind
            several actions.

    Raises:
        ValueError: all clips are of one class.
    """
    if len(np.unique(labels)) < 2:
        raise ValueError("backgrounds are swapped between classes: clips of at least 2 are needed")
    rng = np.random.default_rng(seed)
    source = np.arange(len(labels)) if sources is None else np.unique(np.array(sources, object), return_inverse=True)[1]
    chosen = []
    for label, own in zip(labels, source, strict=True):
        other = labels != label
        elsewhere = other & (source != own)
        chosen.append(rng.choice(np.flatnonzero(elsewhere if elsewhere.any() else other)))
    return np.array(chosen)


def swap(video: Tensor, mask: Tensor, bare: Tensor) -> Tensor:
    """Figures of video (B, C, T, H, W), where mask (B, T, H, W) is True, before other clips without figures."""
    return torch.where(mask[:, None], video, bare)


def probe_shortcuts(
    network: nn.Module, video: Tensor, mask: Tensor, bare: Tensor, labels: Ints, *, seed: int = 0, at_once: int = 32
) -> ShortcutScores:
    """Accuracies of a network on clips as they are, without figures, and with backgrounds of other classes.

    Args:
        network: video (B, C, T, H, W) -> logits (B, K); in evaluation mode.
        video: float32 (N, C, T, H, W), as the network takes it.
        mask: bool (N, T, H, W), where the figure is.
        bare: like `video`, without figures.
        labels: (N,).
        seed: which backgrounds clips get.
        at_once: clips in a forward pass.
    """
    place = other_backgrounds(labels, seed)
    rows = np.array_split(np.arange(len(labels)), -(-len(labels) // at_once))
    whole = _answers(network, (video[part] for part in rows))
    masked = _answers(network, (bare[part] for part in rows))
    swapped = _answers(network, (swap(video[part], mask[part], bare[place[part]]) for part in rows))
    return ShortcutScores(
        whole=float((whole == labels).mean()),
        masked=float((masked == labels).mean()),
        swapped=float((swapped == labels).mean()),
        followed=float((swapped == labels[place]).mean()),
        chance=1 / len(np.unique(labels)),
    )


@torch.inference_mode()
def _answers(network: nn.Module, parts: Iterator[Tensor]) -> Ints:
    """The class that each clip is taken for."""
    device = next(network.parameters()).device
    return np.concatenate([network(part.to(device)).argmax(1).cpu().numpy() for part in parts])
