"""The random part of instances: uniform numbers a clip and a layer, from counters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import Domain, Field, uniforms, words

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """What is random about B instances. Numbers are in [0, 1) and contiguous, one array a meaning.

    Attributes:
        class_id: int64 (B,).
        instance_id: int64 (B,).
        figure: float64 (M, B), M numbers a clip.
        layers: float64 (N, B, L), N numbers a layer.
        seeds: uint32 (B, L), one a layer.
    """

    class_id: NDArray[np.int64]
    instance_id: NDArray[np.int64]
    figure: Floats
    layers: Floats
    seeds: NDArray[np.uint32]

    def __len__(self) -> int:
        """The number of instances B."""
        return len(self.class_id)


def draw_instances(
    seed: int,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    *,
    figure: int,
    layers: int = 0,
    numbers: int = 0,
) -> Drawn:
    """Draw instances (B,) of classes (B,) of a bank.

    Args:
        seed: the bank's.
        class_id: (B,).
        instance_id: (B,).
        figure: how many numbers a clip.
        layers: L; a layer's numbers do not depend on how many there are.
        numbers: how many numbers a layer.
    """

    def apart(field: Field, *shape: int) -> Floats:
        """Numbers (..., B) or (..., B, L), each meaning by itself."""
        drawn = uniforms(seed, Domain.INSTANCE, field, instance_id, class_id, int(np.prod(shape)))
        return np.ascontiguousarray(np.moveaxis(drawn.reshape(len(class_id), *shape), -1, 0), np.float64)

    return Drawn(
        *(class_id, instance_id),
        figure=apart(Field.FIGURE, figure),
        layers=apart(Field.LAYERS, layers, numbers),
        seeds=words(seed, Domain.INSTANCE, Field.LAYER_SEEDS, instance_id, class_id, layers),
    )
