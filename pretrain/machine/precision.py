"""Mixed precision: which arithmetic is sound on which device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

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
        if self.device.type == "cpu" and self.dtype == torch.bfloat16:
            return _sound_bf16()
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where gradients would underflow (float16); otherwise it does nothing."""
        # A start of 2^14 instead of 2^16 saves the overflowing steps most runs would begin with.
        enabled = self.dtype == torch.float16
        return torch.amp.GradScaler(self.device.type, init_scale=2.0**14, enabled=enabled)


def computes_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX-512 BF16 or AMX), as far as this torch can tell."""
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


@contextmanager
def _sound_bf16() -> Iterator[None]:
    """Autocast to bfloat16 on a CPU, but for the convolutions whose gradients would be wrong."""
    with torch.autocast("cpu", torch.bfloat16), _Float32WhereWrong():
        yield


class _Float32WhereWrong(TorchFunctionMode):
    """Computes convolutions of few frames or pixels in float32.

    A CPU's bfloat16 gradients of their weights are wrong: not inexact but made of memory that was never written, and
    sometimes written out of bounds. This was seen with oneDNN in torch 2.15 where a kernel covers more frames than
    there are (but for a single one), or more rows or columns. Such pictures are small, so float32 costs little. All
    other layers agree with float32; a test compares every network.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, in float32 where it is such a convolution."""
        kwargs = kwargs or {}
        if func is torch.conv3d and _is_wrong(args[0], args[1]):
            with torch.autocast("cpu", enabled=False):
                return func(args[0].float(), *args[1:], **kwargs)
        return func(*args, **kwargs)


def _is_wrong(video: Tensor, weight: Tensor) -> bool:
    """Whether bfloat16 gradients of `weight` (D, C, t, h, w) on `video` (B, C, T, H, W) can't be trusted."""
    frames, *picture = video.shape[2:]
    covered, *window = weight.shape[2:]
    return 1 < frames < covered or any(have < need for have, need in zip(picture, window, strict=True))


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
