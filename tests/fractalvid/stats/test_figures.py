"""Each figure gives what it says on clips whose figure is known."""

import numpy as np
import pytest

from fractalvid.stats.config import Band
from fractalvid.stats.figures import (
    Scatter,
    centroid_path,
    centroids,
    clip_figures,
    effective_rank,
    grey_levels,
    lit_share,
    motion,
    nearly_empty,
    nearly_full,
    picture_distance,
    radial_power,
    spectrum_exponent,
    thumbnails,
)


def square(side: int, positions: list[tuple[int, int]], size: int = 64, level: int = 200) -> np.ndarray:
    """A clip (1, T, H, W) of a square whose corner is at those (column, row)."""
    clip = np.zeros((1, len(positions), size, size), np.uint8)
    for t, (x, y) in enumerate(positions):
        clip[0, t, y : y + side, x : x + side] = level
    return clip


def noise(exponent: float, *, size: int = 128, count: int = 32, width: int | None = None) -> np.ndarray:
    """Grey clips (count / 4, 4, H, W) of noise whose amplitude spectrum is f^-exponent, f in cycles a frame side."""
    rng = np.random.default_rng(1)
    width = width or size
    f = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.fft.rfftfreq(width, 1 / width))
    amplitude = np.where(f > 0, np.maximum(f, 1) ** -exponent, 0)
    fields = np.fft.irfft2(amplitude * np.fft.rfft2(rng.normal(size=(count, size, width))), s=(size, width))
    return np.asarray(np.clip(128 + 40 * fields / fields.std(), 0, 255), np.uint8).reshape(-1, 4, size, width)


def test_lit_pixels() -> None:
    clip = square(16, [(0, 0), (48, 48), (8, 30)])
    assert np.allclose(lit_share(clip), 1 / 16)
    assert np.allclose(lit_share(clip, above=200), 0)
    clip[0, 1] = 0
    assert np.allclose(lit_share(clip)[0], [1 / 16, 0, 1 / 16])


def test_degenerate_frames() -> None:
    clip = np.zeros((1, 5, 40, 40), np.uint8)
    clip[0, 1, :3, :5] = 255  # 15 of 1600 pixels
    clip[0, 2, :4, :5] = 255  # 20 of them, more than 1 %
    clip[0, 3] = 90
    clip[0, 4] = 90 + 60 * (np.indices((40, 40)).sum(axis=0) % 2)
    lit = lit_share(clip)
    assert nearly_empty(lit)[0].tolist() == [True, True, False, False, False]
    assert nearly_full(clip, lit)[0].tolist() == [False, False, False, True, False]


def test_motion_of_a_translating_square() -> None:
    """A square of side s that moves by d leaves s d pixels and takes s d others: 2 s d / s² of its brightness."""
    for step in (0, 1, 4, 16):
        clip = square(16, [(step * t, 20) for t in range(4)])
        assert motion(clip)[0] == pytest.approx(2 * step / 16)
        assert centroid_path(clip)[0] == pytest.approx(3 * step / 64)
    far = square(16, [(0, 0), (40, 40)])
    assert motion(far)[0] == pytest.approx(2)
    assert centroid_path(far)[0] == pytest.approx(np.hypot(40, 40) / 64)


def test_motion_where_there_is_none_to_speak_of() -> None:
    black, one_frame = np.zeros((2, 4, 32, 32), np.uint8), square(8, [(0, 0)])
    assert np.isnan(motion(black)).all()
    assert np.isnan(motion(one_frame)).all() and np.isnan(centroid_path(one_frame)).all()
    assert np.allclose(centroid_path(black), 0)
    power, band = radial_power(np.concatenate([black, black])), Band(2, 8)
    found = clip_figures(np.concatenate([black, black]), above=0, power=power, band=band)
    assert np.isnan(found.exponent).all()
    assert np.all(found.still == 1)
    single = clip_figures(one_frame, above=0, power=radial_power(one_frame), band=band)
    assert np.isnan(single.still).all()


def test_centres_of_brightness() -> None:
    clip = square(8, [(0, 0), (56, 28)])
    assert np.allclose(centroids(clip)[0], [[1 / 16, 1 / 16], [15 / 16, 0.5]])
    clip[0, 1] = 0
    assert np.isnan(centroids(clip)[0, 1]).all()
    assert centroid_path(clip)[0] == 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.3, 1.8])
def test_the_exponent_of_noise(exponent: float) -> None:
    found = spectrum_exponent(radial_power(noise(exponent)), Band(2, 16))
    assert found.mean() == pytest.approx(exponent, abs=0.06)


