"""The random part of instances: uniform numbers for clips and for their layers, from counters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import Domain, Field, uniforms, words

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TextureInstances:
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


def draw_texture_instances(
    seed: int,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    *,
    figure: int,
    layers: int = 0,
    numbers: int = 0,
) -> TextureInstances:
    """Draw instances (B,) of classes (B,) of a bank.

    Args:
        seed: the bank's.
        class_id: (B,).
        instance_id: (B,).
        figure: how many numbers a clip.
        layers: L; a layer's numbers do not depend on how many there are.
        numbers: how many numbers a layer.
    """

    def by_meaning(field: Field, *shape: int) -> Floats:
        """Numbers (N, B) or (N, B, L): what one number of each clip or layer means stands side by side."""
        drawn = uniforms(seed, Domain.INSTANCE, field, instance_id, class_id, int(np.prod(shape)))
        return np.ascontiguousarray(np.moveaxis(drawn.reshape(len(class_id), *shape), -1, 0), np.float64)

    return TextureInstances(
        class_id=class_id,
        instance_id=instance_id,
        figure=by_meaning(Field.FIGURE, figure),
        layers=by_meaning(Field.LAYERS, layers, numbers),
        seeds=words(seed, Domain.INSTANCE, Field.LAYER_SEEDS, instance_id, class_id, layers),
    )
