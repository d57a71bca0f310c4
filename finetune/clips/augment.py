"""What is random about a training clip: drawn first, as arrays for a whole batch; applied after, purely.

A draw is a function of (seed, index) alone, and holds fractions, not pixels or frames: it does not depend on the video
that it will meet.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fractalvid.finetune.cache.frames import Bytes, Frames
from fractalvid.finetune.clips.config import FLIP, AugmentConfig, Triple
from fractalvid.finetune.clips.draws import AUGMENT, Floats, uniform

_NUMBERS = 9
"""Drawn for each clip: a number for each field of `Augmentation`."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in the luma of the videos themselves


@dataclass(frozen=True)
class Augmentation:
    """The draws of B clips, each an array (B,).

    `time`, `left`, `top` in [0, 1): where in its room the window or crop begins; `area` share of the frame;
    `ratio` width to height; `flip`; `brightness`, `contrast`, `saturation` factors.
    """

    time: Floats
    area: Floats
    ratio: Floats
    left: Floats
    top: Floats
    flip: NDArray[np.bool_]
    brightness: Floats
    contrast: Floats
    saturation: Floats


def draw(seed: int, indices: NDArray[np.int64], config: AugmentConfig) -> Augmentation:
    """Draw for the samples `indices` (B,) of the stream `seed`."""
    u = uniform(seed, AUGMENT, indices, _NUMBERS)
    low, high = np.log(config.crop_ratio)
    return Augmentation(
        time=u[0],
        area=config.crop_scale[0] + (config.crop_scale[1] - config.crop_scale[0]) * u[1],
        ratio=np.exp(low + (high - low) * u[2]),
        left=u[3],
        top=u[4],
        flip=u[5] < (FLIP if config.flip is None else config.flip),
        brightness=1 + config.brightness * (2 * u[6] - 1),
        contrast=1 + config.contrast * (2 * u[7] - 1),
        saturation=1 + config.saturation * (2 * u[8] - 1),
    )


def crop_box(height: int, width: int, drawn: Augmentation, i: int) -> tuple[int, int, int, int]:
    """Top, left, rows and columns of clip i's crop in a frame of `height` x `width` pixels.

    A crop that would be wider or higher than the frame is cut to it, so that one draw always suffices. All of the area
    asks for no crop at random: it is the largest of its ratio, from the middle, as torchvision's RandomResizedCrop.
    """
    if drawn.area[i] == 1:
        rows, columns = (max(1, round(side)) for side in _largest(height, width, drawn.ratio[i]))
        return (height - rows) // 2, (width - columns) // 2, rows, columns
    area = drawn.area[i] * height * width
    rows = int(np.clip(round(np.sqrt(area / drawn.ratio[i])), 1, height))
    columns = int(np.clip(round(np.sqrt(area * drawn.ratio[i])), 1, width))
    return int(drawn.top[i] * (height - rows + 1)), int(drawn.left[i] * (width - columns + 1)), rows, columns


def _largest(height: int, width: int, ratio: float) -> tuple[float, float]:
    """Rows and columns of the largest crop whose width is `ratio` times its height."""
    return (width / ratio, width) if width < height * ratio else (height, height * ratio)


def resize(frames: Bytes, size: int) -> Tensor:
    """uint8 (T, H, W, 3) to uint8 (T, size, size, 3), bilinear with antialiasing."""
    # Channels last all the way: torch then resizes bytes with vector instructions.
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2)
    if frames.shape[1:3] != (size, size):
        planes = functional.interpolate(planes, size=(size, size), mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)


def crop(frames: Frames, chosen: NDArray[np.int64], drawn: Augmentation, i: int, size: int) -> Tensor:
    """Cut clip i's crop out of the frames `chosen` (T,) of uint8 (N, H, W, 3): uint8 (T, size, size, 3)."""
    top, left, rows, columns = crop_box(frames.shape[1], frames.shape[2], drawn, i)
    # Times and region in one go, so that only what is seen is copied.
    cut = resize(frames[chosen, top : top + rows, left : left + columns], size)
    return cut.flip(2) if drawn.flip[i] else cut


def colour_maps(drawn: Augmentation, means: Tensor) -> tuple[Tensor, Tensor]:
    """Colour as one affine map a clip: new rgb = matrix (B, 3, 3) · rgb + offset (B, 3), rgb in [0, 1].

    Brightness scales, saturation mixes with the pixel's grey, contrast with the clip's mean grey; `means`
    (B, 3) are the clips' mean colours.
    """
    luma = torch.tensor(_LUMA)
    b, c, s = (torch.from_numpy(a).float() for a in (drawn.brightness, drawn.contrast, drawn.saturation))
    mix = s[:, None, None] * torch.eye(3) + (1 - s)[:, None, None] * luma.expand(3, 3)
    # Written out: a matrix product over the batch rounds a clip's grey by how many others there are on some processors.
    grey = means[:, 0] * luma[0] + means[:, 1] * luma[1] + means[:, 2] * luma[2]
    offset = (1 - c) * b * grey
    return (c * b)[:, None, None] * mix, offset[:, None].expand(-1, 3)


def to_network(video: Tensor, mean: Triple, std: Triple, drawn: Augmentation | None = None) -> Tensor:
    """uint8 (B, T, H, W, 3) to normalised float32 (B, 3, T, H, W), recoloured as `drawn` says."""
    # Planes first, while they are bytes: a quarter of the memory to shuffle.
    x = video.flatten(1, -2).transpose(1, 2).contiguous().float()  # (B, 3, T H W)
    shift, scale = torch.tensor(mean), torch.tensor(std)
    if drawn is None:
        x = (x / 255 - shift[:, None]) / scale[:, None]
    else:
        matrix, offset = colour_maps(drawn, x.mean(2) / 255)
        # Normalising is affine too: one product for both, then each channel's own white and black.
        x = torch.baddbmm(((offset - shift) / scale)[..., None], matrix / (255 * scale[:, None]), x)
        for k in range(3):
            x[:, k].clamp_(-mean[k] / std[k], (1 - mean[k]) / std[k])
    return x.view(len(video), 3, *video.shape[1:4])
