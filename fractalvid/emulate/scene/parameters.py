"""What is drawn of scenes, as arrays over a batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Shapes:
    """What covers the grounds of B samples: N shapes each, the first on top.

    Attributes:
        place: float64 (B, N, 6), a b c d e f of x = a p + b q + c, y = d p + e q + f, in shares of the tile.
        corners: float64 (B, N, S, 2), polygons in a shape's own coordinates (p, q).
        sides: int64 (B, N), how many corners count; 0 for a disc, -1 for no shape.
        texture: int64 (B, N), index into `fractalvid.kernels.drawing.TEXTURES`.
        pattern: float64 (B, N, 4), direction as cosine and sine, frequency, phase.
        seed: int64 (B, N), of the texture.
        tones: float64 (B, N, 2), grey where the texture is 0 and 1.
        tints: float64 (B, N, 2), tint there.
    """

    place: Floats
    corners: Floats
    sides: Ints
    texture: Ints
    pattern: Floats
    seed: Ints
    tones: Floats
    tints: Floats


@dataclass(frozen=True)
class Scene:
    """The scenes of B samples of T frames. Layers are the ground, two veils from far to near, and the figure's skin.

    Attributes:
        present: bool (B,); nothing else counts where there is none.
        pace: float64 (B,), how fast the figure moves; 1 where there is no scene.
        late: float64 (B,), where its slower time begins, as a share of what that leaves.
        frequency: float64 (B, 3, 2), cells of the coarsest noise of ground and veils across a tile, along x and y.
        persistence: float64 (B, 3).
        seed: int64 (B, 3), of the noise.
        surface: float64 (B, 4, 7), see `fractalvid.kernels.drawing.SURFACE`.
        chroma: float64 (B, 4, 3, 2), blue and red difference of tints, in parts of the grey.
        place: float64 (B, 4, 5), of layers: enlargement, its aspect, turn, x and y of the middle.
        shapes: what covers the ground.
        picture: float64 (B,), which of one's own pictures is the ground, as a share of all; -1 for none.
        depth: float64 (B, 3), of ground and veils, in those of the figure.
        travel: float64 (B, T, 3), where the camera is: right, down and ahead.
        pan: float64 (B, T, 2), by how much its turning moves everything.
        look: float64 (B, 11), see `fractalvid.kernels.drawing.LOOK`; lengths are shares of the frame.
    """

    present: Bools
    pace: Floats
    late: Floats
    frequency: Floats
    persistence: Floats
    seed: Ints
    surface: Floats
    chroma: Floats
    place: Floats
    shapes: Shapes
    picture: Floats
    depth: Floats
    travel: Floats
    pan: Floats
    look: Floats
