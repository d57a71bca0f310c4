"""Compression against Pillow's JPEG, which is the Independent JPEG Group's."""

import io

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fractalvid.emulate.photometric.compression import _SCALE, STEPS, _transform, compress, quantisation_steps


def smooth(channels: int, height: int, width: int) -> NDArray[np.uint8]:
    """Waves and an edge: (C, H, W)."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 80 * np.sin(x / (5 + c)) * np.cos(y / (7 - c)) + 40 * (x > y) for c in range(channels)]
    return np.asarray(np.clip(waves, 0, 255), np.uint8)


def jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    image = Image.fromarray(picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, 2))
    image.save(file, "JPEG", quality=quality, subsampling=0)
    decoded = np.asarray(Image.open(file))
    return decoded[None] if len(picture) == 1 else np.moveaxis(decoded, 2, 0)


def own(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    return compress(torch.from_numpy(picture)[None, :, None], np.array([quality]))[0, :, 0].numpy()


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_what_jpeg_does(channels: int, quality: int) -> None:
    picture = smooth(channels, 48, 72)
    difference = np.abs(own(picture, quality).astype(int) - jpeg(picture, quality).astype(int))
    blocks = difference.reshape(channels, 6, 8, 9, 8).max(axis=(2, 4))
    # A coefficient in the middle between two steps may be rounded either way, which changes its block.
    assert np.mean(blocks <= 2) > 0.9
    assert difference.mean() < 0.5


def test_steps_are_those_in_a_jpeg_file() -> None:
    for quality in (1, 10, 49, 50, 51, 90, 100):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality, subsampling=0)
        tables = Image.open(file).quantization  # type: ignore[attr-defined]
        steps = quantisation_steps(np.array([quality]))[0]
        assert [list(map(int, row)) for row in steps] == [list(tables[0]), list(tables[1])]
    assert STEPS.shape == (2, 64)


def test_quality_100_is_nearly_lossless_and_10_is_blocky() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64), dtype=np.uint8)
    assert np.abs(own(noise, 100).astype(int) - noise).max() <= 2
    blocky = own(smooth(1, 64, 64), 10)[0].astype(int)
    steps = np.abs(np.diff(blocky, axis=1))
    border = np.arange(63) % 8 == 7
    inside = np.abs(np.diff(smooth(1, 64, 64)[0].astype(int), axis=1))
    assert steps[:, border].mean() / inside[:, border].mean() > 1.3
    assert np.abs(blocky - smooth(1, 64, 64)[0]).mean() > 3


def test_loss_grows_as_quality_falls() -> None:
    picture = smooth(1, 64, 64)
    losses = [np.abs(own(picture, quality).astype(int) - picture).mean() for quality in (100, 90, 60, 30, 10, 3)]
    assert losses == sorted(losses)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5), (8, 8), (13, 30)])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_of_any_size(channels: int, shape: tuple[int, int]) -> None:
    clip = torch.from_numpy(smooth(channels, *shape))[None, :, None].repeat(2, 1, 3, 1, 1)
    result = compress(clip, np.array([100, 100]))
    assert result.shape == clip.shape and result.dtype == torch.uint8
    assert (result.int() - clip.int()).abs().max() <= 3


def test_extremes_stay_in_range() -> None:
    checks = (np.indices((16, 16)).sum(axis=0) % 2 * 255).astype(np.uint8)[None]
    for quality in (1, 40, 100):
        assert abs(own(checks, quality).astype(float).mean() - 127.5) < 64
    for grey in (0, 255):
        assert (own(np.full((1, 16, 16), grey, np.uint8), 100) == grey).all()


def test_what_is_multiplied_fits_the_11_bits_of_tf32() -> None:
    """Whole numbers up to 2048: entries of the transform, and the largest coefficients there can be, as rounded."""
    transform = _transform(torch.device("cpu"))
    assert torch.equal(transform, transform.round())
    assert transform.abs().max() <= 2048
    largest = 128 * transform.abs().sum(dim=1).max() / _SCALE
    assert largest + quantisation_steps(np.array([1])).max() / 2 <= 2048
