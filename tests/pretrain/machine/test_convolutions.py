"""Kernels larger than their video: the same results, without what sees nothing."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from fractalvid.pretrain.machine.convolutions import FittedKernels

CASES = [
    ((frames, *picture), kernel, stride, padding)
    for frames, picture, kernel, stride, padding in product(
        (1, 2, 3), ((1, 1), (2, 2), (4, 2)), ((3, 3, 3), (5, 1, 3), (2, 4, 4)), (1, 2, 3), (1, 2)
    )
    if all(have + 2 * padding >= need for have, need in zip((frames, *picture), kernel, strict=True))
]


def result(conv: Callable[[Tensor, Tensor], Tensor], size: tuple[int, ...], kernel: tuple[int, ...]) -> list[Tensor]:
    """What a convolution gives, and its gradients."""
    numbers = torch.Generator().manual_seed(0)
    video = torch.randn(2, 4, *size, generator=numbers).requires_grad_()
    weight = torch.randn(6, 4, *kernel, generator=numbers).requires_grad_()
    out = conv(video, weight).float()
    out.backward(torch.randn(out.shape, generator=numbers))  # type: ignore[no-untyped-call]
    assert video.grad is not None and weight.grad is not None
    return [out.detach(), video.grad, weight.grad]


@pytest.mark.parametrize("half", [False, True])
def test_they_give_what_whole_kernels_give(half: bool) -> None:
    assert len(CASES) > 100
    for size, kernel, stride, padding in CASES:

        def plain(video: Tensor, weight: Tensor, stride: int = stride, padding: int = padding) -> Tensor:
            return F.conv3d(video, weight, None, stride, padding)

        def fitted(video: Tensor, weight: Tensor, plain: Callable[[Tensor, Tensor], Tensor] = plain) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=half), FittedKernels():
                return plain(video, weight)

        for one, other in zip(result(fitted, size, kernel), result(plain, size, kernel), strict=True):
            assert one.shape == other.shape
            error = (one - other).norm() / other.norm().clamp(min=1e-6)
            assert error < (2e-2 if half else 1e-5), (size, kernel, stride, padding)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same"},
        {"dilation": 2, "padding": 2},
        {"groups": 2, "padding": 1},
        {"bias": torch.ones(6), "padding": 1},
    ],
)
def test_whatever_else_is_asked_for_comes_out_too(options: dict[str, Any]) -> None:
    video, weight = torch.randn(1, 4, 1, 4, 4), torch.randn(6, 4 // options.get("groups", 1), 3, 3, 3)
    wanted = F.conv3d(video, weight, **options)
    with FittedKernels():
        torch.testing.assert_close(F.conv3d(video, weight, **options), wanted, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16), FittedKernels():
        assert (F.conv3d(video, weight, **options).float() - wanted).norm() < 0.02 * wanted.norm()


def test_a_kernel_that_finds_no_place_is_refused_as_ever() -> None:
    with FittedKernels(), pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        F.conv3d(torch.rand(1, 1, 1, 2, 2), torch.rand(1, 1, 3, 3, 3))


class Seen(TorchFunctionMode):
    """Notes the kernels of all convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[tuple[int, ...]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv3d:
            self.kernels.append(tuple(args[1].shape[2:]))
        return func(*args, **(kwargs or {}))


def test_weights_that_see_nothing_are_not_computed_with() -> None:
    weight = torch.rand(3, 2, 3, 3, 3)
    with Seen() as seen, FittedKernels():
        for video, stride in (((1, 2, 2), 1), ((2, 4, 4), 2), ((1, 1, 1), 1), ((2, 3, 3), 1), ((4, 4, 4), 1)):
            F.conv3d(torch.rand(1, 2, *video), weight, None, stride, 1)
    assert seen.kernels == [(1, 3, 3), (2, 3, 3), (1, 1, 1), (3, 3, 3), (3, 3, 3)]
