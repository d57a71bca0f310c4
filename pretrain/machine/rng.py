"""Torch's random numbers in training (dropout draws them): seeded for each process, kept in checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from fractalvid.pretrain.machine.collectives import all_of
from fractalvid.pretrain.machine.processes import rank, world_size

_GOLDEN = 0x9E3779B97F4A7C15  # an odd number far from simple fractions of 2^64: no two ranks' seeds are near


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's generators start at `seed`, on each rank another; afterwards they are as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        _seed(seed, device)
        yield


def rng_state(device: torch.device) -> dict[str, Tensor | None]:
    """The generators' states, those of all ranks one below the other: `rng` uint8 (n,) or (R, n), `rng_cuda`."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"rng": _stacked(torch.get_rng_state()), "rng_cuda": None if cuda is None else _stacked(cuda)}


def restore_rng(state: dict[str, Any], device: torch.device, *, seed: int, step: int) -> None:
    """Go on with what `rng_state` gave. On another number of processes, generators start anew at `seed` + `step`."""
    rng, rng_cuda = (_of_this_rank(state[name]) for name in ("rng", "rng_cuda"))
    if rng is None:
        _seed(seed + step, device)
        return
    torch.set_rng_state(rng)
    if rng_cuda is not None and device.type == "cuda":
        torch.cuda.set_rng_state(rng_cuda, device)


def _seed(seed: int, device: torch.device) -> None:
    own = (seed + rank() * _GOLDEN) % 2**64
    torch.default_generator.manual_seed(own)
    if device.type == "cuda":
        torch.cuda.manual_seed(own)


def _stacked(own: Tensor) -> Tensor:
    return own if world_size() == 1 else torch.stack(all_of(own))


def _of_this_rank(kept: Tensor | None) -> Tensor | None:
    """The state of this rank; None where it was kept for another number of them."""
    if kept is None:
        return None
    states = kept[None] if kept.ndim == 1 else kept
    # A copy, because torch reads a state from where its memory begins, also that of a row further down.
    return states[rank()].clone() if len(states) == world_size() else None