def test_the_exponent_does_not_depend_on_brightness_size_or_borders() -> None:
    clips = noise(1.2)
    half = (clips // 2 + 60).astype(np.uint8)
    whole = spectrum_exponent(radial_power(clips), Band(2, 16)).mean()
    assert spectrum_exponent(radial_power(half), Band(2, 16)).mean() == pytest.approx(whole, abs=0.02)
    larger = spectrum_exponent(radial_power(noise(1.2, size=192)), Band(2, 16)).mean()
    assert larger == pytest.approx(whole, abs=0.08)
    oblong = spectrum_exponent(radial_power(noise(1.2, size=96, width=128)), Band(2, 16)).mean()
    assert oblong == pytest.approx(1.2, abs=0.08)
    # A quarter of a larger picture does not end where it begins: its borders are steps of their own.
    torn = noise(1.8, size=256)[:, :, :128, :128]
    assert spectrum_exponent(radial_power(torn), Band(3, 16)).mean() == pytest.approx(1.8, abs=0.1)


def test_power_is_that_of_a_wave() -> None:
    """A wave of k cycles has its power in ring k, and its neighbours through the window."""
    x = np.arange(64)
    clip = np.broadcast_to(np.round(128 + 100 * np.sin(2 * np.pi * 9 * x / 64)), (64, 64)).astype(np.uint8)[None, None]
    power = radial_power(clip)[0]
    assert power.argmax() + 1 == 9
    assert power[7:10].sum() > 0.99 * power.sum()


def test_a_band_without_frequencies_is_refused() -> None:
    with pytest.raises(ValueError, match="no frequencies"):
        spectrum_exponent(np.ones((1, 4)), Band(4, 16))


def test_thumbnails_average() -> None:
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (2, 3, 24, 36), dtype=np.uint8)
    expected = clips.reshape(2, 3, 4, 6, 4, 9).mean(axis=(3, 5)) / 255
    assert np.allclose(thumbnails(clips, 4), expected, atol=1e-5)
    uneven = thumbnails(clips, 5)
    assert uneven.shape == (2, 3, 5, 5)
    assert np.allclose(uneven.mean(axis=(2, 3)), clips.mean(axis=(2, 3)) / 255, atol=1e-5)


def test_diversity_of_equal_pictures_is_none() -> None:
    same = np.repeat(np.random.default_rng(0).uniform(size=(1, 6, 6)), 20, axis=0).astype(np.float32)
    assert picture_distance(Scatter.of(same)) == pytest.approx(0, abs=1e-6)
    assert effective_rank(Scatter.of(same)) == 1
    assert effective_rank(Scatter.of(same[:1])) == 1
    assert np.isnan(picture_distance(Scatter.of(same[:1])))


def test_distance_is_that_over_all_pairs() -> None:
    pictures = np.random.default_rng(0).uniform(size=(7, 5, 5)).astype(np.float32)
    pairs = [((pictures[i] - pictures[j]) ** 2).mean() for i in range(7) for j in range(i)]
    assert picture_distance(Scatter.of(pictures)) == pytest.approx(np.sqrt(np.mean(pairs)), rel=1e-5)


def test_effective_rank_counts_directions() -> None:
    rng = np.random.default_rng(0)
    for rank in (1, 3, 10):
        basis = np.linalg.qr(rng.normal(size=(64, 64)))[0][:rank]
        pictures = (rng.normal(size=(4000, rank)) @ basis).astype(np.float32)
        assert effective_rank(Scatter.of(pictures)) == pytest.approx(rank, rel=0.02)


def test_scatters_add_up() -> None:
    pictures = np.random.default_rng(0).uniform(size=(9, 4, 4)).astype(np.float32)
    parts = Scatter.none(16) + Scatter.of(pictures[:4]) + Scatter.of(pictures[4:])
    assert parts.count == 9
    assert np.allclose(parts.covariance(), np.cov(pictures.reshape(9, -1).T), atol=1e-7)


def test_colour_is_black_where_all_its_channels_are() -> None:
    clip = np.zeros((1, 1, 2, 2, 3), np.uint8)
    clip[0, 0, 0] = [[0, 0, 1], [255, 255, 255]]
    clip[0, 0, 1, 0] = [255, 0, 0]
    assert grey_levels(clip)[0, 0].tolist() == [[1, 255], [77, 0]]
    grey = np.arange(8, dtype=np.uint8).reshape(1, 2, 2, 2)
    assert grey_levels(grey) is grey


def test_figures_of_a_clip_do_not_depend_on_its_batch() -> None:
    clips = np.concatenate([noise(1.0, size=32, count=12), noise(0.3, size=32, count=8)])
    band = Band(2, 12)
    together = clip_figures(clips, above=0, power=radial_power(clips), band=band)
    alone = clip_figures(clips[3:4], above=0, power=radial_power(clips[3:4]), band=band)
    for name in ("occupancy", "brightness", "motion", "path", "exponent"):
        assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[3], rel=1e-5)
