"""The first convolution over blocks of pixels: to the bit what it is over pixels, where all sums are exact."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractalvid.pretrain.models.cpu import folded as module
from fractalvid.pretrain.models.cpu.folded import folded, folds


def whole_numbers(*shape: int, most: int, seed: int) -> Tensor:
    return torch.randint(-most, most + 1, shape, generator=torch.Generator().manual_seed(seed)).float()


def stem(frames: int = 3, **other: Any) -> nn.Conv3d:
    settings: dict[str, Any] = {"stride": (1, 2, 2), "padding": (frames // 2, 3, 3), "bias": False} | other
    convolution = nn.Conv3d(3, 4, (frames, 7, 7), **settings)
    with torch.no_grad():
        convolution.weight.copy_(whole_numbers(*convolution.weight.shape, most=2, seed=1))
    return convolution


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("size", [(8, 12), (2, 4)])
def test_it_is_the_convolution(frames: int, size: tuple[int, int]) -> None:
    convolution, video = stem(frames), whole_numbers(2, 3, 4, *size, most=3, seed=2).requires_grad_()
    wanted = convolution(video)
    gradient = whole_numbers(*wanted.shape, most=1, seed=3)
    wanted.backward(gradient)
    by_pixels, of_pixels = convolution.weight.grad, video.grad
    convolution.weight.grad = video.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        out = folded(video, convolution)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, wanted.bfloat16())
    out.backward(gradient.bfloat16())  # type: ignore[no-untyped-call]
    assert by_pixels is not None and convolution.weight.grad is not None and of_pixels is not None
    assert torch.equal(convolution.weight.grad.bfloat16(), by_pixels.bfloat16())
    assert video.grad is not None
    torch.testing.assert_close(video.grad, of_pixels, rtol=1e-2, atol=1.0)


def test_it_is_taken_with_matrix_units_in_bfloat16_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    video = torch.zeros(1, 3, 2, 8, 8)
    monkeypatch.setattr(module, "has_amx", lambda: True)
    assert not folds(video, stem())
    with torch.autocast("cpu", torch.bfloat16):
        assert folds(video, stem())
        assert not folds(video, stem(stride=(1, 4, 4)))
        assert not folds(video, stem(bias=True))
        assert not folds(video, nn.Identity())
        assert not folds(video[..., :7], stem())
        assert not folds(video.to("meta"), stem())
        monkeypatch.setattr(module, "has_amx", lambda: False)
        assert not folds(video, stem())
