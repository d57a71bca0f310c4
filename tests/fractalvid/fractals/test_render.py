"""Clips: a pure function of their names, visible, moving."""

import numpy as np
import pytest

from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.render import render_fractals
from fractalvid.kinds import clip_times, render_clip
from fractalvid.utils.errors import UserError


def test_a_clip_is_a_function_of_its_name(bank: ClassBank) -> None:
    one = render_clip(bank, 4, 2, size=48, points=8000, threads=1)
    assert np.array_equal(one, render_clip(bank, 4, 2, size=48, points=8000, threads=8))
    larger = ClassBank.sample(20, seed=3)
    assert np.array_equal(one, render_clip(larger, 4, 2, size=48, points=8000))
    for other in [(4, 3), (5, 2), (4, FIRST_VALIDATION_ID + 2)]:
        assert not np.array_equal(one, render_clip(bank, *other, size=48, points=8000, frames=len(one)))


def test_clips_are_visible_and_move(bank: ClassBank) -> None:
    for class_id in range(len(bank)):
        clip = render_clip(bank, class_id, 0, size=64, points=30_000).astype(float)
        assert len(clip) == bank.native_frames[class_id]
        lit = (clip > 12).mean()
        assert 0.005 < lit < 0.95
        assert clip.max() > 150
        assert np.abs(np.diff(clip, axis=0)).mean() > 0.5


def test_frames_are_equidistant_times(bank: ClassBank) -> None:
    native = int(bank.native_frames[0])
    assert clip_times(bank, 0, None).tolist() == list(range(native))
    assert clip_times(bank, 0, 5) == pytest.approx(np.linspace(0, native - 1, 5))
    assert clip_times(bank, 0, 1).tolist() == [(native - 1) / 2]
    whole = render_clip(bank, 0, 0, size=32, points=5000)
    ends = render_clip(bank, 0, 0, size=32, points=5000, frames=2)
    assert np.array_equal(ends, whole[[0, -1]])
    assert render_clip(bank, 0, 0, size=(24, 40), points=5000, frames=50).shape == (50, 24, 40)


def test_brightness_does_not_depend_on_points_size_or_frames(bank: ClassBank) -> None:
    for class_id in range(4):
        base = render_clip(bank, class_id, 0, size=64, points=200_000, frames=4).astype(float)
        fine = render_clip(bank, class_id, 0, size=128, points=800_000, frames=4).astype(float)
        sparse = render_clip(bank, class_id, 0, size=64, points=100_000, frames=4).astype(float)
        assert abs(base.mean() - sparse.mean()) < 0.06 * base.mean() + 1
        assert abs(base.mean() - fine.mean()) < 0.25 * base.mean() + 1


def test_a_camera_crops_without_changing_brightness(bank: ClassBank) -> None:
    fits = fit_fractals(bank, [1], [0])
    times = np.array([[4.0, 9.0]])
    crop = np.array([[[2, 0, -32], [0, 2, -32], [0, 0, 1]]], np.float32)
    whole = render_fractals(bank, fits, times, size=128, points=2_000_000)[0]
    close = render_fractals(bank, fits, times, size=64, points=2_000_000, camera=crop)[0]
    # Pixels of the whole view at 64² are 2 x 2 pixels at 128²; the crop shows its middle quarter at the latter's scale.
    middle = whole[:, 32:96, 32:96]
    assert np.abs(close.astype(float) - middle).mean() < 3


def test_the_reference_methods_exposure(bank: ClassBank) -> None:
    clip = render_clip(bank, 2, 0, size=32, points=5000, exposure="max")
    assert clip.max() == 255


@pytest.mark.parametrize(("class_id", "instance_id"), [(-1, 0), (12, 0), (0, -1), (0, 2**32)])
def test_names_out_of_range(bank: ClassBank, class_id: int, instance_id: int) -> None:
    with pytest.raises(UserError):
        render_clip(bank, class_id, instance_id, size=16, points=10)


def test_impossible_frames(bank: ClassBank) -> None:
    with pytest.raises(UserError, match="frames"):
        render_clip(bank, 0, 0, size=16, points=10, frames=0)
