"""The random numbers of training (dropout draws them): a seed for each process, kept in checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from fractalvid.pretrain.machine.distributed import all_of, rank, world_size

_GOLDEN = 0x9E3779B97F4A7C15  # an odd number far from simple fractions of 2^64: no two ranks' seeds are near


@contextmanager
def noise_from(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's generators start at `seed`, on each rank another; afterwards they are as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        _begin(seed, device)
        yield


def noise_state(device: torch.device) -> dict[str, Tensor | None]:
    """Where the generators are, those of all ranks one below the other: `rng` uint8 (n,) or (R, n), `rng_cuda`."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"rng": _of_ranks(torch.get_rng_state()), "rng_cuda": None if cuda is None else _of_ranks(cuda)}


def restore_noise(state: dict[str, Any], device: torch.device, *, seed: int, step: int) -> None:
    """Go on with what `noise_state` gave; on another number of processes, with numbers of their own from `step` on."""
    rng, rng_cuda = (_own(state[name]) for name in ("rng", "rng_cuda"))
    if rng is None:
        _begin(seed + step, device)
        return
    torch.set_rng_state(rng)
    if rng_cuda is not None and device.type == "cuda":
        torch.cuda.set_rng_state(rng_cuda, device)


def _begin(seed: int, device: torch.device) -> None:
    own = (seed + rank() * _GOLDEN) % 2**64
    torch.default_generator.manual_seed(own)
    if device.type == "cuda":
        torch.cuda.manual_seed(own)


def _of_ranks(own: Tensor) -> Tensor:
    return own if world_size() == 1 else torch.stack(all_of(own))


def _own(kept: Tensor | None) -> Tensor | None:
    """The state of this rank; None where it was kept for another number of them."""
    if kept is None:
        return None
    states = kept[None] if kept.ndim == 1 else kept
    # A copy, because torch reads a state from where its memory begins, also that of a row further down.
    return states[rank()].clone() if len(states) == world_size() else None
