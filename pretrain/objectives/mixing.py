"""Mixup and CutMix: clips of a batch mixed in pairs, and their labels. Drawn first, then applied by pure functions.

torchvision's MixUp and CutMix draw from torch's global generator, which would undo exact resumes, and copy a batch
two or three times.
"""

import math
from dataclasses import dataclass

from scipy.special import betaincinv
from torch import Tensor
from torch.nn import functional as F

from fractalvid.core.seeds import uniform64, words64

_DOMAIN = 0x6D6978  # keeps these words apart from others that are drawn from the same seed


@dataclass(frozen=True)
class Mixture:
    """How the clips of one batch are mixed.

    Attributes:
        shift: clip i is mixed with clip i - shift, counted around the batch.
        weight: what a clip keeps of itself, and its label of itself, in [0, 1].
        box: (top, bottom, left, right), in pixels, of what each frame takes from the other clip; None blends all
            of it.
    """

    shift: int
    weight: float
    box: tuple[int, int, int, int] | None = None

    def videos(self, video: Tensor) -> Tensor:
        """Mixed copy of floating-point `video` (B, C, T, H, W); channels that were one stay one."""
        # Grey is one plane expanded to all channels: mixing that plane costs a third, and nothing shared is written to.
        own = video[:, :1] if video.stride(1) == 0 else video
        cut = len(video) - self.shift
        # Two parts of a cyclic shift instead of a shifted copy, which would be as large as the batch.
        parts = ((slice(self.shift, None), slice(None, cut)), (slice(None, self.shift), slice(cut, None)))
        if self.box is None:
            mixed = own * self.weight
            for to, other in parts:
                mixed[to].add_(own[other], alpha=1 - self.weight)
        else:
            top, bottom, left, right = self.box
            mixed = own.clone()
            for to, other in parts:
                mixed[to, ..., top:bottom, left:right] = own[other, ..., top:bottom, left:right]
        return mixed.expand(video.shape)

    def targets(self, target: Tensor, classes: int) -> Tensor:
        """Probabilities of the classes, float32 (B, K), from class numbers (B,)."""
        hot = F.one_hot(target, classes).float()
        return hot * self.weight + hot.roll(self.shift, 0) * (1 - self.weight)


def draw_mixture(
    seed: int, number: int, shape: tuple[int, ...], *, rank: int = 0, mixup: float = 0.0, cutmix: float = 0.0
) -> Mixture | None:
    """How a batch is mixed: a function of the arguments, so a resumed run mixes as it would have.

    Every clip of a batch meets the same shift and weight, as in the papers, and another clip where there is one.
    mixup: Zhang et al. 2018, arXiv 1710.09412. CutMix: Yun et al. 2019, arXiv 1905.04899, its box the same in all
    frames, as in VideoMix (Yun et al. 2020, arXiv 2012.03457).

    Args:
        seed: of the run.
        number: of the batch; another one, another mixture.
        shape: (B, C, T, H, W) of the batch.
        rank: of the process, each of which mixes in its own way.
        mixup: alpha of the symmetric Beta distribution of mixup's weight; 0 is off.
        cutmix: the same for CutMix. If both are on, a batch takes either, with equal probability.

    Returns:
        None where both are off.
    """
    if not (mixup or cutmix):
        return None
    which, quantile, shift, y, x = _uniforms(seed, number, rank)
    cut = cutmix > 0 and (mixup == 0 or which < 0.5)
    alpha = cutmix if cut else mixup
    # The inverse of its distribution function takes one number, where rejection would take any number of them.
    weight = float(betaincinv(alpha, alpha, quantile))
    others = shape[0] - 1
    by = 1 + int(shift * others) if others else 0
    if not cut:
        return Mixture(by, weight)
    rows, columns = shape[-2:]
    top, bottom = _side(rows, y, weight)
    left, right = _side(columns, x, weight)
    # A box that was cut off at the border weighs what is left of it.
    share = (bottom - top) * (right - left) / (rows * columns)
    return Mixture(by, 1 - share, (top, bottom, left, right))


def _side(length: int, centre: float, weight: float) -> tuple[int, int]:
    """First and past-the-last pixel of a box of sqrt(1 - weight) of `length`, cut off at the borders."""
    half = int(length * math.sqrt(1 - weight)) // 2
    middle = int(centre * length)
    return max(0, middle - half), min(length, middle + half)


def _uniforms(seed: int, number: int, rank: int) -> list[float]:
    """Five numbers in [0, 1), which the seed, the batch and the process determine."""
    numbers: list[float] = uniform64(words64(seed, _DOMAIN, number, 5, rank=rank)).tolist()
    return numbers
