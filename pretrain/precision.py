"""Devices and mixed precision: what is sound where."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch

from fractalvid.errors import UserError
from pretrain.distributed import local_rank, world_size

PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]


def resolve_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the GPU where there is one, else the CPU.

    Where several processes train together, `auto` and `cuda` are a GPU for each of a machine's.

    Raises:
        UserError: no such device here, or one for several processes.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if world_size() > 1 and name.startswith("cuda"):
        return _own_gpu(name)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is unknown; it can be auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"device {name!r} is not supported; it can be auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {name!r} is not there: torch sees {torch.cuda.device_count()} CUDA GPUs")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("device 'mps' is not there")
    return device


def _own_gpu(name: str) -> torch.device:
    """The GPU of this process among several."""
    there = torch.cuda.device_count()
    if name != "cuda":
        raise UserError(
            f"device {name!r} is one for all {world_size()} processes; leave out --device, or give cuda or cpu"
        )
    if local_rank() >= there:
        raise UserError(
            f"process {local_rank()} of this machine has no GPU: torch sees {there}; "
            "start no more processes than that (--nproc-per-node), or give --device cpu"
        )
    return torch.device("cuda", local_rank())


@dataclass(frozen=True)
class Precision:
    """The arithmetic of a run on one device.

    Attributes:
        device: where it computes.
        dtype: of convolutions and matrix products; float32 means no mixed precision at all.
    """

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[object]:
        """Forward passes go inside."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where gradients would underflow (float16); otherwise it does nothing."""
        # A start of 2^14 instead of 2^16 saves the overflowing steps most runs would begin with.
        enabled = self.dtype == torch.float16
        return torch.amp.GradScaler(self.device.type, init_scale=2.0**14, enabled=enabled)


def resolve_precision(name: PrecisionName, device: torch.device) -> Precision:
    """What `name` means on `device`.

    `auto` is bfloat16 on GPUs that have it, else float16 with a scaled loss, and float32 on a CPU: there
    bfloat16 has been seen to make non-finite gradients of finite inputs on about 2 % of steps, so it must be
    asked for.

    Raises:
        UserError: the device can't do it.
    """
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if name == "auto":
        if device.type != "cuda":
            return Precision(device, torch.float32)
        return Precision(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
    if name not in dtypes:
        raise UserError(f"precision is {name!r}; it can be auto, fp32, bf16 or fp16")
    if name == "fp16" and device.type != "cuda":
        raise UserError(f"precision fp16 needs a CUDA GPU, not {device}; use fp32 or bf16")
    return Precision(device, dtypes[name])
