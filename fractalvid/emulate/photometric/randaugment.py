"""RandAugment (Cubuk et al. 2020): which operations a clip gets, how strongly, and the matrix of those that move it.

Operations, scale and random strength are those of PyTorchVideo, which the reference method uses: a magnitude of 7 is of
10. Departures: posterize keeps at least one bit, shear is about the middle, and what moves the picture is a matrix, to
be composed with all else that does. `operations` applies the others. Fine-tuning has torchvision's RandAugment
(`fractalvid.finetune.clips.randaugment`), whose operations, scale and way of drawing are others.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fractalvid.core.seeds import Field
from fractalvid.emulate.photometric.config import MAX_LEVEL, MAX_OPERATIONS, PhotometricConfig
from fractalvid.emulate.photometric.effect import RandomNumbers


class Operation(IntEnum):
    """What an operation does, and what its argument means; 0 does nothing."""

    IDENTITY = 0
    BRIGHTNESS = 1  # factor
    CONTRAST = 2  # factor, around the mean
    COLOUR = 3  # factor of saturation; nothing on a grey clip
    SHARPNESS = 4  # factor; below 1 blurs
    AUTOCONTRAST = 5
    EQUALIZE = 6
    INVERT = 7
    ROTATE = 8  # radians
    POSTERIZE = 9  # bits that are kept
    SOLARIZE = 10  # share of white from which on pixels are inverted
    SHEAR_X = 11  # width to height
    SHEAR_Y = 12  # height to width
    TRANSLATE_X = 13  # share of the frame
    TRANSLATE_Y = 14  # share of the frame


FACTORS = (Operation.BRIGHTNESS, Operation.CONTRAST, Operation.COLOUR, Operation.SHARPNESS)
SHEARS = (Operation.SHEAR_X, Operation.SHEAR_Y)
TRANSLATIONS = (Operation.TRANSLATE_X, Operation.TRANSLATE_Y)
GEOMETRIC = (Operation.ROTATE, *SHEARS, *TRANSLATIONS)

_AT_ZERO, _SPAN = np.zeros(len(Operation)), np.zeros(len(Operation))
"""Argument of each operation at magnitude 0, and what is added, or for a signed one added or taken away, at 10."""
_AT_ZERO[list(FACTORS)], _SPAN[list(FACTORS)] = 1, 0.9
_SPAN[Operation.ROTATE] = np.radians(30)
_AT_ZERO[Operation.POSTERIZE], _SPAN[Operation.POSTERIZE] = 4, -4
_AT_ZERO[Operation.SOLARIZE], _SPAN[Operation.SOLARIZE] = 1, -1
_SPAN[list(SHEARS)] = 0.3
_SPAN[list(TRANSLATIONS)] = 0.45

RANDAUGMENT_COUNTS = {Field.RANDAUGMENT_CHOICE: MAX_OPERATIONS, Field.RANDAUGMENT_STRENGTH: 3 * MAX_OPERATIONS}
"""Random words a clip: one orders each operation, and three say whether, which way and how strongly it is applied."""


@dataclass(frozen=True)
class RandAugment:
    """RandAugment of B clips.

    Attributes:
        operation: int64 (B, n), `Operation`s in the order in which they are applied.
        argument: float32 (B, n), theirs, 0 where there is none.
    """

    operation: NDArray[np.int64]
    argument: NDArray[np.float32]


def draw_randaugment(config: PhotometricConfig, numbers: RandomNumbers) -> RandAugment:
    """Draw the operations of clips."""
    of = config.randaugment
    order, u = numbers.uniforms(Field.RANDAUGMENT_CHOICE), numbers.uniforms(Field.RANDAUGMENT_STRENGTH)
    drawn = 1 + np.argsort(order, axis=1, kind="stable")[:, : of.operations]
    apply, sign, normal = u.reshape(-1, MAX_OPERATIONS, 3)[:, : of.operations].astype(np.float64).transpose(2, 0, 1)
    # Uniforms are whole parts of 2^-24, 0 included: half a part more lies within (0, 1).
    level = np.clip(of.magnitude + of.spread * ndtri(normal + 2.0**-25), 0, MAX_LEVEL) / MAX_LEVEL
    signed = ~np.isin(drawn, (Operation.POSTERIZE, Operation.SOLARIZE))
    argument = _AT_ZERO[drawn] + np.where(signed & (sign < 0.5), -level, level) * _SPAN[drawn]
    argument = np.where(drawn == Operation.POSTERIZE, np.maximum(np.ceil(argument), 1), argument)
    applied = apply < of.p * numbers.progress[:, None]
    return RandAugment(
        operation=np.where(applied, drawn, Operation.IDENTITY),
        argument=np.where(applied, argument, 0).astype(np.float32),
    )


def geometric_matrix(operation: NDArray[np.int64], argument: NDArray[np.float32]) -> NDArray[np.float32]:
    """The geometric operations (B, n) as one matrix a clip, float32 (B, 3, 3); the identity where there are none.

    It takes places of a square frame (x, y, 1), both 0..1, to where the operations move what is there; rotation and
    shear are about the middle.

    Args:
        operation: (B, n).
        argument: (B, n).
    """

    def only(wanted: Operation) -> NDArray[np.float64]:
        return np.where(operation == wanted, argument, 0).astype(np.float64)

    cosine, sine = np.cos(only(Operation.ROTATE)), np.sin(only(Operation.ROTATE))
    steps = np.zeros((*operation.shape, 3, 3))
    steps[..., 0, 0] = steps[..., 1, 1] = cosine
    steps[..., 0, 1] = only(Operation.SHEAR_X) - sine
    steps[..., 1, 0] = only(Operation.SHEAR_Y) + sine
    steps[..., :2, 2] = 0.5 - steps[..., :2, :2].sum(axis=-1) / 2
    steps[..., 0, 2] += only(Operation.TRANSLATE_X)
    steps[..., 1, 2] += only(Operation.TRANSLATE_Y)
    steps[..., 2, 2] = 1
    matrix = np.broadcast_to(np.eye(3), (len(operation), 3, 3))
    for step in range(operation.shape[1]):
        matrix = steps[:, step] @ matrix
    return np.asarray(matrix, np.float32)
