from dataclasses import replace

import numpy as np
import pytest
import torch

from fractalvid.finetune.clips.config import FrameConfig, ViewConfig
from fractalvid.finetune.clips.views import squares, video_views

CONFIG = ViewConfig(FrameConfig(4, 2), 12, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), views=3, crops=1)


def test_views_are_windows_times_squares() -> None:
    clip = np.random.default_rng(0).integers(0, 120, (14, 14, 18, 3), np.uint8)
    three = replace(CONFIG, views=2, crops=3)
    views = video_views(clip, three)
    assert views.shape == (6, 4, 12, 12, 3)
    assert torch.equal(views[2:4], video_views(clip, replace(CONFIG, views=2)))


@pytest.mark.parametrize("shape", [(2, 10, 16, 3), (2, 16, 10, 3), (2, 10, 10, 3)])
def test_squares_lie_at_both_ends_and_in_the_middle(shape: tuple[int, ...]) -> None:
    clip = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    cut = list(squares(clip, 3))
    assert [part.shape for part in cut] == [(2, 10, 10, 3)] * 3
    assert np.array_equal(cut[0], clip[:, :10, :10])
    assert np.array_equal(cut[2], clip[:, -10:, -10:])
    assert np.array_equal(cut[1], next(squares(clip, 1)))


def test_segments_and_first_frames_are_what_is_tested() -> None:
    clip = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(12, 1).repeat(12, 2).repeat(3, 3)
    config = replace(CONFIG, views=1, frames=FrameConfig(4, sampling="segments"))
    assert video_views(clip, config)[0, :, 0, 0, 0].tolist() == [5, 15, 25, 35]
    assert video_views(clip, replace(config, frames=replace(config.frames, first_frames=8)))[
        0, :, 0, 0, 0
    ].tolist() == [1, 3, 5, 7]
