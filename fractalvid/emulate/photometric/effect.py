"""What an effect is: the random numbers it takes, how it is drawn from them, and how what is drawn is applied.

A new effect is a file with a dataclass of what is drawn, two functions and an `Effect` (`noise` is one to copy). Its
settings go to `config`, its row and its dataclass to `pipeline`, and its random words get the next free number in
`fractalvid.core.seeds.Field`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.seeds import Field
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.kernels.compiled import uniform

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class RandomNumbers:
    """The random numbers of B clips.

    Attributes:
        words: uint32 (B, count), by field.
        progress: (B,), 0..1, by which every probability is multiplied.
    """

    words: Mapping[Field, NDArray[np.uint32]]
    progress: NDArray[np.float64]

    def uniforms(self, field: Field) -> Floats:
        """All numbers of a field, in [0, 1): (B, count)."""
        return uniform(self.words[field])

    def occurrence(self, field: Field, p: float) -> tuple[Bools, NDArray[np.float64]]:
        """Whether an effect of probability p occurs (B,), by a field's first number, and its others (count - 1, B)."""
        u = self.uniforms(field).astype(np.float64).T
        return u[0] < p * self.progress, u[1:]


@dataclass(frozen=True)
class Effect(Generic[Drawn]):
    """One effect, or several that are applied in one step.

    Attributes:
        counts: how many random words of each field it takes.
        draw: (settings of all effects, random numbers) -> a dataclass of arrays with B rows, 0 where nothing happens.
            `Photometric` inherits its fields.
        apply: (uint8 (B, C, T, H, W), C 1 or 3, drawn) -> the same shape, each clip by its own row, and the same bits
            where nothing is drawn; it leaves its input alone and waits for no device.
    """

    counts: Mapping[Field, int]
    draw: Callable[[PhotometricConfig, RandomNumbers], Drawn]
    apply: Callable[[Tensor, Drawn], Tensor]


def where_occurring(occurs: Bools, values: NDArray[np.float64]) -> Floats:
    """Values (..., B), 0 where an effect does not occur (B,)."""
    return np.where(occurs, values, 0).astype(np.float32)


def any_nonzero(values: NDArray[np.generic]) -> Bools:
    """Whether anything of each clip (B, ...) is not 0: (B,)."""
    return np.asarray((values.reshape(len(values), -1) != 0).any(axis=1))
