"""Pictures: tone and box filter against the reference, exposure that does not depend on size or crop."""

import dataclasses

import numpy as np
import pytest

from fractalvid.kernels import Jobs, accumulate, render
from fractalvid.kernels.reference import box3
from fractalvid.kernels.tone import GAIN
from tests.kernels.conftest import system, view


def exposure(count: int, area: float = 64.0, white: float = 30.0) -> np.ndarray:
    return np.tile(np.array([area, white], np.float32), (count, 1))


def test_tone_of_the_counts(five_maps: Jobs) -> None:
    images = render(five_maps, size=64, points=50_000, exposure=exposure(3))
    counts = accumulate(five_maps, size=64, points=50_000).counts
    density = box3(counts) / (9 * 50_000) * 64 * 64
    grey = np.minimum(1, np.log1p(GAIN * density) / np.log1p(GAIN * 30.0))
    assert np.abs(images.astype(float) - 255 * grey).max() <= 0.51
    assert images.max() == 255


def test_the_reference_renders_the_same_picture() -> None:
    maps, weights = system(4, seed=2)
    jobs = Jobs.of([maps], [weights], seed=[1], projection=view((20, 30)))
    fast = render(jobs, size=(20, 30), points=30_000, exposure=exposure(1)).astype(float)
    slow = render(jobs, size=(20, 30), points=30_000, exposure=exposure(1), backend="reference").astype(float)
    assert np.abs(fast - slow).mean() < 4


def test_exposure_by_the_largest_count(five_maps: Jobs) -> None:
    images = render(five_maps, size=64, points=20_000, exposure="max", clip=[0, 0, 1])
    boxes = box3(accumulate(five_maps, size=64, points=20_000).counts).astype(float)
    largest = np.array([boxes[:2].max(), boxes[:2].max(), boxes[2].max()])
    expected = 255 * np.log1p(boxes) / np.log1p(largest)[:, None, None]
    assert np.abs(images - expected).max() <= 0.51


def test_a_clip_of_several_variations_has_one_largest_count() -> None:
    maps, weights = system(4, seed=2)
    jobs = Jobs.of([maps] * 2, [weights], seed=[1, 2], variation=[0, 29], projection=view((24, 24), 3))
    largest = render(jobs, size=24, points=20_000, exposure="max").reshape(2, -1).max(axis=1).tolist()
    assert max(largest) == 255
    assert min(largest) < 255


def test_one_frame_by_the_largest_count(five_maps: Jobs) -> None:
    images = render(five_maps, size=64, points=20_000, exposure="max", clip=[0, 1, 2])
    assert images.reshape(3, -1).max(axis=1).tolist() == [255, 255, 255]


def test_brightness_keeps_with_size_and_zoom(five_maps: Jobs) -> None:
    """The same plane under twice the resolution, and under a zoom, has the same brightness."""
    close = dataclasses.replace(five_maps, projection=np.repeat(view((64, 64), 1.0)[None], 3, axis=0))
    fine = dataclasses.replace(five_maps, projection=np.repeat(view((256, 256), 4.0)[None], 3, axis=0))
    zoomed = render(close, size=64, points=4_000_000, exposure=exposure(3)).astype(float)
    middle = render(fine, size=256, points=4_000_000, exposure=exposure(3))[:, 96:160, 96:160].astype(float)
    assert np.abs(zoomed.mean() - middle.mean()) < 2


def test_a_homography_brightens_what_it_compresses() -> None:
    """A uniform square under perspective stays evenly grey: density is a matter of the plane."""
    maps = [[0.5, 0, sx, 0, 0.5, sy] for sx in (-0.5, 0.5) for sy in (-0.5, 0.5)]
    tilt = np.array([[12, 0, 32], [0, 12, 32], [0.0, 0.25, 1.0]], np.float32)
    tilt[0] += 32 * tilt[2] - [0, 0, 32]
    tilt[1] += 32 * tilt[2] - [0, 0, 32]
    jobs = Jobs.of([maps], [np.full(4, 0.25)], seed=[1], projection=tilt)
    image = render(jobs, size=64, points=3_000_000, exposure=exposure(1, area=4.0, white=4.0))[0].astype(float)
    inside = accumulate(jobs, size=64, points=200_000).counts[0] > 0
    core = np.zeros_like(inside)
    core[2:-2, 2:-2] = inside[2:-2, 2:-2] & inside[:-4, 2:-2] & inside[4:, 2:-2] & inside[2:-2, :-4] & inside[2:-2, 4:]
    expected = 255 * np.log1p(GAIN) / np.log1p(4 * GAIN)
    assert core.sum() > 200
    assert np.abs(image[core] - expected).max() < 12


def test_impossible_exposure_is_refused(five_maps: Jobs) -> None:
    with pytest.raises(ValueError, match="exposure"):
        render(five_maps, size=8, points=10, exposure=exposure(2))
    with pytest.raises(ValueError, match="exposure"):
        render(five_maps, size=8, points=10, exposure=exposure(3, white=-1))
    with pytest.raises(ValueError, match="exposure"):
        render(five_maps, size=8, points=10, exposure="Max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="clip"):
        render(five_maps, size=8, points=10, exposure="max", clip=[0])
