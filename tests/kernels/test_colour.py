"""Colour: exact sums of indices, known mean indices, pictures that are the reference's, grey left as it is."""

import dataclasses

import numpy as np
import pytest

from fractalvid.kernels import MAX_COLOUR_POINTS, Jobs, accumulate, reference, render
from tests.kernels.conftest import system, view

RNG = np.random.default_rng(4)
PALETTES = RNG.integers(0, 256, (3, 256, 3)).astype(np.uint8)
CURVE = np.rint(255 * (np.arange(256) / 255) ** 0.6).astype(np.uint8)
EXPOSURE = np.tile(np.array([64, 30], np.float32), (3, 1))
TILT = np.array([[20, 3, 30], [-2, 15, 25], [0.02, 0.03, 1.0]], np.float32)


def coloured(count: int = 3, maps: int = 5, variation: int = 0) -> Jobs:
    coefficients, weights = system(maps, seed=1)
    colour = np.linspace(0, 1, maps)
    return Jobs.of(
        [coefficients] * count,
        [weights],
        seed=np.arange(count) + 1,
        variation=variation,
        projection=view((64, 64)),
        colour=colour,
    )


def sums(done: object) -> tuple[np.ndarray, ...]:
    return tuple(getattr(done, name) for name in ("counts", "outside", "discarded"))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
def test_sums_of_one_colour_are_exact(backend: str, value: float) -> None:
    jobs = dataclasses.replace(coloured(1), colour=np.full((1, 5), value, np.float32))
    done = accumulate(jobs, size=64, points=5001, backend=backend)  # type: ignore[arg-type]
    assert done.colour is not None
    index = int(255 * np.float32(value) + 0.5)
    assert np.array_equal(done.colour, done.counts * np.uint32(index))
    assert done.colour.dtype == np.uint32


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_mean_index_of_halving_maps_is_the_place(backend: str) -> None:
    """x' = (x + b) / 2 and c' = (c + b) / 2: a point's colour is its place."""
    maps = [[[0.5, 0, 0, 0, 0, 0.5], [0.5, 0, 0.5, 0, 0, 0.5]]]
    jobs = Jobs.of(maps, [[0.5, 0.5]], seed=[7], colour=[0, 1], projection=[[32, 0, 0], [0, 1, 0], [0, 0, 1]])
    done = accumulate(jobs, size=(1, 32), points=60_000, backend=backend)  # type: ignore[arg-type]
    assert done.colour is not None
    mean = done.colour[0, 0] / done.counts[0, 0]
    assert mean == pytest.approx(255 * (np.arange(32) + 0.5) / 32, abs=0.3)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_last_map_counts_half(backend: str) -> None:
    """Two maps that are points: at each, half its own colour and half the mean colour of all orbits."""
    maps = [[[0, 0, 0.5, 0, 0, 0.5], [0, 0, 1.5, 0, 0, 0.5]]]
    jobs = Jobs.of(maps, [[0.25, 0.75]], seed=[3], colour=[[0.2, 0.8]])
    done = accumulate(jobs, size=(1, 2), points=60_000, backend=backend)  # type: ignore[arg-type]
    assert done.colour is not None
    whole = 0.25 * 0.2 + 0.75 * 0.8
    expected = [127.5 * (0.2 + whole), 127.5 * (0.8 + whole)]
    assert (done.colour / done.counts)[0, 0] == pytest.approx(expected, abs=0.7)


@pytest.mark.parametrize("variation", [0, 4, 17])
def test_mean_indices_are_those_of_the_reference(variation: int) -> None:
    maps, weights = system(4, seed=11)
    colour = [0.1, 0.9, 0.5, 0.0]
    jobs = Jobs.of([maps], [weights], seed=[5], variation=variation, projection=view((8, 8), 3), colour=colour)
    fast = accumulate(jobs, size=8, points=40_000)
    slow = accumulate(jobs, size=8, points=40_000, backend="reference")
    assert fast.colour is not None
    assert slow.colour is not None
    often = np.minimum(fast.counts, slow.counts) > 400
    assert often.sum() >= 5
    assert np.abs(fast.colour[often] / fast.counts[often] - slow.colour[often] / slow.counts[often]).max() < 12


def test_colour_leaves_counts_and_greys_as_they_are() -> None:
    jobs = coloured()
    plain = dataclasses.replace(jobs, colour=None)
    with_colour, without = (accumulate(j, size=(40, 64), points=30_001) for j in (jobs, plain))
    assert without.colour is None
    for one, other in zip(sums(with_colour), sums(without), strict=True):
        assert np.array_equal(one, other)
    white = np.full((3, 256, 3), 255, np.uint8)
    shown = render(jobs, size=(40, 64), points=30_001, exposure=EXPOSURE, palette=white)
    grey = render(plain, size=(40, 64), points=30_001, exposure=EXPOSURE)
    assert shown.shape == (3, 40, 64, 3)
    assert np.array_equal(shown, np.repeat(grey[..., None], 3, axis=3))
    # Jobs with colours and no palette are grey.
    assert np.array_equal(render(jobs, size=(40, 64), points=30_001, exposure=EXPOSURE), grey)


