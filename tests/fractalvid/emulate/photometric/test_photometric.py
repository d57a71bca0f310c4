"""The photometric part as a whole: nothing drawn is nothing changed, and a clip's result is its own affair."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fractalvid.emulate.photometric.blur import follow_camera
from fractalvid.emulate.photometric.config import (
    MAX_STREAK,
    BlurConfig,
    CompressionConfig,
    ExposureConfig,
    MotionBlurConfig,
    NoiseConfig,
    PhotometricConfig,
    RandAugmentConfig,
    VignetteConfig,
    WhiteBalanceConfig,
)
from fractalvid.emulate.photometric.pipeline import EFFECTS, Photometric, apply_photometric, draw_photometric
from fractalvid.emulate.photometric.randaugment import geometric_matrix
from fractalvid.utils.errors import UserError

FULL = PhotometricConfig.preset("full")
SETTINGS = [field.name for field in dataclasses.fields(PhotometricConfig)]
ALWAYS = PhotometricConfig(**{name: dataclasses.replace(getattr(FULL, name), p=1.0) for name in SETTINGS})


def draw(config: PhotometricConfig, index: Any, *, seed: int = 3, progress: Any = 1.0) -> Photometric:
    index = np.atleast_1d(index)
    return draw_photometric(config, seed, index, progress)


def part(drawn: Photometric, rows: Any) -> Photometric:
    return Photometric(**{name: values[rows] for name, values in vars(drawn).items()})


def same(a: Photometric, b: Photometric) -> bool:
    return all(np.array_equal(values, vars(b)[name]) for name, values in vars(a).items())


def video(count: int, channels: int = 1, frames: int = 4, height: int = 24, width: int = 24) -> Tensor:
    rng = np.random.default_rng(count)
    return torch.from_numpy(rng.integers(0, 256, (count, channels, frames, height, width), dtype=np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_drawn_gives_the_input_back_bit_for_bit(channels: int) -> None:
    clips = video(5, channels)
    for drawn in (draw(PhotometricConfig(), range(5)), draw(ALWAYS, range(5), progress=0.0)):
        assert torch.equal(apply_photometric(clips, drawn), clips)
        assert not any(values.any() for values in vars(drawn).values())
        assert np.array_equal(geometric_matrix(drawn.operation, drawn.argument), np.broadcast_to(np.eye(3), (5, 3, 3)))


def test_clips_without_an_effect_stay_beside_clips_with_one() -> None:
    clips = video(40)
    drawn = draw(FULL, range(40), progress=0.3)
    result = apply_photometric(clips, drawn)
    fields = {name: values.reshape(40, -1) for name, values in vars(drawn).items()}
    idle = np.asarray(~np.concatenate(list(fields.values()), axis=1).astype(bool).any(axis=1))
    assert 3 < idle.sum() < 37
    assert torch.equal(result[idle], clips[idle])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_result_does_not_depend_on_the_batch(channels: int) -> None:
    index = np.array([7, 2**40 + 5, 0, 12345, 2**32 - 1, 99, 3, 8])
    clips = video(len(index), channels, height=19, width=26)
    drawn = draw(ALWAYS, index)
    together = apply_photometric(clips, drawn)
    backwards = apply_photometric(clips.flip(0), draw(ALWAYS, index[::-1].copy())).flip(0)
    assert torch.equal(together, backwards)
    for row in range(len(index)):
        alone = draw(ALWAYS, index[row])
        assert same(alone, part(drawn, [row]))
        assert torch.equal(apply_photometric(clips[row : row + 1], alone)[0], together[row])


def test_a_result_does_not_depend_on_the_number_of_threads() -> None:
    clips, drawn = video(6, 3, height=40, width=64), draw(ALWAYS, range(6))
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(apply_photometric(clips, drawn))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_a_draw_is_a_function_of_seed_and_index() -> None:
    assert same(draw(FULL, range(50)), draw(FULL, range(50)))
    assert not same(draw(FULL, range(50)), draw(FULL, range(50), seed=4))
    assert not same(draw(ALWAYS, 5), draw(ALWAYS, 5 + 2**32))


def test_no_two_effects_draw_by_the_same_name_or_from_the_same_words() -> None:
    names = [field.name for part in Photometric.__bases__ for field in dataclasses.fields(part)]
    fields = [field for effect in EFFECTS for field in effect.counts]
    assert len(set(names)) == len(names) and len(set(fields)) == len(fields)
    assert len(EFFECTS) == len(Photometric.__bases__)


@pytest.mark.parametrize("name", SETTINGS)
def test_one_effect_draws_nothing_for_another(name: str) -> None:
    alone = draw(PhotometricConfig(**{name: getattr(ALWAYS, name)}), range(20))
    both = draw(ALWAYS, range(20))
    changed = {key for key, values in vars(alone).items() if values.any()}
    assert changed
    for key in changed:
        assert np.array_equal(vars(alone)[key], vars(both)[key]), key


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_effect_changes_clips_and_leaves_its_input(name: str, channels: int) -> None:
    clips = video(8, channels)
    before = clips.clone()
    result = apply_photometric(clips, draw(PhotometricConfig(**{name: getattr(ALWAYS, name)}), range(8)))
    assert torch.equal(clips, before)
    assert result.shape == clips.shape and result.dtype == torch.uint8
    assert torch.equal(result, clips) == (name == "white_balance" and channels == 1)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 1, 1, 7), (1, 2, 5, 3), (3, 3, 40, 23)])
def test_any_size(shape: tuple[int, int, int, int]) -> None:
    channels, frames, height, width = shape
    clips = video(12, channels, frames, height, width)
    result = apply_photometric(clips, draw(ALWAYS, range(12)))
    assert result.shape == clips.shape and result.is_contiguous()


def test_strided_clips_are_taken() -> None:
    clips = video(4, 3)
    strided = clips.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)
    assert not strided.is_contiguous()
    drawn = draw(ALWAYS, range(4))
    assert torch.equal(apply_photometric(strided, drawn), apply_photometric(clips, drawn))


def test_every_frame_gets_the_same() -> None:
    held = PhotometricConfig(
        **{name: getattr(ALWAYS, name) for name in ("vignette", "compression", "randaugment", "blur", "motion_blur")}
    )
    clips = video(10)[:, :, :1].repeat(1, 1, 4, 1, 1)
    result = apply_photometric(clips, draw(held, range(10)))
    assert torch.equal(result, result[:, :, :1].expand_as(result))


def test_effects_come_in_with_the_curriculum_and_stay() -> None:
    index = np.arange(4000)
    counts = []
    happening = np.zeros(len(index), np.bool_)
    for progress in (0.0, 0.25, 0.5, 1.0):
        drawn = draw(FULL, index, progress=np.full(len(index), progress))
        now = drawn.quality > 0
        assert (now[happening]).all()
        happening = now
        counts.append(now.mean())
        assert (drawn.operation > 0).mean() == pytest.approx(0.5 * progress, abs=0.02)
    assert counts == pytest.approx([0, 0.125, 0.25, 0.5], abs=0.03)


def test_strengths_stay_in_their_ranges() -> None:
    drawn = draw(ALWAYS, range(3000))
    ranges: dict[str, tuple[Any, tuple[float, float]]] = {
        "sigma": (drawn.sigma, FULL.blur.sigma),
        "quality": (drawn.quality, FULL.compression.quality),
        "read": (drawn.read, FULL.noise.read),
        "shot": (drawn.shot, FULL.noise.shot),
        "vignette": (drawn.vignette, FULL.vignette.strength),
        "shutter": (drawn.shutter, FULL.motion_blur.shutter),
        "streak": (np.hypot(*drawn.streak[:, 0].T), FULL.motion_blur.jerk),
        "exposure": (np.abs(drawn.exposure).sum(axis=1), FULL.exposure.stops),
        "white balance": (np.abs(drawn.white_balance).sum(axis=1), FULL.white_balance.stops),
    }
    for name, (values, (low, high)) in ranges.items():
        assert values.min() >= low - 1e-5 and values.max() <= high + 1e-5, name
        # Evenly: the middle of the range is the middle of what is drawn.
        assert np.median(values) == pytest.approx((low + high) / 2, abs=0.05 * (high - low)), name


def test_brightness_and_contrast_follow_the_effects() -> None:
    clips = video(200, height=16, width=16)
    means = clips.float().mean(dim=(1, 2, 3, 4))

    def mean_after(name: str) -> Tensor:
        result = apply_photometric(clips, draw(PhotometricConfig(**{name: getattr(ALWAYS, name)}), range(200)))
        return result.float().mean(dim=(1, 2, 3, 4))

    assert (mean_after("vignette") < means).all()
    for name in ("blur", "motion_blur", "noise"):
        assert mean_after(name) == pytest.approx(means.numpy(), abs=3), name
    blurred = apply_photometric(clips, draw(PhotometricConfig(blur=ALWAYS.blur), range(200)))
    assert (blurred.float().std(dim=(1, 2, 3, 4)) <= clips.float().std(dim=(1, 2, 3, 4)) + 0.01).all()


def test_motion_blur_follows_the_camera_where_a_clip_has_any() -> None:
    drawn = draw(PhotometricConfig(motion_blur=MotionBlurConfig(p=0.5, shutter=(0.5, 0.5), jerk=(0, 0))), range(60))
    motion = np.random.default_rng(0).uniform(-0.1, 0.1, (60, 4, 2))
    moving = follow_camera(drawn, motion)
    active = drawn.shutter > 0
    assert 10 < active.sum() < 50
    assert np.allclose(moving.streak[active], motion[active] / 2, atol=1e-6)
    assert not moving.streak[~active].any()
    fast = follow_camera(drawn, 50 * motion)
    assert np.allclose(np.hypot(*fast.streak[active].T), MAX_STREAK, atol=1e-5)
    clips = torch.zeros(60, 1, 4, 33, 33, dtype=torch.uint8)
    clips[:, :, :, 16, 16] = 255
    result = apply_photometric(clips, moving)
    assert torch.equal(result[~active], clips[~active])
    assert (result[active, 0, :, 16, 16] < 255).all()


def test_the_reference_methods_preset() -> None:
    paper = PhotometricConfig.preset("paper")
    assert paper.randaugment == RandAugmentConfig(p=0.5, operations=2, magnitude=7.0, spread=0.5)
    assert paper.blur == BlurConfig(p=0.5, sigma=(0.1, 2.0))
    assert all(getattr(paper, name).p == 0 for name in SETTINGS if name not in ("randaugment", "blur"))
    assert all(getattr(FULL, name).p > 0 for name in SETTINGS)


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (RandAugmentConfig, {"p": 1.5}),
        (RandAugmentConfig, {"operations": 15}),
        (RandAugmentConfig, {"magnitude": 11}),
        (RandAugmentConfig, {"spread": -1}),
        (BlurConfig, {"p": -0.1}),
        (BlurConfig, {"p": float("nan")}),
        (BlurConfig, {"sigma": (2.0, 1.0)}),
        (BlurConfig, {"sigma": (0.0, 1.0)}),
        (BlurConfig, {"sigma": (1.0, float("inf"))}),
        (MotionBlurConfig, {"shutter": (0.5, 1.5)}),
        (MotionBlurConfig, {"jerk": (0.1, 0.2)}),
        (VignetteConfig, {"strength": (0.5, 1.1)}),
        (ExposureConfig, {"stops": (1.0, 0.5)}),
        (WhiteBalanceConfig, {"stops": (-0.1, 0.5)}),
        (NoiseConfig, {"read": (3.0, 2.0)}),
        (NoiseConfig, {"shot": (0.0, float("nan"))}),
        (CompressionConfig, {"quality": (0, 50)}),
        (CompressionConfig, {"quality": (10.5, 50)}),
        (CompressionConfig, {"quality": (50,)}),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(kind: type, setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(UserError, match=name):
        kind(**setting)


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="paper, full, light"):
        PhotometricConfig.preset("strong")  # type: ignore[arg-type]


def test_video_of_another_kind_is_refused() -> None:
    drawn = draw(FULL, range(2))
    for wrong in (video(3), video(2).float(), video(2)[0], video(2, 3)[:, :2]):
        with pytest.raises(ValueError, match="video must be uint8"):
            apply_photometric(wrong, drawn)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("channels", [1, 3])
def test_a_gpu_gives_nearly_the_same(channels: int) -> None:
    clips, drawn = video(16, channels), draw(ALWAYS, range(16))
    difference = (apply_photometric(clips.cuda(), drawn).cpu().int() - apply_photometric(clips, drawn).int()).abs()
    assert (difference > 1).float().mean() < 0.01
