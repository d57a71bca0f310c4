"""How layers are textured: a texture of the class, with tones, directions and phases of the instance."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.drawing import TEXTURES
from fractalvid.textures.bank import evenly, evenly_in_logarithm
from fractalvid.textures.motion import TURN
from fractalvid.utils.checks import Range

Floats = NDArray[np.float64]

Texture = Literal["flat", "ramp", "stripes", "checks", "rings", "clouds", "mosaic"]
STYLE_NUMBERS = 4
"""Random numbers that the style of a layer takes: direction, phase, tone and tint."""
WAVELENGTH_LIMITS: Range = (0.01, 2.0)
_TINT_SPAN = 0.2
"""Share of the palette that the texture of one layer covers."""


@dataclass(frozen=True)
class LayerStyles:
    """How the layers of B clips are textured: fields of `fractalvid.kernels.drawing.Layers` of these names."""

    texture: NDArray[np.int32]
    pattern: NDArray[np.float32]
    tones: NDArray[np.float32]
    tints: NDArray[np.float32]


def sample_style(config: Any, rng: np.random.Generator) -> dict[str, Any]:
    """A class's texture, wavelength and contrast, from the fields `textures`, `wavelength` and `contrast`."""
    return {
        "texture": np.int64(TEXTURES.index(str(rng.choice(config.textures)))),
        "wavelength": evenly_in_logarithm(rng, config.wavelength),
        "contrast": evenly(rng, config.contrast),
    }


def layer_styles(bank: Any, class_id: NDArray[np.int64], numbers: Floats, size: Floats, darkest: float) -> LayerStyles:
    """Styles of layers of the given size (B, L), from `STYLE_NUMBERS` numbers each (4, B, L).

    A texture is as fine in the plane on large layers as on small ones. Bright tones lie in [darkest, 1]; the dark tone
    of a texture lies below the bright one by the class's contrast.
    """
    turn, phase, tone, tint = numbers
    angle = TURN * turn
    frequency = TURN * size / bank.wavelength[class_id][:, None]
    bright = darkest + (1 - darkest) * tone
    dark = bright * (1 - bank.contrast[class_id][:, None])
    first = (1 - _TINT_SPAN) * tint
    return LayerStyles(
        texture=np.broadcast_to(bank.texture[class_id][:, None], size.shape).astype(np.int32),
        pattern=np.stack([np.cos(angle), np.sin(angle), frequency, TURN * phase], axis=-1).astype(np.float32),
        tones=np.stack([dark, bright], axis=-1).astype(np.float32),
        tints=np.stack([first, first + _TINT_SPAN], axis=-1).astype(np.float32),
    )