@pytest.mark.parametrize("projection", [view((30, 50)), TILT])
@pytest.mark.parametrize("exposure", ["density", "max"])
def test_pictures_are_painted_as_the_reference_paints(projection: np.ndarray, exposure: str) -> None:
    jobs = dataclasses.replace(coloured(), projection=np.repeat(projection[None], 3, axis=0))
    how = "max" if exposure == "max" else EXPOSURE
    shown = render(
        jobs, size=(30, 50), points=20_000, exposure=how, clip=[0, 1, 1], palette=PALETTES, curve=CURVE  # type: ignore[arg-type]
    )  # fmt: skip
    grey = render(jobs, size=(30, 50), points=20_000, exposure=how, clip=[0, 1, 1])  # type: ignore[arg-type]
    done = accumulate(jobs, size=(30, 50), points=20_000)
    assert done.colour is not None
    assert np.array_equal(shown, reference.paint(grey, done.counts, done.colour, CURVE, PALETTES))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 100


def test_the_reference_renders_about_the_same_colours() -> None:
    jobs = coloured(1, maps=4)
    ramp = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 200)], axis=1).astype(np.uint8)[None]
    close = dataclasses.replace(jobs, projection=view((16, 24))[None])
    fast, slow = (
        render(close, size=(16, 24), points=30_000, exposure=EXPOSURE[:1], palette=ramp, backend=backend).astype(float)
        for backend in ("cpu", "reference")
    )
    assert slow.shape == (1, 16, 24, 3)
    assert np.abs(fast - slow).mean() < 4


def test_neither_threads_nor_batch_nor_order_matter() -> None:
    jobs = coloured(6)
    palettes = RNG.integers(0, 256, (6, 256, 3)).astype(np.uint8)
    exposure = np.repeat(EXPOSURE[:1], 6, axis=0)
    whole = render(jobs, size=32, points=60_000, exposure=exposure, palette=palettes, threads=1)
    rows = np.array([4, 1, 3])
    part = render(
        jobs.select(rows), size=32, points=60_000, exposure=exposure[rows], palette=palettes[rows], threads=8
    )  # fmt: skip
    assert np.array_equal(whole[rows], part)
    one, many = (accumulate(jobs, size=32, points=60_000, threads=t).colour for t in (1, 8))
    assert one is not None
    assert many is not None
    assert np.array_equal(one, many)


def test_sums_of_variations_and_choices_by_map_have_colours() -> None:
    maps, weights = system(3, seed=2)
    jobs = Jobs.of(
        [maps],
        [weights],
        variation=[[[0, 4], [4, 0], [29, 0]]],
        amount=np.array([[[0.5, 0.5], [1, 0], [0.7, 0.3]]]),
        seed=[1],
        projection=view((16, 16)),
        colour=[0.0, 1.0, 0.5],
    )
    done = accumulate(jobs, size=16, points=10_000)
    assert done.colour is not None
    used = done.counts > 0
    assert np.all(done.colour[used] <= 255 * done.counts[used])
    assert 60 < done.colour.sum() / done.counts.sum() < 200
    assert np.array_equal(
        done.counts, accumulate(dataclasses.replace(jobs, colour=None), size=16, points=10_000).counts
    )


def test_every_product_of_two_bytes_is_rounded() -> None:
    """A palette of every byte under a curve that is every grey: one map, so the index is its own."""
    still = Jobs.of([[[0, 0, 0.5, 0, 0, 0.5]]] * 256, [[1.0]], seed=1, colour=[1.0])
    palettes = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 256, axis=1).repeat(3, axis=2)
    for level in (1, 77, 128, 200, 255):
        curve = np.full(256, level, np.uint8)
        shown = render(still, size=1, points=100, exposure=EXPOSURE[[0] * 256], palette=palettes, curve=curve)
        assert shown[:, 0, 0, 0].tolist() == np.floor(level * np.arange(256) / 255 + 0.5).astype(int).tolist()


@pytest.mark.parametrize("colour", [[0.5, 1.2], [-0.1, 0.2], [np.nan, 0.5]])
def test_impossible_colours_are_refused(colour: list[float]) -> None:
    with pytest.raises(ValueError, match="colour"):
        Jobs.of(np.zeros((1, 2, 6)), [0.5, 0.5], seed=1, colour=colour)


def test_impossible_paints_are_refused() -> None:
    jobs = coloured()
    plain = dataclasses.replace(jobs, colour=None)
    with pytest.raises(ValueError, match="needs jobs with colours"):
        render(plain, size=8, points=10, exposure=EXPOSURE, palette=PALETTES)
    with pytest.raises(ValueError, match="a curve needs a palette"):
        render(jobs, size=8, points=10, exposure=EXPOSURE, curve=CURVE)
    for palette, curve in ((PALETTES[:2], None), (PALETTES.astype(float), None), (PALETTES, CURVE[:9])):
        with pytest.raises(ValueError, match="palette"):
            render(jobs, size=8, points=10, exposure=EXPOSURE, palette=palette, curve=curve)
    with pytest.raises(ValueError, match=str(MAX_COLOUR_POINTS)):
        accumulate(jobs, size=8, points=MAX_COLOUR_POINTS + 1)
    with pytest.raises(ValueError, match=str(MAX_COLOUR_POINTS)):
        render(jobs, size=8, points=MAX_COLOUR_POINTS + 1, exposure=EXPOSURE, palette=PALETTES)


def test_the_most_points_fill_the_sum_and_no_more() -> None:
    """All points in one pixel, all of the last colour: the largest sum that there is."""
    still = Jobs.of([[[0, 0, 0.5, 0, 0, 0.5]]], [[1.0]], seed=1, colour=[1.0])
    done = accumulate(still, size=1, points=MAX_COLOUR_POINTS)
    assert done.colour is not None
    assert int(done.counts[0, 0, 0]) == MAX_COLOUR_POINTS
    assert int(done.colour[0, 0, 0]) == 2**32 - 1
