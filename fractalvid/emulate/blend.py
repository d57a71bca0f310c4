"""Foregrounds in front of backgrounds: one table of 256 x 256 greys a sample."""

import numpy as np
import torch
from torch import Tensor

from fractalvid.emulate.parameters import Backgrounds
from fractalvid.kernels.drawing.views import look_up_pairs
from fractalvid.utils.tensors import upload

CPU = torch.device("cpu")
STEPS = 4096
"""Steps of the sum of foreground and background, before the last exponent."""


def blend(front: Tensor, back: Tensor, drawn: Backgrounds) -> Tensor:
    """Foregrounds uint8 (B, C, T, H, W) before backgrounds float32 likewise, in 0..255: uint8.

    The reference method's ((1 - α) · front^power + α · back^power)^gamma, or the maximum of both.
    """
    tables = blend_tables(drawn, front.device)
    if front.device.type == "cpu":
        arrays = front.numpy(), back.numpy(), tables.numpy()
        return torch.from_numpy(look_up_pairs(*arrays, threads=torch.get_num_threads()))
    begin = 2**16 * torch.arange(len(tables), dtype=torch.int32, device=front.device)
    place = front.to(torch.int32).mul_(256).add_(back.add(0.5).to(torch.uint8))
    place += begin.view(-1, 1, 1, 1, 1)
    return tables.view(-1).index_select(0, place.view(-1)).view(front.shape)


def blend_tables(drawn: Backgrounds, device: torch.device = CPU) -> Tensor:
    """The blend of every pair of greys: uint8 (B, 256, 256), by foreground and background."""
    power, alpha, gamma = upload(np.stack([drawn.power, drawn.alpha, drawn.gamma])[..., None], device)
    greys, sums = (torch.arange(n, dtype=torch.float64, device=device) / (n - 1) for n in (256, STEPS))
    raised = (STEPS - 1) * greys**power
    fore, behind = ((weight * raised).round_().int() for weight in (1 - alpha, alpha))
    total = (fore[:, :, None] + behind[:, None]).clamp_(max=STEPS - 1)
    total += STEPS * torch.arange(len(total), dtype=torch.int32, device=device)[:, None, None]
    curves = (255 * sums**gamma).round_().to(torch.uint8)
    tables: Tensor = curves.view(-1).index_select(0, total.view(-1)).view(total.shape)
    if not drawn.maximum.any():
        return tables
    grey = torch.arange(256, device=device).to(torch.uint8)
    return torch.where(upload(drawn.maximum[:, None, None], device), torch.maximum(grey[:, None], grey), tables)
