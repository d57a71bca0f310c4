import numpy as np
import pytest

from fractalvid.finetune.clips.config import FrameConfig
from fractalvid.finetune.clips.sampling import draw_offsets, training_frames, view_frames, view_windows
from fractalvid.video.windows import effective_stride, window

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


@pytest.mark.parametrize(
    ("length", "clip_len", "stride", "expected"),
    [(40, 8, 2, 2), (15, 8, 2, 2), (14, 8, 2, 1), (20, 8, 4, 2), (3, 8, 2, 1), (1, 8, 2, 1), (5, 1, 9, 1)],
)
def test_short_clips_shrink_the_stride(length: int, clip_len: int, stride: int, expected: int) -> None:
    assert effective_stride(length, clip_len, stride) == expected


def test_windows_cover_the_clip_from_first_to_last_frame() -> None:
    starts = {int(window(20, 4, 3, u)[0]) for u in np.linspace(0, 0.9999, 200)}
    assert starts == set(range(11))
    assert window(20, 4, 3, 0.9999).tolist() == [10, 13, 16, 19]


def test_the_last_frame_repeats_where_the_clip_is_too_short() -> None:
    assert window(3, 5, 2, 0.7).tolist() == [0, 1, 2, 2, 2]
    assert window(1, 4, 2, 0.5).tolist() == [0, 0, 0, 0]
    assert view_windows(1, 2, 2, 3).tolist() == [[0, 0]] * 3


def test_test_views_are_uniform_and_one_is_central() -> None:
    assert view_windows(31, 4, 2, 3)[:, 0].tolist() == [0, 12, 24]
    assert view_windows(31, 4, 2, 1).tolist() == [[12, 14, 16, 18]]
    assert view_windows(31, 4, 2, 5)[-1].tolist() == [24, 26, 28, 30]
