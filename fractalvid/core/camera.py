"""Random resized crop and flip, as homographies under which clips are drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.seeds import Domain, Field, index_words, uniforms
from fractalvid.utils.checks import check_fields, check_p, check_range, shown
from fractalvid.utils.errors import UserError

SMALLEST = 1e-4
"""Smallest area and aspect of a crop, and smallest inverse of its aspect."""

_FLATTEST = 1e-12
"""Least determinant of a camera, as a share of the product of its rows' lengths: below, rounding alone makes it one."""


@dataclass(frozen=True)
class CameraConfig:
    """Crop and flip of a sample, held over its frames.

    Attributes:
        crop_scale: smallest and largest area of the crop, as a share of the view.
        crop_ratio: smallest and largest aspect of the crop, width to height, drawn evenly in the logarithm; large crops
            come nearer to a square, so that they lie within the view.
        flip: probability of mirroring left and right.
    """

    crop_scale: tuple[float, float] = (0.5, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5

    def __post_init__(self) -> None:
        """Refuse shares outside 0..1, reversed ranges, and what is no number."""
        check_fields(self)
        check_range("crop_scale", self.crop_scale, SMALLEST, 1)
        check_range("crop_ratio", self.crop_ratio, SMALLEST, 1 / SMALLEST)
        check_p("flip", self.flip)


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


def draw_camera(config: CameraConfig, seed: int, index: ArrayLike) -> Camera:
    """Draw the crops of samples `index` (B,)."""
    low, high = index_words(index)
    u = uniforms(seed, Domain.SAMPLE, Field.CROP, low, high, 4)
    corner, extent = draw_parts(u, config.crop_scale, config.crop_ratio)
    flip = uniforms(seed, Domain.SAMPLE, Field.FLIP, low, high, 1)[:, 0] < config.flip
    return Camera(corner.astype(np.float32), extent.astype(np.float32), flip)


def draw_parts(
    u: NDArray[np.floating], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Random parts of pictures: left and top (B, 2), then width and height (B, 2), as shares of the picture.

    Args:
        u: uniforms (B, 4): for area, aspect, and place along x and y.
        scale: smallest and largest area.
        ratio: smallest and largest aspect, width to height, drawn evenly in the logarithm from those at which a part of
            that area lies within the picture.
    """
    area = scale[0] + u[:, 0] * (scale[1] - scale[0])
    first, last = (np.clip(np.log(end), np.log(area), -np.log(area)) for end in ratio)
    aspect = np.exp(first + u[:, 1] * (last - first))
    extent = np.minimum(np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=1), 1)
    return u[:, 2:] * (1 - extent), extent


def check_camera(camera: ArrayLike, clips: int, frames: int, size: tuple[int, int]) -> NDArray[np.floating]:
    """Homographies of B clips of F frames: (B, 3, 3), or (B, F, 3, 3); one may serve all clips, or all frames.

    A homography is the same times any factor, but what draws takes what has w <= 0 for behind the camera, and w far
    from 1 for very near or far. So they are returned with the middle of a view of `size` (H, W) before the camera, and
    by a power of two, which changes no digit, near 1.

    Raises:
        UserError: other shapes, numbers that are not finite, or homographies that have no inverse.
    """
    try:
        matrices = np.asarray(camera)
    except ValueError:  # of lists of several lengths
        matrices = np.array(None)
    if matrices.dtype.kind not in "fiu":
        raise UserError(f"camera must be numbers (B, 3, 3) or (B, F, 3, 3), got {shown(camera)}")
    fits = zip(matrices.shape[:-2], (clips, frames), strict=False)
    if matrices.ndim not in (3, 4) or matrices.shape[-2:] != (3, 3) or not all(n in (1, most) for n, most in fits):
        wanted = f"({clips}, 3, 3) or ({clips}, {frames}, 3, 3)"
        raise UserError(f"camera must be of shape {wanted}, got {matrices.shape}")
    exact = matrices.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(exact, axis=-1).prod(axis=-1)
        inverted = np.abs(np.linalg.det(exact)) > _FLATTEST * lengths
        middle = exact[..., 2, :] @ (size[1] / 2, size[0] / 2, 1)
        exponent = np.frexp(np.where(middle == 0, 1, middle))[1] - 1
        scaled = exact * np.ldexp(np.where(middle < 0, -1.0, 1.0), -exponent)[..., None, None]
        finite = np.isfinite(scaled.astype(np.float32)).all()  # as they are drawn
    if not (finite and inverted.all()):
        raise UserError("camera must be homographies that are finite and have an inverse")
    result: NDArray[np.floating] = scaled.astype(matrices.dtype) if matrices.dtype.kind == "f" else scaled
    return result


def per_frame(camera: NDArray[np.float32]) -> NDArray[np.float32]:
    """Homographies (B, F, 3, 3) of clips whose camera moves, or (B, 1, 3, 3) from (B, 3, 3) of clips where it rests."""
    return camera if camera.ndim == 4 else camera[:, None]


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
