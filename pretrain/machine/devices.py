"""Names of devices and of arithmetic, and which device of this machine a name means."""

import os
import shutil
import sys
from typing import TYPE_CHECKING, Literal

from fractalvid.pretrain.machine.processes import local_rank, world_size
from fractalvid.utils.errors import UserError

if TYPE_CHECKING:
    import torch

PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
"""What `fractalvid.pretrain.machine.precision` resolves."""


def resolve_device(name: str) -> "torch.device":
    """The device called `name`; `auto` is the GPU where there is one, else the CPU.

    Where several processes train together, `auto` and `cuda` are a GPU for each of a machine's.

    Raises:
        UserError: no such device here, or one for several processes.
    """
    import torch  # which takes a second: command lines are read before

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


def check_compiler(device: "torch.device") -> None:
    """Raise a `UserError` where torch.compile would find no C++ compiler, which it needs for a CPU."""
    name = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    if device.type == "cpu" and shutil.which(name) is None:
        raise UserError(
            f"compile needs a C++ compiler on a CPU, and {name} is not there: leave it out, which is as fast there, or "
            "install one (CXX names another)"
        )


def _own_gpu(name: str) -> "torch.device":
    """The GPU of this process among several."""
    import torch

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
