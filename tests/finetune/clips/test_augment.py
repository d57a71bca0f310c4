from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fractalvid.core.seeds import words64
from fractalvid.finetune.clips.augment import (
    Augmentation,
    crop,
    crop_box,
    draw,
    to_network,
)
from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.clips.draws import epoch_order
from fractalvid.utils.errors import UserError

PLAIN = AugmentConfig((1.0, 1.0), (1.0, 1.0), 0.0, 0.0, 0.0, 0.0)


def frames(rng: np.random.Generator, *shape: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def identity(**changes: float) -> Augmentation:
    """One clip, nothing changed but what is named."""
    values: dict[str, float] = {"time": 0, "area": 1, "ratio": 1, "left": 0, "top": 0, "flip": 0}
    values |= {"brightness": 1, "contrast": 1, "saturation": 1} | changes
    arrays = {name: np.array([value], dtype=float) for name, value in values.items()}
    return Augmentation(**{**arrays, "flip": arrays["flip"] > 0})


def test_a_draw_is_a_function_of_seed_and_index_alone() -> None:
    config = AugmentConfig()
    many = draw(3, np.arange(100), config)
    few = draw(3, np.array([71, 5]), config)
    for name, values in vars(few).items():
        assert values.tolist() == vars(many)[name][[71, 5]].tolist()
    assert draw(4, np.array([5]), config).time != few.time[1]


def test_words_are_golden() -> None:
    # Resuming under another numpy must go on with the same samples.
    assert words64(7, 2, 123456789, 2).tolist() == [7059583609468251166, 6856555161821144861]


def test_draws_stay_in_their_ranges_and_fill_them() -> None:
    config = AugmentConfig(crop_scale=(0.5, 0.9), crop_ratio=(0.5, 2.0), flip=0.25, contrast=0.4)
    drawn = draw(0, np.arange(4000), config)
    for values, low, high in (
        (drawn.area, 0.5, 0.9),
        (drawn.ratio, 0.5, 2.0),
        (drawn.contrast, 0.6, 1.4),
        (drawn.time, 0.0, 1.0),
        (drawn.left, 0.0, 1.0),
    ):
        room = high - low
        assert low <= values.min() < low + 0.02 * room
        assert high - 0.02 * room < values.max() <= high
    assert abs(drawn.flip.mean() - 0.25) < 0.03
    assert abs(np.log(drawn.ratio).mean()) < 0.03  # wide as often as tall
    assert abs(np.corrcoef(drawn.time, drawn.left)[0, 1]) < 0.06


def test_an_epoch_is_a_permutation_and_another_epoch_another_one() -> None:
    order = epoch_order(1, 0, 50)
    assert sorted(order.tolist()) == list(range(50))
    assert order.tolist() == epoch_order(1, 0, 50).tolist()
    assert order.tolist() != epoch_order(1, 1, 50).tolist()
    assert order.tolist() != epoch_order(2, 0, 50).tolist()


def test_crops_lie_in_the_frame_with_the_area_and_ratio_that_were_drawn() -> None:
    drawn = draw(0, np.arange(500), AugmentConfig(crop_scale=(0.2, 0.5)))
    for i in range(500):
        top, left, rows, columns = crop_box(90, 120, drawn, i)
        assert 0 <= top <= 90 - rows
        assert 0 <= left <= 120 - columns
        assert rows * columns == pytest.approx(drawn.area[i] * 90 * 120, rel=0.05)
        assert columns / rows == pytest.approx(drawn.ratio[i], rel=0.05)


def test_a_crop_reaches_all_four_sides() -> None:
    drawn = draw(0, np.arange(2000), AugmentConfig(crop_scale=(0.25, 0.25), crop_ratio=(1.0, 1.0)))
    boxes = np.array([crop_box(20, 20, drawn, i) for i in range(2000)])
    assert boxes[:, 0].min() == boxes[:, 1].min() == 0
    assert (boxes[:, 0] + boxes[:, 2]).max() == (boxes[:, 1] + boxes[:, 3]).max() == 20


def test_impossibly_wide_crops_and_tiny_frames_are_cut_to_the_frame() -> None:
    assert crop_box(10, 100, identity(area=0.9, ratio=0.01), 0) == (0, 0, 10, 3)
    assert crop_box(1, 1, identity(area=0.1, left=0.999, top=0.999), 0) == (0, 0, 1, 1)


def test_all_of_the_area_is_the_largest_crop_from_the_middle() -> None:
    drawn = draw(0, np.arange(4), AugmentConfig(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0)))
    assert {crop_box(240, 320, drawn, i) for i in range(4)} == {(0, 40, 240, 240)}
    assert {crop_box(320, 240, drawn, i) for i in range(4)} == {(40, 0, 240, 240)}
    wide = draw(0, np.arange(4), AugmentConfig(crop_scale=(1.0, 1.0), crop_ratio=(4 / 3, 4 / 3)))
    assert {crop_box(240, 320, wide, i) for i in range(4)} == {(0, 0, 240, 320)}
    assert {crop_box(240, 240, wide, i) for i in range(4)} == {(30, 0, 180, 240)}


