"""Vignetting, exposure and white balance."""

import numpy as np
import pytest
import torch

from fractalvid.emulate.photometric.light import GAMMA, WAVES, drift, light_tables, vignette


def test_a_stop_is_twice_the_light() -> None:
    tables = light_tables(np.array([[1.0, 0.0, -1.0]]), np.zeros((1, 3)), 1)[0, 0].numpy()
    linear = (tables / 255.0) ** GAMMA
    middle = slice(60, 150)
    assert linear[0, middle] / linear[1, middle] == pytest.approx(np.full(90, 2.0), rel=0.03)
    assert linear[2, middle] / linear[1, middle] == pytest.approx(np.full(90, 0.5), rel=0.03)
    assert (tables[1] == np.arange(256)).all()
    assert (np.diff(tables.astype(int), axis=1) >= 0).all()
    assert tables[0, 255] == 255 and not tables[:, 0].any()


def test_white_balance_moves_red_against_blue_and_leaves_green() -> None:
    tables = light_tables(np.zeros((1, 2)), np.array([[0.5, -0.5]]), 3)[0].numpy()
    assert (tables[1] == np.arange(256)).all()
    assert (tables[0, 0] == tables[2, 1]).all() and (tables[2, 0] == tables[0, 1]).all()
    assert tables[0, 0, 100] > 100 > tables[2, 0, 100]
    grey = light_tables(np.zeros((1, 2)), np.array([[0.5, -0.5]]), 1).numpy()
    assert (grey == np.arange(256)).all()


def test_drift_is_smooth_and_bounded() -> None:
    rng = np.random.default_rng(0)
    waves = rng.uniform(-1, 1, (200, WAVES)).astype(np.float32)
    curves = drift(waves, 400)
    bound = np.abs(waves).sum(axis=1, keepdims=True)
    assert (np.abs(curves) <= bound + 1e-6).all()
    # The fastest cosine makes WAVES half turns.
    assert (np.abs(np.diff(curves, axis=1)) <= bound * np.pi * WAVES / 399 + 1e-6).all()
    assert drift(waves, 1).shape == (200, 1)
    assert np.allclose(drift(waves, 8)[:, [0, 7]], curves[:, [0, 399]])


def test_a_drift_does_not_depend_on_others() -> None:
    waves = np.random.default_rng(0).uniform(-1, 1, (300, WAVES)).astype(np.float32)
    for frames in (1, 2, 8, 19):
        together = drift(waves, frames)
        assert np.array_equal(together, np.concatenate([drift(waves[row : row + 1], frames) for row in range(300)]))


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (64, 48)])
def test_the_middle_keeps_its_light_and_corners_lose_theirs(shape: tuple[int, int]) -> None:
    clips = torch.full((2, 1, 2, *shape), 200, dtype=torch.uint8)
    result = vignette(clips, np.array([0.6, 1e-6], np.float32))
    assert torch.equal(result[1], clips[1])
    height, width = shape
    middle = result[0, 0, 0, height // 2, width // 2].item()
    assert middle >= 199
    if min(shape) > 40:
        corner = result[0, 0, 0, 0, 0].item()
        assert (corner / 200) ** GAMMA == pytest.approx(0.4, abs=0.03)
    assert torch.equal(result[0], result[0].flip(-1)) and torch.equal(result[0], result[0].flip(-2))
    assert (result[0, 0, 0, height // 2, : width // 2 + 1].int().diff() >= 0).all()
