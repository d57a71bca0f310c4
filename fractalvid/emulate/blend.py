"""Foregrounds in front of backgrounds: three small tables a sample, on a GPU joined to one of all pairs of greys."""

import numpy as np
import torch
from torch import Tensor

from fractalvid.emulate.parameters import Backgrounds
from fractalvid.kernels.drawing.views import blend_pairs
from fractalvid.utils.tensors import upload

CPU = torch.device("cpu")
STEPS = 4096
"""Steps of the sum of foreground and background, before the last exponent."""


def blend(front: Tensor, back: Tensor, drawn: Backgrounds) -> Tensor:
    """Foregrounds uint8 (B, C, T, H, W) before backgrounds float32 likewise, in 0..255: uint8.

    The reference method's ((1 - α) · front^power + α · back^power)^gamma, or the maximum of both.
    """
    if front.device.type == "cpu":
        fore, behind, curves = (table.numpy() for table in _tables(drawn, front.device))
        maximum, threads = drawn.maximum.astype(np.uint8), torch.get_num_threads()
        greys = front.numpy(), back.numpy()
        return torch.from_numpy(blend_pairs(*greys, (fore, behind), curves, maximum, threads=threads))
    tables = blend_tables(drawn, front.device)
    begin = 2**16 * torch.arange(len(tables), dtype=torch.int32, device=front.device)
    place = front.to(torch.int32).mul_(256).add_(back.add(0.5).to(torch.uint8))
    place += begin.view(-1, 1, 1, 1, 1)
    return tables.view(-1).index_select(0, place.view(-1)).view(front.shape)


def blend_tables(drawn: Backgrounds, device: torch.device = CPU) -> Tensor:
    """The blend of every pair of greys: uint8 (B, 256, 256), by foreground and background."""
    fore, behind, curves = _tables(drawn, device)
    total = fore[:, :, None] + behind[:, None]
    total += curves.shape[1] * torch.arange(len(total), dtype=torch.int32, device=device)[:, None, None]
    tables: Tensor = curves.view(-1).index_select(0, total.view(-1)).view(total.shape)
    if not drawn.maximum.any():
        return tables
    grey = torch.arange(256, device=device).to(torch.uint8)
    return torch.where(upload(drawn.maximum[:, None, None], device), torch.maximum(grey[:, None], grey), tables)


def _tables(drawn: Backgrounds, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """What each grey adds as foreground and as background, int32 (B, 256), and the grey of any sum, (B, STEPS + 1).

    Weights add up to 1, so that rounding can make a sum of two whites larger than STEPS - 1 by 1 at most.
    """
    power, alpha, gamma = upload(np.stack([drawn.power, drawn.alpha, drawn.gamma])[..., None], device)
    greys, sums = (torch.arange(n, dtype=torch.float64, device=device) for n in (256, STEPS + 1))
    raised = (STEPS - 1) * (greys / 255) ** power
    fore, behind = ((weight * raised).round_().int() for weight in (1 - alpha, alpha))
    curves = 255 * (sums / (STEPS - 1)).clamp_(max=1) ** gamma
    return fore, behind, curves.round_().to(torch.uint8)
