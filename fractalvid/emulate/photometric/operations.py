"""What RandAugment's operations do to the pixels of many clips at once, each with an operation and argument of its own.

They are torchvision's, but for statistics: mean, extremes and histogram are the clip's and not each frame's, so that an
operation is one function of grey for all frames and nothing flickers. Contrast of colour blends with the mean
brightness, which follows from the channels' histograms. Torchvision rounds each pixel's brightness down before it takes
the mean: results differ by one grey level at most.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.emulate.photometric.effect import Effect, any_nonzero
from fractalvid.emulate.photometric.filters import convolve
from fractalvid.emulate.photometric.randaugment import (
    GEOMETRIC,
    RANDAUGMENT_COUNTS,
    Operation,
    RandAugment,
    draw_randaugment,
)
from fractalvid.emulate.photometric.tables import compose, histogram, identity_tables, look_up, moved
from fractalvid.utils.tensors import at_rows, on_active, rows_of, upload


def _apply_randaugment(video: Tensor, drawn: RandAugment) -> Tensor:
    """All but the geometric operations, which are part of the clips' homographies."""
    changed = any_nonzero(~np.isin(drawn.operation, (Operation.IDENTITY, *GEOMETRIC)))
    return on_active(
        video, changed, lambda clips, rows: apply_operations(clips, drawn.operation[rows], drawn.argument[rows])
    )


RANDAUGMENT = Effect(counts=RANDAUGMENT_COUNTS, draw=draw_randaugment, apply=_apply_randaugment)


def apply_operations(video: Tensor, operation: NDArray[np.int64], argument: NDArray[np.float32]) -> Tensor:
    """Apply all but the geometric operations (B, n), in order, to uint8 (B, C, T, H, W).

    Pointwise ones are gathered in one table a clip and channel, which is used before an operation that looks at
    neighbours or at other channels, and at the end.
    """
    tables = identity_tables(len(video), video.shape[1], video.device)
    pending = np.zeros(len(video), np.bool_)
    for step in range(operation.shape[1]):
        for kind, effect in _SPATIAL.items():
            active = operation[:, step] == kind
            # The colour of a grey clip is left alone.
            if active.any() and not (kind == Operation.COLOUR and video.shape[1] == 1):
                video = _with_tables(video, tables, active & pending)
                tables = on_active(tables, active & pending, _emptied)
                video = on_active(video, active, partial(_with_spatial, effect, argument[:, step]))
                pending &= ~active
        rows_of_kind = {kind: np.flatnonzero(operation[:, step] == kind) for kind in (*_POINTWISE, *_BY_HISTOGRAM)}
        rows = np.concatenate(list(rows_of_kind.values()))
        counts = {kind: len(some) for kind, some in rows_of_kind.items() if len(some)}
        tables = at_rows(tables, rows, partial(_extended, counts, argument[:, step], video))
        pending[rows] = True
    return _with_tables(video, tables, pending)


def _with_tables(video: Tensor, tables: Tensor, active: NDArray[np.bool_]) -> Tensor:
    """Apply the tables of active clips (B,)."""
    return on_active(video, active, lambda clips, _, own: look_up(clips, own), tables)


