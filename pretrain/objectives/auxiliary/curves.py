"""How the classes of a bank move from one keyframe to the other, as a vector a class to be regressed."""

import numpy as np
import torch
from torch import Tensor

from fractalvid.core.bank import Bank
from fractalvid.core.curves import CURVE_KINDS, sample_grid
from fractalvid.fractals.bank import ClassBank
from fractalvid.utils.errors import UserError

TIMES = 8
"""Equidistant times of a clip at which its curve is taken."""
_CONSTANT = 1e-6
"""Components with a standard deviation below it tell no classes apart."""


def curve_targets(bank: Bank) -> Tensor:
    """What is regressed of each class: float32 (K, P), every component of mean 0 and variance 1 over the bank.

    They are the shares of a class's maps that take each of the four `fractalvid.core.curves.CURVE_KINDS`, and the mean
    of its maps' curves at `TIMES` times. Components that are the same for all classes are left out, so P is 12 or less.

    Raises:
        UserError: a bank whose classes have no curves, or all the same.
    """
    if not isinstance(bank, ClassBank):
        raise UserError(f"aux-curve is on, but classes of {bank.kind} have no interpolation curves: leave it out")
    used = np.arange(bank.curve.shape[2]) < bank.num_maps[:, None]  # (K, N)
    kinds = (bank.curve_kind[:, :, None] == np.arange(len(CURVE_KINDS))) & used[:, :, None]  # (K, N, 4)
    shares = kinds.sum(1) / bank.num_maps[:, None]
    times = np.linspace(0, 1, TIMES) * (bank.native_frames[:, None] - 1)
    curves = sample_grid(bank.curve, times)  # (K, TIMES, N)
    mean = (curves * used[:, None]).sum(2) / bank.num_maps[:, None]
    raw = np.concatenate([shares, mean], axis=1)
    deviation = raw.std(0)
    telling = deviation > _CONSTANT
    if not telling.any():
        raise UserError("aux-curve is on, but all classes of this bank move along the same curve: leave it out")
    return torch.from_numpy(((raw - raw.mean(0)) / np.maximum(deviation, _CONSTANT))[:, telling]).float()