def test_the_plain_crop_is_the_frame_and_a_flip_mirrors_it() -> None:
    clip = frames(np.random.default_rng(0), 5, 8, 8, 3)
    chosen = np.array([0, 2, 4])
    assert torch.equal(crop(clip, chosen, identity(), 0, 8), torch.from_numpy(clip[::2].copy()))
    assert torch.equal(crop(clip, chosen, identity(flip=1), 0, 8), torch.from_numpy(clip[::2, :, ::-1].copy()))


def test_crop_resizes_the_region_that_was_drawn() -> None:
    clip = np.zeros((2, 40, 60, 3), np.uint8)
    clip[:, :, 30:] = 200
    right = crop(clip, np.arange(2), identity(area=0.25, ratio=1.5, left=0.999), 0, 10)  # 20 x 30 pixels at the right
    assert right.shape == (2, 10, 10, 3)
    assert (right == 200).all()


def test_colour_is_one_affine_map_held_over_the_frames() -> None:
    rng = np.random.default_rng(0)
    video = torch.from_numpy(frames(rng, 1, 4, 6, 5, 3) // 4 + 96)
    drawn = identity(brightness=1.1, contrast=0.8, saturation=0.5)
    got = to_network(video, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), drawn)[0]
    x = video[0].double() / 255 * 1.1
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    x = 0.5 * x + 0.5 * (x @ luma)[..., None]
    x = 0.8 * x + 0.2 * (x @ luma).mean()
    torch.testing.assert_close(got, x.permute(3, 0, 1, 2).float(), atol=1e-5, rtol=0)


def test_no_colour_change_is_the_identity_and_the_rest_normalisation() -> None:
    video = torch.from_numpy(frames(np.random.default_rng(0), 2, 3, 4, 5, 3))
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    drawn = Augmentation(**{name: np.repeat(value, 2) for name, value in vars(identity()).items()})
    expected = (video.permute(0, 4, 1, 2, 3) / 255 - torch.tensor(mean).view(3, 1, 1, 1)) / torch.tensor(std).view(
        3, 1, 1, 1
    )
    torch.testing.assert_close(to_network(video, mean, std), expected)
    torch.testing.assert_close(to_network(video, mean, std, drawn), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"crop_scale": (0.0, 1.0)},
        {"crop_scale": (0.9, 0.5)},
        {"crop_scale": (0.5, 1.1)},
        {"crop_ratio": (2.0, 1.0)},
        {"flip": 1.5},
        {"contrast": -0.1},
        {"saturation": float("nan")},
    ],
)
def test_impossible_augmentation_is_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(UserError, match=rf"augment\.{name.replace('_', '.')} "):
        AugmentConfig(**settings)