def _emptied(tables: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Tables that change nothing, in the place of others."""
    return identity_tables(len(tables), tables.shape[1], tables.device)


def _with_spatial(
    effect: Callable[[Tensor, Tensor], Tensor], argument: NDArray[np.float32], clips: Tensor, rows: NDArray[np.int64]
) -> Tensor:
    """Clips after an operation of `_SPATIAL`."""
    return effect(clips, _per_clip(argument[rows], clips)[..., None])


def _extended(
    counts: dict[Operation, int],
    argument: NDArray[np.float32],
    video: Tensor,
    tables: Tensor,
    rows: NDArray[np.int64],
) -> Tensor:
    """The tables of clips, each extended by an operation.

    Args:
        counts: of how many clips it is which operation, in the order of `rows`: those of `_POINTWISE` come first.
        argument: of all clips.
        video: all clips, as they are before their tables.
        tables: (R, C, 1, 256), of the clips at `rows`.
        rows: (R,).
    """
    values = dict(zip(counts, torch.split(_per_clip(argument[rows], video), list(counts.values())), strict=True))
    curves = [_POINTWISE[kind](value) for kind, value in values.items() if kind in _POINTWISE]
    looking = {kind: count for kind, count in counts.items() if kind in _BY_HISTOGRAM}
    if looking:
        first = len(rows) - sum(looking.values())
        seen = torch.split(moved(histogram(rows_of(video, rows[first:])), tables[first:]), list(looking.values()))
        curves += [_BY_HISTOGRAM[kind](own, values[kind]) for kind, own in zip(looking, seen, strict=True)]
    return compose(tables, torch.cat([curve.expand(-1, tables.shape[1], -1, -1) for curve in curves]))


def _per_clip(argument: NDArray[np.float32], like: Tensor) -> Tensor:
    """Arguments (B,) as (B, 1, 1, 1), on the device of another tensor."""
    return upload(argument, like.device).view(-1, 1, 1, 1)


# Pointwise operations that need only their argument: value (B, 1, 1, 1) -> tables (B, 1, 1, 256).


def _greys(like: Tensor) -> Tensor:
    return torch.arange(256, dtype=torch.float32, device=like.device)


def _to_byte(greys: Tensor) -> Tensor:
    """Greys cut to 0..255 and to whole numbers, as torchvision does."""
    return greys.clamp(0, 255).to(torch.uint8)


def _brightness(factor: Tensor) -> Tensor:
    return _to_byte(_greys(factor) * factor)


def _invert(value: Tensor) -> Tensor:
    return _to_byte(255 - _greys(value).expand(*value.shape[:3], 256))


def _posterize(bits: Tensor) -> Tensor:
    # Not by exp2, which a GPU may round.
    step = torch.ones_like(bits, dtype=torch.int32) << (8 - bits).int()
    return _to_byte(torch.floor(_greys(bits) / step) * step)


def _solarize(threshold: Tensor) -> Tensor:
    greys = _greys(threshold)
    return _to_byte(torch.where(greys >= 255 * threshold, 255 - greys, greys))


_POINTWISE: dict[Operation, Callable[[Tensor], Tensor]] = {
    Operation.BRIGHTNESS: _brightness,
    Operation.INVERT: _invert,
    Operation.POSTERIZE: _posterize,
    Operation.SOLARIZE: _solarize,
}


# Pointwise operations that look at the clip: counts (B, C, 1, 256), value (B, 1, 1, 1) -> tables (B, C or 1, 1, 256).


def _contrast(counts: Tensor, factor: Tensor) -> Tensor:
    greys = _greys(counts)
    means = (counts * greys.double()).sum(dim=-1, keepdim=True) / counts.sum(dim=-1, keepdim=True)
    mean = _grey(means) if means.shape[1] == 3 else means
    return _to_byte(greys * factor + (mean * (1 - factor.double())).float())


def _autocontrast(counts: Tensor, value: Tensor) -> Tensor:
    present = (counts > 0).int()
    darkest = present.argmax(dim=-1, keepdim=True).float()
    lightest = 255 - present.flip(-1).argmax(dim=-1, keepdim=True).float()
    flat = darkest == lightest
    scale = ((lightest - darkest) * (1 / 255)).masked_fill(flat, 1)
    return _to_byte((_greys(counts) - darkest.masked_fill(flat, 0)) / scale)


def _equalize(counts: Tensor, value: Tensor) -> Tensor:
    # As in Pillow: pixels of the lightest value that occurs don't count.
    total = counts.cumsum(dim=-1)
    last = counts.gather(-1, total.argmax(dim=-1, keepdim=True))
    step = (total[..., -1:] - last) // 255
    below = torch.nn.functional.pad(total[..., :-1], (1, 0))
    curve = ((below + step // 2) // step.clamp(min=1)).clamp(0, 255).to(torch.uint8)
    return torch.where(step > 0, curve, _to_byte(_greys(counts)))


_BY_HISTOGRAM: dict[Operation, Callable[[Tensor, Tensor], Tensor]] = {
    Operation.CONTRAST: _contrast,
    Operation.AUTOCONTRAST: _autocontrast,
    Operation.EQUALIZE: _equalize,
}


# Operations on neighbours or channels: uint8 (B, C, T, H, W), value (B, 1, 1, 1, 1) -> uint8 (B, C, T, H, W).


def _smooth(device: torch.device) -> Tensor:
    """Pillow's kernel for smoothing, times 13: float32 (3, 3)."""
    kernel = torch.ones(3, 3, device=device)
    kernel[1, 1] = 5
    return kernel


def _sharpness(video: Tensor, factor: Tensor) -> Tensor:
    height, width = video.shape[3:]
    kernel = _smooth(video.device).expand(len(video), 1, 3, 3)
    # The border stays as it is.
    inside = torch.zeros(height, width, device=video.device)
    inside[1:-1, 1:-1] = 1
    greys = video.float()
    return _to_byte(convolve(video, kernel).div_(13).round_().sub_(greys).mul_(inside * (1 - factor)).add_(greys))


def _colour(video: Tensor, factor: Tensor) -> Tensor:
    return _to_byte(video * factor + _grey(video).floor() * (1 - factor))


def _grey(colours: Tensor) -> Tensor:
    """ITU-R BT.601 brightness (B, 1, ...) of red, green and blue (B, 3, ...), with torchvision's coefficients."""
    red, green, blue = colours.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue)[:, None]


_SPATIAL: dict[Operation, Callable[[Tensor, Tensor], Tensor]] = {
    Operation.SHARPNESS: _sharpness,
    Operation.COLOUR: _colour,
}
