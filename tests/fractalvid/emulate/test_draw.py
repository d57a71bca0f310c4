"""What is drawn: functions of seed and index, within their ranges, by curriculum."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.emulate.config import (
    BackgroundConfig,
    CurriculumConfig,
    DisplacementConfig,
    EmulationConfig,
    GroupConfig,
    PlacementConfig,
    RollConfig,
    ShakeConfig,
    TimingConfig,
    ZoomConfig,
)
from fractalvid.emulate.draw import curriculum_position, draw_emulation, pool_ids
from fractalvid.emulate.parameters import Emulation
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank

FULL = PRESETS["full"]


def drawn(bank: ClassBank, config: EmulationConfig, index: Any, *, clip_len: int = 8, **options: Any) -> Emulation:
    at = np.asarray(index, np.int64)
    return draw_emulation(config, bank, 7, at, class_id=at % len(bank), clip_len=clip_len, **options)


def arrays(part: Any) -> list[np.ndarray[Any, Any]]:
    if is_dataclass(part):
        return [array for field in fields(part) for array in arrays(getattr(part, field.name))]
    return [] if part is None else [part]


@pytest.mark.parametrize("preset", ["full", "scene"])
def test_a_sample_is_the_same_in_any_batch(bank: ClassBank, preset: str) -> None:
    index = np.array([3, 900, 2**40 + 5, 17, *range(40, 60)])
    whole = drawn(bank, PRESETS[preset], index)
    for row in range(len(index)):
        alone = drawn(bank, PRESETS[preset], index[row : row + 1])
        for one, other in zip(arrays(alone), arrays(whole.select(np.array([row]))), strict=True):
            assert np.array_equal(one, other)
            assert len(one) == 1
    assert len(whole) == len(index)
    zooming = drawn(bank, replace(FULL, zoom=ZoomConfig(p=1)), index).zoom
    assert zooming.all()
    assert len(np.unique(zooming)) == len(index)


def test_nothing_is_drawn_where_nothing_has_a_probability(bank: ClassBank) -> None:
    none = drawn(bank, PRESETS["none"], np.arange(50))
    assert none.emulated.all()
    assert not none.background.present.any()
    assert np.array_equal(none.clock, np.tile(np.arange(8), (50, 1)))
    assert (none.figures.scale == 1).all()
    assert (none.figures.corner == 0).all()
    for motion in (none.foreground_motion, none.background_motion, none.camera_motion):
        assert not motion.velocity.any()
    assert not (none.zoom.any() or none.tilt.any() or none.turn.any() or none.shake.any())
    assert (none.enlarge == 1).all()
    assert not (none.photometric.operation.any() or none.photometric.sigma.any())


def test_the_curriculum_begins_with_plain_samples_and_ends_with_the_share() -> None:
    curriculum = CurriculumConfig(samples=1000, share=0.5)
    assert curriculum_position(curriculum, np.array([0, 500, 1000, 10**9])).tolist() == [0, 0.5, 1, 1]
    for at_once in (0, None):
        assert curriculum_position(CurriculumConfig(samples=at_once), np.array([0, 5])).tolist() == [1, 1]


def test_the_share_of_emulated_samples_rises(bank: ClassBank) -> None:
    config = replace(FULL, curriculum=CurriculumConfig(samples=4000, share=0.5))
    assert not drawn(bank, config, [0]).emulated.any()
    shares = [drawn(bank, config, np.arange(first, first + 1000)).emulated.mean() for first in (0, 1500, 3000, 4000)]
    assert shares == pytest.approx([0.06, 0.25, 0.44, 0.5], abs=0.05)
    never = replace(config, curriculum=CurriculumConfig(samples=2**62))
    plain = drawn(bank, never, np.arange(2000))
    assert not plain.emulated.any()
    assert not plain.background.present.any()
    assert not plain.camera_motion.velocity.any()


def test_ranges_widen_and_groups_come_last(bank: ClassBank) -> None:
    half, fast = 2**40, DisplacementConfig(p=1, speed=(0.2, 1.0), duration=(0.1, 1.0))
    index = half + np.arange(3000)
    config = EmulationConfig(
        group=GroupConfig(p=1, copies=3), camera_motion=fast, shake=ShakeConfig(p=1, deviation=(0.02, 0.04), noise=0)
    )
    early = drawn(bank, replace(config, curriculum=CurriculumConfig(samples=2 * half)), index)
    late = drawn(bank, config, index)
    most = 0.75
    speed = [np.hypot(*d.camera_motion.velocity[d.emulated].T) for d in (early, late)]
    assert 0.2 <= speed[0].min() <= speed[0].max() <= 0.2 + most * 0.8
    assert speed[1].max() > 0.95
    assert early.camera_motion.duration.max() <= 0.1 + most * 0.9 + 1e-9
    assert late.camera_motion.duration.max() > 0.95
    power = [d.shake[d.emulated].std(axis=1) for d in (early, late)]
    for shaking, share in zip(power, (most, 1.0), strict=True):
        assert shaking.max() == pytest.approx(share * 0.04, rel=0.02)
        assert shaking.max() <= share * 0.04 + 1e-9
        # Slow waves that hardly move in these few frames stay below their range.
        assert (shaking < share * 0.02 - 1e-9).mean() < 0.05
    assert not early.figures.copies.any()
    assert sorted(set(late.figures.copies.tolist())) == [1, 2, 3]


def test_backgrounds_are_of_other_classes_from_a_pool(bank: ClassBank) -> None:
    config = EmulationConfig(background=BackgroundConfig(p=1, pool=50))
    index = np.arange(2000)
    behind = drawn(bank, config, index).background
    assert behind.present.all()
    # An entry of the same class is drawn again, four times at most.
    assert (behind.clip_id[..., 0] == (index % len(bank))[:, None]).mean() < 0.01
    assert len(np.unique(behind.clip_id.reshape(-1, 2), axis=0)) <= 50
    assert (behind.clip_id[..., 1] < FIRST_VALIDATION_ID).all()
    assert behind.dynamic.mean() == pytest.approx(0.2, abs=0.03)
    assert behind.maximum.mean() == pytest.approx(0.05, abs=0.02)
    native = bank.native_frames[behind.clip_id[:, 0, 0]]
    assert (behind.still < bank.native_frames[behind.clip_id[..., 0]]).all()
    walked = behind.walk.max(axis=1) - behind.walk.min(axis=1)
    assert (walked + 1 <= native // 4).all()
    assert (walked > 0).all()
    assert (np.abs(np.diff(behind.walk, axis=1)) == 1).all()
    assert behind.walk.min() >= 0
    assert (behind.walk.max(axis=1) < native).all()
    area = behind.extent.prod(axis=1)
    assert 0.5 < area.min() < 0.65
    assert (behind.corner + behind.extent <= 1 + 1e-9).all()


def test_a_bank_of_one_class_has_other_instances_behind() -> None:
    one = ClassBank.sample(1, seed=4)
    behind = drawn(one, EmulationConfig(background=BackgroundConfig(p=1)), np.arange(200)).background
    assert not behind.clip_id[..., 0].any()
    assert (behind.clip_id[..., 1] > 200).all()
    assert len(np.unique(behind.clip_id[..., 1])) > 300


def test_the_pool_is_the_seeds(bank: ClassBank) -> None:
    entries = np.arange(3000)
    ids = pool_ids(7, entries, 12)
    assert np.array_equal(ids[::-1], pool_ids(7, entries[::-1], 12))
    assert not np.array_equal(ids, pool_ids(8, entries, 12))
    assert sorted(set(ids[:, 0].tolist())) == list(range(12))


def test_figures_lie_inside_and_groups_share_their_scale(bank: ClassBank) -> None:
    config = EmulationConfig(placement=PlacementConfig(p=1), group=GroupConfig(p=0.5, copies=2))
    figures = drawn(bank, config, np.arange(1000)).figures
    assert (figures.corner >= 0).all()
    assert (figures.corner + figures.scale <= 1 + 1e-9).all()
    many = figures.copies > 0
    assert 0.45 < many.mean() < 0.55
    assert (figures.scale == figures.scale[:, :1]).all()
    assert 0.2 <= figures.scale[many].min() <= figures.scale[many].max() <= 0.7
    assert 0.3 <= figures.scale[~many].min() <= figures.scale[~many].max() <= 1
    assert not (figures.mirror[:, 0].any() or figures.turn[:, 0].any() or figures.delay[:, 0].any())
    assert figures.turn[figures.copies == 2, 2].std() > 0.3
    assert not figures.turn[figures.copies == 1, 2].any()
    assert np.abs(figures.turn).max() <= np.radians(60)
    assert np.abs(figures.delay).max() <= 0.25


def test_dropped_frames(bank: ClassBank) -> None:
    repeating = drawn(bank, EmulationConfig(timing=TimingConfig(p=1, repeat=0.3, skip=0)), np.arange(300)).clock
    assert (repeating[:, 0] == 0).all()
    assert (np.diff(repeating, axis=1) >= 0).all()
    assert (repeating <= np.arange(8)).all()
    assert (np.diff(repeating, axis=1) == 0).mean() == pytest.approx(0.3, abs=0.04)
    skipping = drawn(bank, EmulationConfig(timing=TimingConfig(p=1, repeat=0, skip=0.3)), np.arange(300)).clock
    assert set(np.unique(np.diff(skipping, axis=1)).tolist()) == {1, 2}
    assert (np.diff(skipping, axis=1) == 2).mean() == pytest.approx(0.3, abs=0.04)
    rare = drawn(bank, EmulationConfig(timing=TimingConfig(p=0.1, repeat=0.5)), np.arange(1000)).clock
    assert (rare == np.arange(8)).all(axis=1).mean() == pytest.approx(0.9, abs=0.03)


def test_zoom_and_roll_go_either_way(bank: ClassBank) -> None:
    config = EmulationConfig(zoom=ZoomConfig(p=1), roll=RollConfig(p=1, tilt=(0.1, 0.2), turn=(0.3, 0.4)))
    d = drawn(bank, config, np.arange(500))
    assert np.log(1.3) <= np.abs(d.zoom).min() <= np.abs(d.zoom).max() <= np.log(2)
    assert 0.1 <= np.abs(d.tilt).min() <= np.abs(d.tilt).max() <= 0.2
    assert 0.3 <= np.abs(d.turn).min() <= np.abs(d.turn).max() <= 0.4
    for values in (d.zoom, d.tilt, d.turn):
        assert 0.4 < (values > 0).mean() < 0.6


def test_a_clip_of_one_frame(bank: ClassBank) -> None:
    d = drawn(bank, FULL, np.arange(20), clip_len=1)
    assert d.clock.shape == (20, 1)
    assert not d.clock.any()
    assert d.clip_len == 1
