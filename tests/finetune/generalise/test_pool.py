"""The pool of transformations against Pillow, which the published work used."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from fractalvid.finetune.generalise.pool import (
    LENGTH,
    NOTHING,
    POOL,
    Pixels,
    draw_tuples,
    identity,
    named,
    transform,
)

Bytes = NDArray[np.uint8]
LEVELS = {"autocontrast": 20, "sharpness": 20, "brightness": 20, "colour": 20, "contrast": 20, "grey": 1} | {
    **dict.fromkeys(("red", "green", "blue"), 30),
    "solarise": 20,
}


def added(channel: int) -> Callable[[Image.Image, float], Image.Image]:
    def change(image: Image.Image, amount: float) -> Image.Image:
        bands = list(image.split())
        bands[channel] = bands[channel].point(lambda value: min(255, max(0, value + int(amount))))
        return Image.merge("RGB", bands)

    return change


PILLOW: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "autocontrast": lambda image, cutoff: ImageOps.autocontrast(image, cutoff=cutoff),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "colour": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "grey": lambda image, _: image.convert("L").convert("RGB"),
    "red": added(0),
    "green": added(1),
    "blue": added(2),
    "solarise": lambda image, threshold: ImageOps.solarize(image, threshold=int(threshold)),
}


def pictures() -> Bytes:
    """Three frames (3, 40, 50, 3): noise, a dim ramp, and one even colour."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 50, 3))
    ramp = np.linspace(20, 140, 50)[None, :, None] + np.zeros((40, 50, 3)) + [0, 30, 60]
    return np.stack([noise, ramp, np.full((40, 50, 3), (5, 90, 200))]).astype(np.uint8)


def frames() -> torch.Tensor:
    return torch.from_numpy(pictures()).permute(0, 3, 1, 2)


def test_the_pool_is_the_published_one() -> None:
    assert {name: len(row.levels) for name, row in POOL.items()} == LEVELS
    assert (POOL["red"].levels[0], POOL["red"].levels[-1]) == (-120, 120)
    assert (POOL["contrast"].levels[0], POOL["contrast"].levels[-1]) == (0.6, 1.4)


@pytest.mark.parametrize("name", POOL)
def test_every_level_is_pillows(name: str) -> None:
    row = POOL[name]
    for level in row.levels:
        changed = row.apply(frames(), level).permute(0, 2, 3, 1).numpy()
        wanted = np.stack([np.asarray(PILLOW[name](Image.fromarray(one), level)) for one in pictures()])
        assert np.abs(changed.astype(int) - wanted).max() <= 1, level
        assert (changed != wanted).mean() < 0.02, level


def test_tuples_are_functions_of_seed_and_number() -> None:
    drawn = draw_tuples(3, 7, 50)
    assert drawn.shape == (50, LENGTH, 2)
    assert drawn.equal(draw_tuples(3, 7, 50))
    assert not drawn.equal(draw_tuples(3, 8, 50)) and not drawn.equal(draw_tuples(4, 7, 50))
    every = draw_tuples(0, 0, 3000).flatten(0, 1)
    kinds = every[:, 0].bincount(minlength=len(POOL))
    assert kinds.min() > 0.9 * kinds.float().mean()
    for kind, size in enumerate(LEVELS.values()):
        assert set(every[every[:, 0] == kind, 1].tolist()) == set(range(size))


def test_a_tuple_is_its_transformations_in_turn() -> None:
    names = list(POOL)
    chosen = torch.tensor([[names.index("red"), 29], [names.index("grey"), 0], [NOTHING, NOTHING], [9, 3]])
    assert named(chosen) == [("red", 120.0), ("grey", 0.0), ("solarise", 3.0)]
    by_hand = POOL["solarise"].apply(POOL["grey"].apply(POOL["red"].apply(frames(), 120), 0), 3)
    assert transform(frames(), chosen).equal(by_hand)
    assert transform(frames(), identity()).equal(frames())


def test_all_frames_of_all_clips_are_changed_alike() -> None:
    pixels = Pixels((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    stored = torch.randint(0, 256, (2, 3, 4, 8, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    video = pixels.to_video(stored)
    assert pixels.to_bytes(video).equal(stored)
    assert pixels.transform(video, identity()) is video
    chosen = torch.tensor([[list(POOL).index("blue"), 0]] * LENGTH)
    changed = pixels.to_bytes(pixels.transform(video, chosen))
    assert changed[:, :2].equal(stored[:, :2])
    assert changed[:, 2].equal((stored[:, 2].int() - LENGTH * 120).clamp(0).to(torch.uint8))
