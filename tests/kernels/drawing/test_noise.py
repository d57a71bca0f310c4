"""Gradient noise: against its formula written out for one point, its statistics, and cameras."""

import dataclasses

import numpy as np
import pytest

from fractalvid.kernels.drawing.jobs import NoiseJobs
from fractalvid.kernels.drawing.noise import LACUNARITY, TIME_LACUNARITY, render_noise

SIZE = (24, 36)
SHIFT = 17.37
RMS = 0.1911


def scramble(h: int) -> int:
    h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
    h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
    return h ^ h >> 16


def one_octave(point: tuple[float, ...], seed: int) -> float:
    """The definition, in double precision: ramps of the eight corners, blended axis by axis."""
    cell = [int(np.floor(v)) for v in point]
    rest = [v - c for v, c in zip(point, cell, strict=True)]
    blend = [t**3 * (t * (6 * t - 15) + 10) for t in rest]
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        at = [c + k for c, k in zip(cell, corner, strict=True)]
        h = scramble((at[0] * 0x9E3779B1 + seed) % 2**32 ^ at[1] * 0x85EBCA77 % 2**32 ^ at[2] * 0xC2B2AE3D % 2**32)
        ramp = sum(((h >> 10 * i & 1023) / 511.5 - 1) * (rest[i] - corner[i]) for i in range(3))
        total += ramp * np.prod([blend[i] if corner[i] else 1 - blend[i] for i in range(3)])
    return float(total)


def jobs(count: int, **values: object) -> NoiseJobs:
    rng = np.random.default_rng(5)
    height, width = SIZE
    view = np.array([[1 / width, 0, 0], [0, 1 / height, 0], [0, 0, 1]], np.float32)
    whole = NoiseJobs(
        inverse=np.tile(view, (count, 1, 1)),
        frequency=np.full((count, 2), 5, np.float32),
        place=rng.uniform(-40, 40, (count, 3)).astype(np.float32),
        octaves=np.ones(count, np.int64),
        persistence=np.full(count, 0.5, np.float32),
        contrast=np.full(count, 0.15, np.float32),
        seed=rng.integers(0, 2**32, count).astype(np.uint32),
    )
    return dataclasses.replace(whole, **values)  # type: ignore[arg-type]  # arrays by name


@pytest.mark.parametrize("octaves", [1, 3])
def test_pixels_are_the_formula_at_their_centres(octaves: int) -> None:
    batch = jobs(2, octaves=np.full(2, octaves))
    picture = render_noise(batch, size=SIZE)
    for j, row, column in [(0, 3, 7), (0, 20, 35), (1, 0, 0), (1, 11, 30)]:
        x, y, z = (float(v) for v in batch.place[j])
        x, y = x + 5 * (column + 0.5) / SIZE[1], y + 5 * (row + 0.5) / SIZE[0]
        total, amplitude, power = 0.0, 1.0, 0.0
        for o in range(octaves):
            total += amplitude * one_octave((x, y, z), (int(batch.seed[j]) + o) % 2**32)
            power += amplitude**2
            x, y, z = (v * float(f) + SHIFT for v, f in ((x, LACUNARITY), (y, LACUNARITY), (z, TIME_LACUNARITY)))
            amplitude *= 0.5
        wanted = 127.5 + 255 * 0.15 * total / (RMS * np.sqrt(power))
        assert picture[j, row, column] == pytest.approx(wanted, abs=0.6)


def test_mean_and_contrast_are_as_asked() -> None:
    rng = np.random.default_rng(1)
    for octaves in (1, 4):
        place = rng.uniform(-100, 100, (1500, 3)).astype(np.float32)
        picture = render_noise(jobs(1500, octaves=np.full(1500, octaves), place=place), size=SIZE) / 255
        assert picture.mean() == pytest.approx(0.5, abs=0.01)
        assert picture.std() == pytest.approx(0.15, abs=0.008)


def test_noise_is_smooth_in_time_and_differs_between_seeds() -> None:
    place = np.array([[1, 2, 0.3], [1, 2, 0.301], [1, 2, 0.8], [1, 2, 0.3]], np.float32)
    picture = render_noise(jobs(4, place=place, seed=np.array([7, 7, 7, 8], np.uint32)), size=SIZE).astype(int)
    near, far, other = (np.abs(picture[0] - picture[k]).mean() for k in (1, 2, 3))
    assert near < 0.5
    assert far > 10
    assert other > 10


def test_threads_and_batches_do_not_matter() -> None:
    batch = jobs(11, octaves=np.arange(11) % 3 + 1)
    whole = render_noise(batch, size=SIZE, threads=1)
    assert np.array_equal(whole, render_noise(batch, size=SIZE, threads=2))
    alone = NoiseJobs(**{f.name: getattr(batch, f.name)[7:8] for f in dataclasses.fields(batch)})
    assert np.array_equal(whole[7:8], render_noise(alone, size=SIZE))


def test_there_is_nothing_behind_the_camera() -> None:
    tilted = np.array([[1 / 36, 0, 0], [0, 1 / 24, 0], [0, -1 / 12, 1]], np.float32)
    picture = render_noise(jobs(1, inverse=tilted[None]), size=SIZE)[0]
    assert picture[:12].min() > 0
    assert picture[12:].max() == 0
