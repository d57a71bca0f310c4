"""The pool of transformations that single-source generalisation draws from, and tuples of four of them.

Names, ranges and numbers of levels are those of Volpi & Murino 2019, "Addressing Model Vulnerability to Distributional
Shifts over Image Transformation Sets" (arXiv 1903.11900), which the Ani-GIFs benchmark takes over. Pixels are Pillow's,
which that work used, to a level of 255; frames are transformed together, on whatever device they lie.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fractalvid.core.seeds import uniform64, words64
from fractalvid.finetune.clips.config import Triple

LENGTH = 4
"""Transformations of a tuple, one after the other."""
NOTHING = -1
"""What stands for no transformation at all."""
_DOMAIN = 0x67656E  # keeps these words apart from others that are drawn from the same seed


@dataclass(frozen=True)
class Transformation:
    """A change of uint8 frames (N, 3, H, W): `apply(frames, strength)`, at one of so many `levels`."""

    apply: Callable[[Tensor, float], Tensor]
    levels: tuple[float, ...]


def _grey(x: Tensor) -> Tensor:
    """Luma of uint8 (N, 3, H, W) as Pillow's "L" has it: int32 (N, 1, H, W)."""
    red, green, blue = x.int().unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16)[:, None]


def _blend(x: Tensor, other: Tensor, factor: float) -> Tensor:
    """From `other` (0) through `x` (1) to beyond it, without the fraction, as Pillow's enhancers do."""
    far = other.float()
    return (far + factor * (x.float() - far)).clamp(0, 255).to(torch.uint8)


def _brightness(x: Tensor, factor: float) -> Tensor:
    return _blend(x, torch.zeros_like(x), factor)


def _colour(x: Tensor, factor: float) -> Tensor:
    return _blend(x, _grey(x), factor)


def _contrast(x: Tensor, factor: float) -> Tensor:
    mean = _grey(x).float().mean((1, 2, 3), keepdim=True)
    return _blend(x, (mean + 0.5).floor(), factor)


def _sharpness(x: Tensor, factor: float) -> Tensor:
    kernel = torch.ones(3, 1, 3, 3, device=x.device)
    kernel[:, :, 1, 1] = 5
    smooth = x.float()
    if min(x.shape[-2:]) > 2:  # Pillow leaves the border as it is
        inner = F.conv2d(smooth, kernel, groups=3) / 13
        smooth[..., 1:-1, 1:-1] = (inner + 0.5).floor()
    return _blend(x, smooth, factor)


def _autocontrast(x: Tensor, cutoff: float) -> Tensor:
    """Each channel of each frame from 0 to 255, without `cutoff` % of its pixels at either end."""
    flat = x.flatten(2)
    cut = int(flat.shape[2] * cutoff // 100)
    ordered = flat.sort(2).values.float()
    low, high = ordered[..., cut, None, None], ordered[..., -1 - cut, None, None]
    spread = (high - low).clamp_min(1)
    stretched = ((x.float() - low) * 255 / spread).clamp(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, x)


def _in_grey(x: Tensor, _: float) -> Tensor:
    return _grey(x).to(torch.uint8).expand_as(x)


def _solarise(x: Tensor, threshold: float) -> Tensor:
    return torch.where(x < threshold, x, 255 - x)


def _channel(number: int) -> Callable[[Tensor, float], Tensor]:
    """Adds to one channel."""

    def enhance(x: Tensor, amount: float) -> Tensor:
        changed = x.clone()
        changed[:, number] = (x[:, number].int() + int(amount)).clamp(0, 255).to(torch.uint8)
        return changed

    return enhance


def _levels(low: float, high: float, count: int, *, whole: bool = False) -> tuple[float, ...]:
    values = np.linspace(low, high, count)
    return tuple(np.trunc(values).tolist() if whole else values.tolist())


_FACTORS = _levels(0.6, 1.4, 20)
_AMOUNTS = _levels(-120, 120, 30, whole=True)

POOL: dict[str, Transformation] = {
    "autocontrast": Transformation(_autocontrast, _levels(0.0, 0.3, 20)),
    "sharpness": Transformation(_sharpness, _FACTORS),
    "brightness": Transformation(_brightness, _FACTORS),
    "colour": Transformation(_colour, _FACTORS),
    "contrast": Transformation(_contrast, _FACTORS),
    "grey": Transformation(_in_grey, (0.0,)),
    "red": Transformation(_channel(0), _AMOUNTS),
    "green": Transformation(_channel(1), _AMOUNTS),
    "blue": Transformation(_channel(2), _AMOUNTS),
    "solarise": Transformation(_solarise, _levels(0, 20, 20, whole=True)),
}
"""All of them, by name."""
_NAMES = tuple(POOL)  # their order belongs to what a seed gives: append only


def identity() -> Tensor:
    """The tuple that changes nothing: int64 (LENGTH, 2)."""
    return torch.full((LENGTH, 2), NOTHING)


def draw_uniform(seed: int, number: int, count: int) -> NDArray[np.float64]:
    """Numbers (count,) in [0, 1) for the `number`-th drawing of a seed."""
    return uniform64(words64(seed, _DOMAIN, number, count))


def draw_tuples(seed: int, number: int, count: int) -> Tensor:
    """Tuples int64 (count, LENGTH, 2) of transformations, with repetition, and their levels."""
    which, level = draw_uniform(seed, number, 2 * count * LENGTH).reshape(2, count, LENGTH)
    kinds = (which * len(_NAMES)).astype(np.int64)
    sizes = np.array([len(row.levels) for row in POOL.values()])
    return torch.from_numpy(np.stack([kinds, (level * sizes[kinds]).astype(np.int64)], axis=2))


def named(chosen: Tensor) -> list[tuple[str, float]]:
    """A tuple (LENGTH, 2) as names and strengths; the identity has none."""
    rows = ((_NAMES[kind], level) for kind, level in chosen.tolist() if kind != NOTHING)
    return [(name, POOL[name].levels[level]) for name, level in rows]


def transform(frames: Tensor, chosen: Tensor) -> Tensor:
    """The transformations of a tuple (LENGTH, 2) in turn, on uint8 frames (N, 3, H, W)."""
    for name, strength in named(chosen):
        frames = POOL[name].apply(frames, strength)
    return frames


@dataclass(frozen=True)
class Pixels:
    """Between what a network takes and pixels: `mean` and `std` a channel, of values in [0, 1]."""

    mean: Triple
    std: Triple

    def to_bytes(self, video: Tensor) -> Tensor:
        """Normalised float (B, 3, T, H, W) to uint8 (B, 3, T, H, W)."""
        mean, std = self._of(video)
        return ((video.float() * std + mean) * 255 + 0.5).clamp(0, 255).to(torch.uint8)

    def to_video(self, pixels: Tensor) -> Tensor:
        """And back, float32."""
        mean, std = self._of(pixels)
        return (pixels.float() / 255 - mean) / std

    def limits(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Black and white, (3, 1, 1, 1), as the network is given them."""
        mean, std = self._of(video)
        return -mean / std, (1 - mean) / std

    def transform(self, video: Tensor, chosen: Tensor) -> Tensor:
        """A tuple of transformations, the same on every frame of a batch (B, 3, T, H, W) of normalised clips."""
        if not named(chosen):
            return video
        pixels = self.to_bytes(video).transpose(1, 2)  # (B, T, 3, H, W)
        changed = transform(pixels.flatten(0, 1), chosen).view(pixels.shape)
        return self.to_video(changed.transpose(1, 2))

    def _of(self, video: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (torch.tensor(values, device=video.device).view(3, 1, 1, 1) for values in (self.mean, self.std))
        return mean, std
