import numpy as np
import pytest

from fractalvid.finetune.cache.store import view_windows, window
from fractalvid.finetune.clips.sampling import FrameConfig, draw_offsets, training_frames, view_frames

SEGMENTS = FrameConfig(5, sampling="segments")


def test_windows_are_those_of_clips() -> None:
    config = FrameConfig(4, 2)
    assert training_frames(30, config, 0.6).tolist() == window(30, 4, 2, 0.6).tolist()
    assert view_frames(30, config, 3).tolist() == view_windows(30, 4, 2, 3).tolist()


def test_each_segment_gives_one_frame() -> None:
    rng = np.random.default_rng(0)
    for length in (5, 17, 100):
        chosen = np.array([training_frames(length, SEGMENTS, 0.0, rng.random(5)) for _ in range(300)])
        segment = (chosen * 5 + 4) // length  # a frame that two segments share may come from either
        assert (np.abs(segment - np.arange(5)) <= 1).all()
        assert (np.diff(chosen) >= 0).all()
        assert set(chosen.ravel().tolist()) == set(range(length))


def test_short_videos_are_sampled_up_at_equal_spacing() -> None:
    assert view_frames(2, FrameConfig(6, sampling="segments"), 1).tolist() == [[0, 0, 0, 1, 1, 1]]
    assert view_frames(1, SEGMENTS, 2).tolist() == [[0] * 5] * 2


def test_views_of_segments_are_equally_spaced_together() -> None:
    views = view_frames(60, SEGMENTS, 3)
    assert views.shape == (3, 5)
    assert sorted(views.ravel().tolist()) == list(range(2, 60, 4))
    assert view_frames(50, SEGMENTS, 1).tolist() == [[5, 15, 25, 35, 45]]


def test_offsets_belong_to_seed_and_sample() -> None:
    many, few = (draw_offsets(1, np.array(indices), SEGMENTS) for indices in (range(20), [7, 3]))
    assert many is not None
    assert few is not None
    assert many.shape == (20, 5)
    assert few.tolist() == many[[7, 3]].tolist()
    assert many.tolist() != draw_offsets(2, np.arange(20), SEGMENTS).tolist()  # type: ignore[union-attr]
    assert 0 <= many.min() < 0.1
    assert 0.9 < many.max() < 1
    assert draw_offsets(1, np.arange(3), FrameConfig(5)) is None
    with pytest.raises(ValueError, match="offset"):
        training_frames(10, SEGMENTS, 0.0)


@pytest.mark.parametrize("sampling", ["window", "segments"])
def test_only_the_first_frames_count(sampling: str) -> None:
    config = FrameConfig(4, 2, sampling, first_frames=8)  # type: ignore[arg-type]
    offsets = np.full(4, 0.999)
    for length in (5, 8, 300):
        assert view_frames(length, config, 10).max() < min(length, 8)
        assert training_frames(length, config, 0.999, offsets).max() == min(length, 8) - 1
