"""Warping: exact for the identity, right for known shifts, reflected outside, nothing behind the camera."""

import numpy as np
import pytest
import torch

from fractalvid.emulate.warp import warp
from fractalvid.kernels.drawing import views

SIZE = (24, 40)


def matrices(*each: list[list[float]], frames: int = 2) -> np.ndarray:
    return np.repeat(np.array(each, np.float64)[:, None], frames, axis=1)


def to_pixels(count: int = 1, frames: int = 2) -> np.ndarray:
    return matrices(*[np.diag([SIZE[1], SIZE[0], 1.0]).tolist()] * count, frames=frames)


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape)).float()


EYE = np.eye(3).tolist()


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("outside", ["zeros", "reflection"])
def test_the_identity_gives_the_picture_back(fold: bool, outside: str) -> None:
    still = noise(3, 2, *SIZE)
    seen = warp(still, to_pixels(3), matrices(EYE, EYE, EYE), SIZE, outside=outside, fold=fold)
    assert seen.shape == (3, 2, 2, *SIZE)
    assert torch.equal(seen.round().to(torch.uint8), still[:, :, None].expand(seen.shape).to(torch.uint8))
    moving = noise(3, 2, 2, *SIZE)
    seen = warp(moving, to_pixels(3), matrices(EYE, EYE, EYE), SIZE, outside=outside, fold=fold)
    assert torch.equal(seen.round().to(torch.uint8), moving.to(torch.uint8))


def test_a_known_translation_moves_a_known_point() -> None:
    picture = torch.zeros(1, 1, *SIZE)
    picture[0, 0, 10, 20] = 255
    camera = to_pixels()
    camera[0, 1, :2, 2] = 7, -4
    seen = warp(picture, camera, matrices(EYE), SIZE, outside="zeros")[0, 0]
    assert torch.argmax(seen[0]) == 10 * SIZE[1] + 20
    assert torch.argmax(seen[1]) == 6 * SIZE[1] + 27
    assert seen[1, 6, 27] == pytest.approx(255, abs=1e-3)
    # The same by what the picture does in the scene.
    moved = matrices(EYE)
    moved[..., :2, 2] = 7 / SIZE[1], -4 / SIZE[0]
    seen = warp(picture, to_pixels(), moved, SIZE, outside="zeros")[0, 0]
    assert seen[0, 6, 27] == pytest.approx(255, abs=1e-2)


def test_outside_a_picture_is_its_reflection_or_nothing() -> None:
    picture = noise(1, 1, *SIZE)
    camera = to_pixels(frames=1)
    camera[0, 0, 0, 2] = 13
    for fold in (False, True):
        seen = warp(picture, camera, matrices(EYE, frames=1), SIZE, outside="reflection", fold=fold)[0, 0, 0]
        assert torch.allclose(seen[:, 13:], picture[0, 0, :, :-13], atol=1e-2)
        assert torch.allclose(seen[:, :13], picture[0, 0, :, :13].flip(1), atol=1e-2)
    empty = warp(picture, camera, matrices(EYE, frames=1), SIZE, outside="zeros")[0, 0, 0]
    assert not empty[:, :12].any()


def test_the_scene_is_folded_before_the_picture_is_looked_at() -> None:
    """A picture that lies in the left half of the scene, under a camera that has moved by a whole scene."""
    picture = noise(1, 1, *SIZE)
    half = matrices([[0.5, 0, 0], [0, 1, 0], [0, 0, 1]], frames=1)
    camera = to_pixels(frames=1)
    here = warp(picture, camera, half, SIZE, outside="reflection", fold=True)[0, 0, 0]
    camera[0, 0, 0, 2] = SIZE[1]
    there = warp(picture, camera, half, SIZE, outside="reflection", fold=True)[0, 0, 0]
    assert torch.allclose(there, here.flip(1), atol=1e-2)


def test_nothing_is_seen_behind_the_camera() -> None:
    picture = torch.full((1, 1, *SIZE), 200.0)
    tilted = matrices([[1, 0, 0], [0, 1, 0], [1.5, 0, 1]], frames=1)
    camera = to_pixels(frames=1)
    seen = warp(picture, camera, tilted, SIZE, outside="zeros")[0, 0, 0]
    x = (np.arange(SIZE[1]) + 0.5) / SIZE[1]
    # x / (1.5 x + 1) stays below 0.4 for x in 0..1: the picture ends there, and the horizon is at 2 / 3.
    assert (seen[:5, x < 0.38] > 199).all()
    assert not seen[:, x > 0.43].any()


def test_chunks_and_neighbours_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = noise(5, 1, *SIZE)
    camera = to_pixels(5)
    camera[:, :, 0, 2] = np.arange(5)[:, None] * 3.3
    inner = matrices(*[EYE] * 5)
    inner[2, :, 2, 0] = 0.3
    whole = warp(pictures, camera, inner, SIZE, outside="reflection", fold=True)
    monkeypatch.setattr(views, "_FRAMES", 10**9)
    assert torch.equal(whole, warp(pictures, camera, inner, SIZE, outside="reflection", fold=True))
    alone = warp(pictures[3:4], camera[3:4], inner[3:4], SIZE, outside="reflection", fold=True)
    assert torch.equal(whole[3:4], alone)
