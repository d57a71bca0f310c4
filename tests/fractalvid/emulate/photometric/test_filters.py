"""Blurs: against torchvision, and what a point becomes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional as reference

from fractalvid.emulate.photometric.blur import ONE, blur, gaussian_kernels, line_kernels
from fractalvid.emulate.photometric.filters import convolve

SHAPES = [(2, 1, 3, 17, 24), (2, 3, 2, 16, 9), (2, 1, 1, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0])
def test_gaussian_blur_is_that_of_torchvision(sigma: float, shape: tuple[int, ...]) -> None:
    clips = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    own = blur(clips, gaussian_kernels(np.full(len(clips), sigma, np.float32)))
    frames = clips.movedim(1, 2)
    expected = reference.gaussian_blur(frames, [3, 3], [sigma, sigma]).movedim(2, 1)
    difference = (own.int() - expected.int()).abs()
    assert difference.max() <= 1
    assert difference.float().mean() < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (3, 2), (9, 16)])
@pytest.mark.parametrize("length", [0.3, 5.0, 11.0])
def test_flat_frames_of_any_size_stay(shape: tuple[int, int], length: float) -> None:
    clips = torch.full((2, 1, 2, *shape), 201, dtype=torch.uint8)
    assert torch.equal(blur(clips, line_kernels(np.array([[[length, 0.0]], [[0.0, length]]]))), clips)


def test_weights_add_up_exactly() -> None:
    angle = np.linspace(0, 2 * np.pi, 50)
    lines = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None] * np.linspace(0, 13, 50)[:, None, None]
    for made in (line_kernels(lines), gaussian_kernels(np.linspace(0.05, 9, 50).astype(np.float32))):
        kernels = np.asarray(made)
        assert (kernels.sum(axis=(-2, -1)) == ONE).all()
        assert (kernels >= 0).all()


def test_a_line_spreads_a_point_along_itself() -> None:
    clips = torch.zeros(1, 1, 1, 21, 21, dtype=torch.uint8)
    clips[..., 10, 10] = 255
    across = blur(clips, line_kernels(np.array([[[8.0, 0.0]]])))[0, 0, 0].numpy().astype(float)
    assert not np.delete(across, 10, axis=0).any()
    assert across.sum() == pytest.approx(255, abs=5)
    # An even line of length 8: its standard deviation is 8 / √12, and the tent's that draws it adds a little.
    place = np.arange(21) - 10
    deviation = np.sqrt((across[10] * place**2).sum() / across.sum())
    assert deviation == pytest.approx(np.sqrt(8**2 / 12 + 1 / 6), rel=0.05)
    slanted = blur(clips, line_kernels(np.array([[[6.0, 6.0]]])))[0, 0, 0].numpy()
    assert np.trace(slanted) > 0.4 * slanted.sum() > np.trace(slanted[::-1])


def test_every_frame_has_its_own_line() -> None:
    clips = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 3, 3, 12, 15), dtype=np.uint8))
    lines = np.random.default_rng(2).uniform(-5, 5, (2, 3, 2))
    lines[1, 2] = 0
    together = blur(clips, line_kernels(lines))
    for b in range(2):
        for t in range(3):
            alone = blur(clips[b : b + 1, :, t : t + 1], line_kernels(lines[b : b + 1, t : t + 1]))
            assert torch.equal(together[b, :, t], alone[0, :, 0]), (b, t)
    assert torch.equal(together[1, :, 2], clips[1, :, 2])


class Convolutions(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
    """Notes how many planes each convolution takes, and what it wants of cuDNN and TF32."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked: list[tuple[int, bool, bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten.convolution.default, "this one goes by the settings of the process"
        if func is torch.ops.aten._convolution.default:
            groups, _, _, cudnn, tf32 = args[8:]
            self.asked.append((groups, cudnn, tf32))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 2)])
def test_sums_are_exact_and_ask_for_full_precision(shape: tuple[int, int, int]) -> None:
    """Weights of 12 bits, alone and among others; a GPU has an exact kernel for two planes and more."""
    drawn = np.random.default_rng(0)
    video = drawn.integers(0, 256, (*shape, 9, 11), dtype=np.uint8)
    kernels = drawn.integers(-4095, 4096, (shape[0], shape[2], 3, 3))
    with Convolutions() as noted:
        sums = convolve(torch.from_numpy(video), torch.from_numpy(kernels))
    assert noted.asked == [(max(2, int(np.prod(shape))), False, False)]
    wide = np.pad(video.astype(np.int64), [(0, 0)] * 3 + [(1, 1)] * 2, mode="reflect")
    near = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(3, 4))
    assert np.array_equal(sums.numpy(), np.einsum("bcthwij,btij->bcthw", near, kernels))
