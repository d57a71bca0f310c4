"""Homographies: exact where nothing moves, right where something known does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fractalvid.emulate.config import (
    DisplacementConfig,
    EmulationConfig,
    GroupConfig,
    PerspectiveConfig,
    PlacementConfig,
    RollConfig,
    ShakeConfig,
    TimingConfig,
    ZoomConfig,
)
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.geometry import homographies, in_pixels, picture_motion, sample_times
from fractalvid.emulate.parameters import Emulation
from fractalvid.emulate.photometric.config import PhotometricConfig, RandAugmentConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank

INDEX = np.arange(40)


def drawn(bank: ClassBank, clip_len: int = 8, **effects: Any) -> Emulation:
    return draw_emulation(EmulationConfig(**effects), bank, 3, INDEX, class_id=INDEX % len(bank), clip_len=clip_len)


def seen(matrix: Any, x: float, y: float) -> np.ndarray[Any, Any]:
    place = np.asarray(matrix @ np.array([x, y, 1.0]))
    return np.asarray(place[..., :2] / place[..., 2:])


@pytest.mark.parametrize("size", [(112, 112), (49, 97)])
def test_nothing_drawn_is_the_identity_exactly(bank: ClassBank, size: tuple[int, int]) -> None:
    d = drawn(bank)
    h = homographies(d)
    eye = np.eye(3)
    assert (h.foreground() == eye).all()
    assert (h.background == eye).all()
    assert (h.camera == eye).all()
    assert (in_pixels(h.foreground(), size, size) == eye).all()
    times = np.tile(np.linspace(0.3, 15.1, 8), (len(d), 1))
    native = bank.native_frames[INDEX % len(bank)]
    assert np.array_equal(sample_times(d, times, native)[:, 0], times)
    assert not picture_motion(h.camera, (1, 1)).any()


def test_perspective_takes_corners_to_corners_and_enlarges(bank: ClassBank) -> None:
    d = drawn(bank, perspective=PerspectiveConfig(p=1, distortion=0.7, enlarge=1.4))
    h = homographies(d)
    for k, (x, y) in enumerate([(0, 0), (1, 0), (1, 1), (0, 1)]):
        assert np.allclose(seen(h.background[:, 0], x, y), 0.5 + 1.4 * (d.corners[:, k] - 0.5))
    inwards = np.abs(d.corners - np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    assert 0.3 < inwards.max() <= 0.35


@pytest.mark.parametrize("distortion", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("enlarge", [1.0, 1.4])
def test_the_horizon_stays_off_the_scene(bank: ClassBank, distortion: float, enlarge: float) -> None:
    index = np.arange(10_000)
    config = EmulationConfig(perspective=PerspectiveConfig(p=1, distortion=distortion, enlarge=enlarge))
    d = draw_emulation(config, bank, 3, index, class_id=index % len(bank), clip_len=1)
    shown = np.linalg.inv(homographies(d).background[:, 0])[:, 2]
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1.0]])
    depth = (shown @ corners.T) / (shown @ (0.5, 0.5, 1.0))[:, None]
    assert depth.min() >= 0.1 - 1e-9
    # Most are as strong as they were drawn, and none is taken back altogether.
    inwards = np.abs(d.corners - corners[:, :2])
    assert np.quantile(inwards, 0.9) > 0.8 * distortion / 2
    assert (inwards.max(axis=(1, 2)) > 0).all()


def test_displacement_is_a_straight_line_through_the_middle(bank: ClassBank) -> None:
    motion = DisplacementConfig(p=1, speed=(0.5, 0.5), duration=(1, 1))
    d = drawn(bank, foreground_motion=motion)
    h = homographies(d)
    path = seen(h.foreground()[:, 0], 0.5, 0.5)
    assert np.allclose(np.hypot(*np.moveaxis(path[:, -1] - path[:, 0], -1, 0)), 0.5)
    assert np.allclose(np.diff(path, axis=1), np.diff(path, axis=1)[:, :1])
    assert np.allclose(path.mean(axis=1), 0.5)
    assert (h.background == np.eye(3)).all()
    brief = homographies(drawn(bank, background_motion=replace(motion, duration=(0.2, 0.2))))
    path = seen(brief.background, 0.5, 0.5)
    assert np.allclose(np.hypot(*np.moveaxis(path[:, -1] - path[:, 0], -1, 0)), 0.1)
    assert (np.abs(np.diff(path, axis=1)).sum(axis=2) > 1e-9).sum(axis=1).max() <= 3
    assert (brief.foreground() == np.eye(3)).all()


def test_the_camera_moves_both(bank: ClassBank) -> None:
    d = drawn(
        bank,
        camera_motion=DisplacementConfig(p=1),
        zoom=ZoomConfig(p=1, rate=(1, 1)),
        shake=ShakeConfig(p=1),
        roll=RollConfig(p=1),
    )
    h = homographies(d)
    assert np.allclose(h.foreground()[:, 0], h.camera @ h.background)
    scale = np.sqrt(np.linalg.det(h.camera))
    assert np.allclose(np.maximum(scale[:, -1] / scale[:, 0], scale[:, 0] / scale[:, -1]), 2)
    assert np.allclose(scale[:, 0] * scale[:, -1], 1)


def test_zoom_and_roll_keep_the_middle(bank: ClassBank) -> None:
    h = homographies(drawn(bank, zoom=ZoomConfig(p=1), roll=RollConfig(p=1, tilt=(0.2, 0.2), turn=(0, 0))))
    assert np.allclose(seen(h.camera, 0.5, 0.5), 0.5)
    assert not np.allclose(seen(h.camera, 0, 0.5), [0, 0.5], atol=0.05)
    turned = homographies(drawn(bank, roll=RollConfig(p=1, tilt=(0.3, 0.3), turn=(0, 0)))).camera
    assert np.allclose(np.abs(np.arctan2(turned[..., 1, 0], turned[..., 0, 0])), 0.3)
    assert np.allclose(np.linalg.det(turned), 1)


@pytest.mark.parametrize("clip_len", [2, 8, 64])
def test_shaking_has_its_standard_deviation(bank: ClassBank, clip_len: int) -> None:
    index = np.arange(400)
    config = EmulationConfig(shake=ShakeConfig(p=1, deviation=(4 / 112, 4 / 112)), timing=TimingConfig(p=0.5))
    d = draw_emulation(config, bank, 3, index, class_id=index % 12, clip_len=clip_len)
    pixels = 112 * seen(homographies(d).camera, 0, 0)
    assert np.allclose(pixels.mean(axis=1), 0)
    deviation = np.sqrt((pixels**2).mean(axis=1))
    assert deviation.max() <= 4 + 1e-6
    if clip_len == 2:  # which has few frames, and now and then a path that is too flat to be made steeper
        assert (deviation < 3.9).mean() < 0.2
        return
    assert np.allclose(deviation, 4)


def test_a_single_frame_does_not_shake(bank: ClassBank) -> None:
    assert (homographies(drawn(bank, clip_len=1, shake=ShakeConfig(p=1))).camera == np.eye(3)).all()


def test_placements_and_copies(bank: ClassBank) -> None:
    d = drawn(bank, placement=PlacementConfig(p=1), group=GroupConfig(p=1, copies=2))
    h = homographies(d).figures
    own = d.figures
    assert np.allclose(seen(h[:, 0, 0], 0, 0), own.corner[:, 0])
    assert np.allclose(seen(h[:, 0, 0], 1, 1), own.corner[:, 0] + own.scale[:, 0])
    copy = h[:, 1, 0]
    assert np.allclose(seen(copy, 0.5, 0.5), own.corner[:, 1] + own.scale[:, 1] / 2)
    mirrored = np.linalg.det(copy) < 0
    assert np.array_equal(mirrored, own.mirror[:, 1])
    assert np.allclose(np.abs(np.linalg.det(copy)), own.scale[:, 1].prod(axis=1))


def test_the_geometric_part_of_randaugment_is_in_the_camera(bank: ClassBank) -> None:
    augment = RandAugmentConfig(p=1, operations=14, magnitude=10, spread=0)
    h = homographies(drawn(bank, photometric=PhotometricConfig(randaugment=augment)))
    assert (np.abs(h.camera - np.eye(3)).max(axis=(2, 3)) > 0.1).all()
    assert np.allclose(h.foreground()[:, 0], h.camera)


def test_copies_run_ahead_or_behind_inside_their_clips(bank: ClassBank) -> None:
    d = drawn(bank, group=GroupConfig(p=1, delay=0.25))
    native = bank.native_frames[INDEX % len(bank)]
    times = np.tile(np.arange(1.0, 16, 2), (len(d), 1))
    shown = sample_times(d, times, native)
    assert np.array_equal(shown[:, 0], times)
    shift = shown[:, 1] - times
    assert np.allclose(shift, shift[:, :1])
    assert np.allclose(shift[:, 0], np.clip(np.rint(d.figures.delay[:, 1] * (native - 1)), -1, native - 16))
    assert np.abs(shift).max() > 1
    whole = np.linspace(0, native - 1, 8).T
    assert np.allclose(sample_times(d, whole, native)[:, 1], whole)  # no room to either side


def test_skipped_frames_stay_inside_the_clip(bank: ClassBank) -> None:
    d = drawn(bank, timing=TimingConfig(p=1, repeat=0.2, skip=0.3))
    native = bank.native_frames[INDEX % len(bank)]
    times = np.tile(np.arange(3.0, 18, 2), (len(d), 1))
    shown = sample_times(d, times, native)[:, 0]
    assert shown.min() >= 0
    assert (shown.max(axis=1) <= native - 1).all()
    assert (np.diff(shown, axis=1) >= -1e-9).all()
    assert (np.diff(shown, axis=1)[:, :2] >= 0).all()
    repeats = np.diff(d.clock, axis=1) == 0
    assert (np.diff(shown, axis=1)[repeats] == 0).all()


def test_skipped_frames_stay_inside_the_samples_time(bank: ClassBank) -> None:
    timing = TimingConfig(p=1, repeat=0, skip=0.6)
    d = drawn(
        bank, timing=timing, zoom=ZoomConfig(p=1, rate=(1, 1)), roll=RollConfig(p=1, tilt=(0, 0), turn=(0.4, 0.4))
    )
    late = d.clock[:, -1] > 7
    assert late.mean() > 0.9
    camera = homographies(d).camera[late]
    scale = np.sqrt(np.linalg.det(camera))
    assert np.allclose(np.abs(np.log(scale[:, [0, -1]])), np.log(2) / 2)
    angle = np.arctan2(camera[..., 1, 0], camera[..., 0, 0])
    assert np.allclose(np.abs(angle[:, [0, -1]]), 0.2)


def test_where_a_clip_is_too_short_for_skips_the_stride_shrinks(bank: ClassBank) -> None:
    d = drawn(bank, timing=TimingConfig(p=1, repeat=0, skip=0.6))
    native = bank.native_frames[INDEX % len(bank)]
    times = np.tile(np.arange(1.0, 17, 2), (len(d), 1))
    shown = sample_times(d, times, native)[:, 0]
    assert shown.min() >= 0
    assert (shown <= native[:, None] - 1).all()
    stride = np.diff(shown, axis=1) / np.diff(d.clock, axis=1)
    # Even through the whole sample, the beginning included, and as long as the clip allows.
    assert np.allclose(stride, stride[:, :1])
    assert np.allclose(stride[:, 0], np.minimum(2, (native - 1) / d.clock[:, -1]))
    assert (stride[:, 0] < 2).mean() > 0.5
    kept = (d.clock == np.arange(8)).all(axis=1)
    assert np.array_equal(shown[kept], times[kept])


def test_picture_motion_follows_a_known_path() -> None:
    frame = np.tile(np.diag([100.0, 50.0, 1.0]), (2, 3, 1, 1))
    frame[0, :, 0, 2] = [0, 10, 30]
    frame[1, :, 1, 2] = [0, -5, -5]
    motion = picture_motion(frame, (50, 100))
    assert np.allclose(motion[0], np.array([[0.1, 0], [0.1, 0], [0.2, 0]]))
    assert np.allclose(motion[1], np.array([[0, -0.1], [0, -0.1], [0, 0]]))
    assert picture_motion(frame[:, :1], (50, 100)).shape == (2, 1, 2)


def test_everything_at_once_is_finite_and_invertible(bank: ClassBank) -> None:
    index = np.arange(500)
    d = draw_emulation(PRESETS["full"], bank, 1, index, class_id=index % 12, clip_len=8)
    h = homographies(d)
    for matrices in (h.foreground(), h.background, h.camera):
        assert np.isfinite(matrices).all()
        assert np.abs(np.linalg.det(matrices)).min() > 1e-4
    assert (h.camera[..., 2, :] == [0, 0, 1]).all()
