"""RandAugment (Cubuk et al. 2020, arXiv 1909.13719), drawn first and then applied alike to all frames of a clip.

Operations are those of `torchvision.transforms.v2.RandAugment`, which draws from a global generator and so cannot be
repeated for one clip among many. The scale of the magnitude is PyTorchVideo's, which the reference method uses: it ends
at 10, where torchvision's ends at 30, with the same strongest rotation, shear, translation, factors and solarization.
Posterize alone is torchvision's, from 8 bits down to 4, not from 4 down to 1. Emulation has another RandAugment
(`fractalvid.emulate.photometric.randaugment`): PyTorchVideo's, on the same scale, without repetition, with the
statistics of whole clips, and with movement as part of the camera's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from fractalvid.finetune.clips.config import LARGEST_MAGNITUDE, AugmentConfig
from fractalvid.finetune.clips.draws import POLICY, uniform


@dataclass(frozen=True)
class Operation:
    """A change of uint8 (..., 3, H, W): `apply(frames, strength)`.

    `strongest` belongs to magnitude 10, magnitude m to `weakest` + (`strongest` - `weakest`) m / 10, and where `signed`
    to plus or minus that.
    """

    apply: Callable[[Tensor, float], Tensor]
    strongest: float = 0.0
    weakest: float = 0.0
    signed: bool = False


def _moved(
    x: Tensor, *, angle: float = 0, right: float = 0, down: float = 0, shear: Sequence[float] = (0, 0)
) -> Tensor:
    """Rotated, moved (shares of width and height) and sheared (degrees); what comes in from outside is black."""
    moved: Tensor
    if any(shear):
        corner = [0.0, 0.0]  # as AutoAugment's public code has it
        moved = F.affine(x, angle=0.0, translate=[0, 0], scale=1.0, shear=list(shear), center=corner)
    elif angle:
        moved = F.rotate(x, angle=angle)
    else:
        pixels = [int(right * x.shape[-1]), int(down * x.shape[-2])]
        moved = F.affine(x, angle=0.0, translate=pixels, scale=1.0, shear=[0.0, 0.0])
    return moved


OPERATIONS: dict[str, Operation] = {
    "identity": Operation(lambda x, _: x),
    "shear_x": Operation(lambda x, m: _moved(x, shear=[math.degrees(math.atan(m)), 0.0]), 0.3, signed=True),
    "shear_y": Operation(lambda x, m: _moved(x, shear=[0.0, math.degrees(math.atan(m))]), 0.3, signed=True),
    "translate_x": Operation(lambda x, m: _moved(x, right=m), 150 / 331, signed=True),
    "translate_y": Operation(lambda x, m: _moved(x, down=m), 150 / 331, signed=True),
    "rotate": Operation(lambda x, m: _moved(x, angle=m), 30.0, signed=True),
    "brightness": Operation(lambda x, m: F.adjust_brightness(x, 1 + m), 0.9, signed=True),
    "saturation": Operation(lambda x, m: F.adjust_saturation(x, 1 + m), 0.9, signed=True),
    "contrast": Operation(lambda x, m: F.adjust_contrast(x, 1 + m), 0.9, signed=True),
    "sharpness": Operation(lambda x, m: F.adjust_sharpness(x, 1 + m), 0.9, signed=True),
    "posterize": Operation(lambda x, m: F.posterize(x, bits=round(m)), 4.0, weakest=8.0),
    "solarize": Operation(lambda x, m: F.solarize(x, threshold=m), 0.0, weakest=255.0),
    "autocontrast": Operation(lambda x, _: F.autocontrast(x)),
    "equalize": Operation(lambda x, _: F.equalize(x)),
}
_MOVING = frozenset({"shear_x", "shear_y", "translate_x", "translate_y", "rotate"})
"""Those that move pixels."""
_NAMES = tuple(OPERATIONS)  # their order belongs to what a seed gives: append only


@dataclass(frozen=True)
class Policy:
    """The draws of B clips: `which` operations (B, n) come in turn, the signs of their strengths, and `blur` (B,)."""

    which: NDArray[np.int64]
    negative: NDArray[np.bool_]
    blur: NDArray[np.bool_]


def draw_policy(seed: int, indices: NDArray[np.int64], config: AugmentConfig) -> Policy:
    """Draw for the samples `indices` (B,) of the stream `seed`."""
    u = uniform(seed, POLICY, indices, 1 + 2 * config.operations)
    return Policy((u[1::2].T * len(_NAMES)).astype(np.int64), u[2::2].T < 0.5, u[0] < config.blur)


def strength(name: str, magnitude: float, negative: bool) -> float:
    """What an operation takes at a magnitude of 0 to 10."""
    row = OPERATIONS[name]
    value = row.weakest + (row.strongest - row.weakest) * magnitude / LARGEST_MAGNITUDE
    return -value if row.signed and negative else value


def apply_policy(frames: Tensor, drawn: Policy, i: int, magnitude: float) -> Tensor:
    """Clip i's operations in turn, then its blur, on uint8 (T, H, W, 3): the same for all frames."""
    x = frames.permute(0, 3, 1, 2)
    for which, negative in zip(drawn.which[i], drawn.negative[i], strict=True):
        name = _NAMES[which]
        x = OPERATIONS[name].apply(x, strength(name, magnitude, bool(negative)))
    if drawn.blur[i]:
        x = F.gaussian_blur(x, [3, 3])
    return x.permute(0, 2, 3, 1)


def move_mask(mask: Tensor, drawn: Policy, i: int, magnitude: float) -> Tensor:
    """A mask, uint8 (T, H, W, 1), of clip i after those of its operations that move pixels."""
    x = mask.permute(0, 3, 1, 2)
    for which, negative in zip(drawn.which[i], drawn.negative[i], strict=True):
        name = _NAMES[which]
        if name in _MOVING:
            x = OPERATIONS[name].apply(x, strength(name, magnitude, bool(negative)))
    return x.permute(0, 2, 3, 1)
