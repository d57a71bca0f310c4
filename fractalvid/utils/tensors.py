"""Drawn arrays on the device that uses them, without anybody waiting for it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def upload(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """An array as a tensor on a device: the same memory on the CPU, a copy that is queued on a GPU.

    Memory that is not pinned would be copied by way of a buffer, for which all that is queued has to be done first.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def rows_of(values: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """A copy of some rows of a tensor."""
    return values.index_select(0, upload(rows, values.device))
