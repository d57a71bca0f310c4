"""Mixed precision: which arithmetic is sound on which device."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from fractalvid.pretrain.machine.convolutions import FittedKernels
from fractalvid.pretrain.machine.devices import PrecisionName
from fractalvid.utils.errors import UserError

_DTYPES: dict[PrecisionName, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """The arithmetic of a run on one device.

    Attributes:
        device: where it computes.
        dtype: of convolutions and matrix products; float32 means no mixed precision at all.
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def name(self) -> PrecisionName:
        """fp32, bf16 or fp16."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    def autocast(self) -> AbstractContextManager[object]:
        """Forward passes go inside."""
        cast = torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)
        return _together(cast, FittedKernels()) if self.device.type == "cpu" else cast

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where gradients would underflow (float16); otherwise it does nothing."""
        # A start of 2^14 instead of 2^16 saves the overflowing steps most runs would begin with.
        enabled = self.dtype == torch.float16
        return torch.amp.GradScaler(self.device.type, init_scale=2.0**14, enabled=enabled)


@contextmanager
def _together(*contexts: AbstractContextManager[object]) -> Iterator[None]:
    """All of them, the first outermost."""
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield


def computes_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX-512 BF16 or AMX), as far as this torch can tell."""
    return has_amx() or "avx512_bf16" in _capabilities()


def has_amx() -> bool:
    """Whether the CPU multiplies matrices of bfloat16 by units of their own (AMX)."""
    return "amx_bf16" in _capabilities()


def _capabilities() -> frozenset[str]:
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch before 2.11 does not say
    return frozenset(name for name, there in known.items() if there)


def resolve_precision(name: PrecisionName, device: torch.device) -> Precision:
    """What `name` means on `device`.

    `auto` is bfloat16 on processors of either kind that compute it themselves; else float16 with a scaled loss on a
    GPU, and float32 on a CPU.

    Raises:
        UserError: the device can't do it.
    """
    if name == "auto":
        if device.type == "cuda":
            return Precision(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
        return Precision(device, torch.bfloat16 if device.type == "cpu" and computes_bf16() else torch.float32)
    if name not in _DTYPES:
        raise UserError(f"precision is {name!r}; it can be auto, fp32, bf16 or fp16")
    if name == "fp16" and device.type != "cuda":
        raise UserError(f"precision fp16 needs a CUDA GPU, not {device}; use fp32 or bf16")
    return Precision(device, _DTYPES[name])


def resumed_precision(name: PrecisionName, device: torch.device, kept: PrecisionName) -> Precision:
    """What `name` means to a run that goes on from a checkpoint: `auto` is what it began in.

    A run that began in float16 takes what `auto` means on a device that can't do it.

    Args:
        name: what is asked for.
        device: where the run goes on.
        kept: what the checkpoint says.

    Raises:
        UserError: the device can't do it.
    """
    if name != "auto" or (kept == "fp16" and device.type != "cuda"):
        return resolve_precision(name, device)
    return resolve_precision(kept, device)
