"""Random resized crop and flip, as homographies under which clips are drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.draws import Domain, Field, uniforms
from fractalvid.errors import UserError


@dataclass(frozen=True)
class CameraConfig:
    """Crop and flip of a sample, held over its frames.

    Attributes:
        crop_scale: smallest and largest area of the crop, as a share of the view.
        crop_ratio: smallest and largest aspect of the crop, width to height, drawn evenly in the logarithm.
        flip: probability of mirroring left and right.
    """

    crop_scale: tuple[float, float] = (0.5, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5

    def __post_init__(self) -> None:
        """Refuse shares outside 0..1 and reversed ranges."""
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise UserError(f"crop_scale must be a range in (0, 1], got {self.crop_scale}")
        if not 0 < self.crop_ratio[0] <= self.crop_ratio[1] < np.inf:
            raise UserError(f"crop_ratio must be a range above 0, got {self.crop_ratio}")
        if not 0 <= self.flip <= 1:
            raise UserError(f"flip must be a probability, got {self.flip}")


@dataclass(frozen=True)
class Camera:
    """The drawn part: B crops.

    Attributes:
        corner: float32 (B, 2), left and top of the crop as shares of the view.
        extent: float32 (B, 2), width and height of the crop as shares of the view.
        flip: bool (B,).
    """

    corner: NDArray[np.float32]
    extent: NDArray[np.float32]
    flip: NDArray[np.bool_]


def identity_camera(count: int) -> Camera:
    """The whole view, as it is."""
    return Camera(np.zeros((count, 2), np.float32), np.ones((count, 2), np.float32), np.zeros(count, np.bool_))


def draw_camera(config: CameraConfig, seed: int, low: ArrayLike, high: ArrayLike) -> Camera:
    """Draw crops for samples whose index has the words `low` and `high` (B,)."""
    u = uniforms(seed, Domain.SAMPLE, Field.CROP, low, high, 4)
    area = config.crop_scale[0] + u[:, 0] * (config.crop_scale[1] - config.crop_scale[0])
    first, last = np.log(config.crop_ratio[0]), np.log(config.crop_ratio[1])
    ratio = np.exp(first + u[:, 1] * (last - first))
    extent = np.minimum(np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=1), 1)
    flip = uniforms(seed, Domain.SAMPLE, Field.FLIP, low, high, 1)[:, 0] < config.flip
    return Camera((u[:, 2:] * (1 - extent)).astype(np.float32), extent.astype(np.float32), flip)


def camera_matrices(camera: Camera, size: int) -> NDArray[np.float32]:
    """Homographies (B, 3, 3) from pixels of the whole view to pixels of the crop, both `size` wide and high."""
    scale = 1 / camera.extent.astype(np.float64)
    shift = -camera.corner * scale * size
    mirror = np.where(camera.flip, -1.0, 1.0)
    matrices = np.zeros((len(scale), 3, 3))
    matrices[:, 0, 0] = mirror * scale[:, 0]
    matrices[:, 0, 2] = np.where(camera.flip, size - shift[:, 0], shift[:, 0])
    matrices[:, 1, 1] = scale[:, 1]
    matrices[:, 1, 2] = shift[:, 1]
    matrices[:, 2, 2] = 1
    return matrices.astype(np.float32)
