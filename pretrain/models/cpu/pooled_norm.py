"""BatchNorm, ReLU and pooling of frames as one operation, for training on a CPU."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fractalvid.kernels.compiled.threads import run_all
from fractalvid.pretrain.models.cpu.loops import compiled, pool_rows, spread_gradients, sum_gradients, sum_rows

_DTYPES = (torch.bfloat16, torch.float32)
"""What the loops take."""


def fits(x: Tensor, norm: nn.Module) -> bool:
    """Whether `pooled_norm` can be taken for this input: channels-last on a CPU, and normalised by the batch.

    Subclasses of BatchNorm do other things.
    """
    return (
        type(norm) is nn.BatchNorm3d
        and norm.training
        and norm.affine
        and x.device.type == "cpu"
        and x.dtype in _DTYPES
        and x.numel() > x.shape[1]
        and x.is_contiguous(memory_format=torch.channels_last_3d)
        and not torch.compiler.is_compiling()
    )


def pooled_norm(x: Tensor, norm: nn.BatchNorm3d) -> Tensor:
    """FramePool(ReLU(norm(x))) of x (B, C, T, H, W), (B, C, T, H / 2, W / 2) rounded up; updates running statistics.

    PyTorch's own layers go over x in memory some ten times forwards and backwards, this four times. Sums are taken in
    another order, in float32 over the rows of a frame and in float64 over frames, whatever the number of threads.
    """
    out, mean, variance = cast(tuple[Tensor, Tensor, Tensor], _PooledNorm.apply(x, norm.weight, norm.bias, norm.eps))
    _track(norm, mean, variance, x.numel() // x.shape[1])
    return out


def _track(norm: nn.BatchNorm3d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Let running statistics follow those of a batch of `count` places, as BatchNorm does."""
    if not norm.track_running_stats or norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_(variance.to(norm.running_var) * (count / (count - 1)), share)


class _PooledNorm(torch.autograd.Function):
    """Of (x, weight, bias, eps): the pooled maps, and the batch's mean and variance (C,) in float64."""

    @staticmethod
    @np.errstate(all="ignore")
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        seen = _Frames(x)
        mean, variance = seen.statistics()
        deviation = np.sqrt(variance + eps)
        scale = _numbers(weight) / deviation
        shape = (*x.shape[:3], (x.shape[3] + 1) // 2, (x.shape[4] + 1) // 2)
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last_3d)
        chosen, place = torch.empty_like(out), torch.empty_like(out, dtype=torch.uint8)
        tiled = seen.tiled(scale), seen.tiled(_numbers(bias) - mean * scale)
        pooled = [_rows(chosen), _rows(place), _rows(out)]
        wide = 2 * (seen.rows.shape[2] + pooled[2].shape[2])
        pool = compiled(pool_rows, seen.numbers)

        def fill(part: slice) -> None:
            scratch = np.empty(wide, np.float32), np.empty(wide, np.int32)
            pool(seen.rows[part], seen.channels, *tiled, *scratch, *(to[part] for to in pooled))

        _each(fill, seen)
        ctx.save_for_backward(x, chosen, place)
        ctx.mean, ctx.deviation, ctx.scale = mean, deviation, scale
        told = torch.from_numpy(mean), torch.from_numpy(variance)
        ctx.mark_non_differentiable(*told)
        return out, *told

    @staticmethod
    @torch.autograd.function.once_differentiable
    @np.errstate(all="ignore")
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, chosen, place = ctx.saved_tensors
        seen, to = _Frames(x), _rows(gradient.contiguous(memory_format=torch.channels_last_3d))
        at, of = _rows(chosen), _rows(place)
        sums = np.empty((len(to), 2, to.shape[2]), np.float32)
        mean = np.tile(ctx.mean.astype(np.float32), to.shape[2] // seen.channels)
        add = compiled(sum_gradients, seen.numbers)
        _each(lambda part: add(to[part], at[part], of[part], mean, sums[part]), seen)
        total, along = seen.by_channel(sums)  # of the gradient, and of its product with x - mean
        slope = -ctx.scale * along / ctx.deviation**2 / seen.count
        constant = -ctx.scale * total / seen.count - slope * ctx.mean
        tiled = [seen.tiled(values) for values in (ctx.scale, slope, constant)]
        back = torch.empty_like(x)
        into = _rows(back)
        spread = compiled(spread_gradients, seen.numbers)

        def fill(part: slice) -> None:
            scratch = np.empty(seen.rows.shape[2], np.float32)
            spread(to[part], of[part], seen.channels, seen.rows[part], *tiled, scratch, into[part])

        _each(fill, seen)
        weight, bias = (torch.from_numpy(sums.astype(np.float32)) for sums in (along / ctx.deviation, total))
        return back, weight, bias, None


class _Frames:
    """The frames of x (B, C, T, H, W) as rows of numbers."""

    def __init__(self, x: Tensor) -> None:
        """Views of x's memory."""
        self.rows = _rows(x)
        self.numbers = self.rows.dtype.name
        self.channels = x.shape[1]
        self.length = x.shape[2]
        self.count = x.numel() // self.channels

    def tiled(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """A number for each channel (C,) as one for each of a row (W·C,)."""
        return np.tile(values.astype(np.float32), self.rows.shape[2] // self.channels)

    def by_channel(self, sums: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sums (F, 2, any·C) as (2, C) over all."""
        whole: NDArray[np.float64] = sums.sum(0, dtype=np.float64).reshape(2, -1, self.channels).sum(1)
        return whole

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance (C,) of each channel."""
        # Squares are summed about a number near the mean, or little would be left of small variances.
        first = self.rows[0, 0, : self.channels]
        origin = first if first.dtype == np.float32 else (first.astype(np.uint32) << 16).view(np.float32)
        sums = np.empty((len(self.rows), 2, self.rows.shape[2]), np.float32)
        tiled = self.tiled(origin.astype(np.float64))
        add = compiled(sum_rows, self.numbers)
        _each(lambda part: add(self.rows[part], tiled, sums[part]), self)
        once, twice = self.by_channel(sums) / self.count
        return origin + once, np.maximum(twice - once**2, 0)


def _each(work: Callable[[slice], None], seen: _Frames) -> None:
    """Do the frames of each clip, on as many threads as torch has."""
    parts = [slice(at, at + seen.length) for at in range(0, len(seen.rows), seen.length)]
    run_all(work, parts, torch.get_num_threads())


def _rows(x: Tensor) -> NDArray[Any]:
    """The memory of x (B, C, T, H, W), channels-last, as (B·T, H, W·C); bfloat16 as the bits of it, uint16."""
    batch, channels, length, height, width = x.shape
    rows = x.detach().permute(0, 2, 3, 4, 1).view(batch * length, height, width * channels)
    if rows.dtype == torch.bfloat16:
        return rows.view(torch.int16).numpy().view(np.uint16)
    return rows.numpy()


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values.detach().double().numpy()
