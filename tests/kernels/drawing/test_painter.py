"""Painted layers: against a plain picture of many points a pixel, their order, copies, textures and colours."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.kernels.drawing.jobs import ABSENT, TEXTURES, Layers
from fractalvid.kernels.drawing.painter import colourise, paint_layers

FINE = 8
"""Points a pixel along each axis in the plain picture."""
HEPTAGON = np.stack([np.cos(np.arange(7) * 2 * np.pi / 7), np.sin(np.arange(7) * 2 * np.pi / 7)], axis=1)


def layers(places: list[list[float]], **values: Any) -> Layers:
    """One clip of one frame with white, flat discs at these places."""
    n = len(places)
    whole = Layers(
        place=np.array(places, np.float32)[None, None],
        corners=np.tile(HEPTAGON.astype(np.float32), (1, 1, n, 1, 1)),
        sides=np.zeros((1, n), np.int32),
        texture=np.zeros((1, n), np.int32),
        pattern=np.tile(np.array([1, 0, 20, 0], np.float32), (1, n, 1)),
        seed=np.arange(n, dtype=np.uint32)[None],
        tones=np.tile(np.array([0, 1], np.float32), (1, n, 1)),
        tints=np.zeros((1, n, 2), np.float32),
        background=np.zeros((1, 2), np.float32),
        united=np.zeros((1, n), np.int32),
        period=np.zeros(1, np.float32),
    )
    return dataclasses.replace(whole, **values)


def plain(place: list[float], sides: int, projection: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The share of each pixel that a layer covers, by asking many points of it."""
    height, width = size
    v, u = (np.mgrid[: height * FINE, : width * FINE] + 0.5) / FINE
    own = np.array([place[:3], place[3:], [0, 0, 1]])
    p, q, w = np.einsum("ij,jhw->ihw", np.linalg.inv(projection @ own), np.stack([u, v, np.ones_like(u)]))
    front = w > 0
    p, q = p / w, q / w
    if sides == 0:
        inside = p**2 + q**2 <= 1
    else:
        ends = np.roll(HEPTAGON, -1, axis=0)
        inside = np.all(
            [(b[0] - a[0]) * (q - a[1]) - (b[1] - a[1]) * (p - a[0]) >= 0 for a, b in zip(HEPTAGON, ends, strict=True)],
            axis=0,
        )
    return np.asarray((inside & front).reshape(height, FINE, width, FINE).mean(axis=(1, 3)))


VIEWS = {
    "plain": np.diag([48.0, 40.0, 1.0]),
    "mirrored": np.array([[-48.0, 0, 48], [0, 40, 0], [0, 0, 1]]),
    "turned": np.array([[30.0, -22, 12], [25, 33, -9], [0, 0, 1]]),
    "perspective": np.array([[60.0, 8, 2], [4, 55, 1], [0.4, 0.3, 1]]),
    "horizon": np.array([[48.0, 0, 0], [0, 40, 0], [0, -1.6, 1]]),
}


@pytest.mark.parametrize("sides", [0, 7])
@pytest.mark.parametrize("name", list(VIEWS))
def test_a_layer_covers_what_it_covers(name: str, sides: int) -> None:
    place, size = [0.3, -0.12, 0.52, 0.1, 0.22, 0.47], (40, 48)
    one = layers([place], sides=np.array([[sides]], np.int32))
    grey, _ = paint_layers(one, VIEWS[name][None, None], size=size)
    wanted = plain(place, sides, VIEWS[name], size)
    assert 0.05 < wanted.mean() < 0.9
    difference = np.abs(grey[0, 0] / 255 - wanted)
    # A pixel's share of a half-plane is not quite its distance: up to 0.1 where the edge runs diagonally.
    assert difference.max() < (0.35 if name == "horizon" else 0.2)
    assert difference.mean() < 0.006
    assert np.array_equal(grey[0, 0] == 255, wanted == 1) or (difference[(grey[0, 0] == 255)] < 0.1).all()


def test_the_first_layer_lies_on_top_and_the_rest_shows_the_ground() -> None:
    big, small = [0.4, 0, 0.5, 0, 0.4, 0.5], [0.2, 0, 0.5, 0, 0.2, 0.5]
    tones = np.array([[[0.2, 0.2], [0.8, 0.8]]], np.float32)
    ground = np.array([[0.5, 0.9]], np.float32)
    tints = np.array([[[0.1, 0.1], [0.3, 0.3]]], np.float32)
    view = np.diag([50.0, 50.0, 1.0])[None, None]
    for order, centre in (([small, big], 0.2), ([big, small], 0.2)):
        stack = layers(order, tones=tones, background=ground, tints=tints)
        grey, index = paint_layers(stack, view, size=(50, 50), indices=True)
        assert index is not None
        assert grey[0, 0, 25, 25] == round(255 * centre)
        ring = 0.8 if order[0] is small else 0.2
        assert grey[0, 0, 25, 10] == round(255 * ring)
        assert grey[0, 0, 1, 1] == round(255 * 0.5)
        assert index[0, 0, 1, 1] == round(255 * 0.9)
        assert index[0, 0, 25, 25] == round(255 * 0.1)


def test_absent_and_flat_layers_leave_no_trace() -> None:
    places = [[0.3, 0, 0.5, 0, 0.3, 0.5], [0.3, 0, 0.5, 0, 0, 0.5]]
    one = layers(places, sides=np.array([[ABSENT, 0]], np.int32))
    grey, _ = paint_layers(one, np.diag([20.0, 20.0, 1.0])[None, None], size=(20, 20))
    assert grey.max() == 0


def test_periodic_layers_repeat_without_end() -> None:
    one = layers([[0.2, 0, 0.1, 0, 0.25, 0.9], [0.05, 0, -7.6, 0, 0.05, 3.3]], period=np.array([1.25], np.float32))
    view = np.diag([40.0, 40.0, 1.0])
    moved = view.copy()
    moved[0, 2], moved[1, 2] = -3 * 50, 2 * 50  # three periods to one side, two to the other
    grey, _ = paint_layers(one, view[None, None], size=(40, 40))
    again, _ = paint_layers(one, moved[None, None], size=(40, 40))
    assert 0.05 < (grey > 0).mean() < 0.5
    assert np.abs(grey.astype(int) - again).max() <= 2


@pytest.mark.parametrize("texture", range(1, len(TEXTURES)))
def test_textures_fill_their_range_and_move_with_their_layer(texture: int) -> None:
    tones = np.array([[[0.0, 1.0]]], np.float32)
    at = [0.5, 0, 0.5, 0, 0.5, 0.5]
    values = {
        "texture": np.array([[texture]], np.int32),
        "tones": tones,
        "corners": np.zeros((1, 1, 1, 4, 2), np.float32),
    }
    view = np.diag([64.0, 64.0, 1.0])
    grey, _ = paint_layers(layers([at], **values), view[None, None], size=(64, 64))
    inside = grey[0, 0][20:44, 20:44]
    assert inside.std() > 25
    assert 60 < inside.mean() < 200
    shifted = [0.5, 0, 0.5 + 5 / 64, 0, 0.5, 0.5 + 3 / 64]
    moved, _ = paint_layers(layers([shifted], **values), view[None, None], size=(64, 64))
    difference = np.abs(grey[0, 0, :-3, :-5].astype(int) - moved[0, 0, 3:, 5:])
    assert (difference > 2).mean() < 0.01


def test_threads_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.uniform(-0.3, 0.3, (6, 5, 30, 6))], axis=0).astype(np.float32)
    places[..., [2, 5]] = rng.uniform(0, 1, (6, 5, 30, 2))
    many = Layers(
        place=places,
        corners=np.tile(HEPTAGON.astype(np.float32), (6, 1, 30, 1, 1)),
        sides=rng.choice([0, 7], (6, 30)).astype(np.int32),
        texture=rng.integers(0, len(TEXTURES), (6, 30)).astype(np.int32),
        pattern=rng.uniform(0, 6, (6, 30, 4)).astype(np.float32),
        seed=rng.integers(0, 2**32, (6, 30)).astype(np.uint32),
        tones=rng.uniform(0, 1, (6, 30, 2)).astype(np.float32),
        tints=rng.uniform(0, 1, (6, 30, 2)).astype(np.float32),
        background=np.zeros((6, 2), np.float32),
        united=np.sort(rng.integers(0, 5, (6, 30)), axis=1).astype(np.int32),
        period=np.zeros(6, np.float32),
    )
    view = np.broadcast_to(np.diag([32.0, 32.0, 1.0]), (6, 5, 3, 3))
    one, first = paint_layers(many, view, size=(32, 32), indices=True, threads=1)
    two, second = paint_layers(many, view, size=(32, 32), indices=True, threads=2)
    assert first is not None
    assert second is not None
    assert np.array_equal(one, two)
    assert np.array_equal(first, second)


def test_united_layers_are_one_figure() -> None:
    disc = [0.25, 0.0, 0.5, 0.0, 0.25, 0.5]
    view = np.diag([31.0, 31.0, 1.0])[None, None]
    white = {"tones": np.ones((1, 3, 2), np.float32)}

    def painted(places: list[list[float]], united: list[int]) -> np.ndarray:
        stack = layers(places, united=np.array([united], np.int32), tones=white["tones"][:, : len(places)])
        return np.asarray(paint_layers(stack, view, size=(31, 31))[0][0, 0], int)

    alone = painted([disc], [0])
    assert np.array_equal(painted([disc] * 3, [1, 1, 1]), alone)
    assert (painted([disc] * 3, [0, 0, 0]) >= alone).all()
    assert painted([disc] * 3, [0, 0, 0]).sum() > 1.02 * alone.sum()
    # Two figures are as opaque to each other as any two layers.
    assert np.array_equal(painted([disc] * 3, [1, 1, 2]), painted([disc] * 2, [0, 0]))
    # What lies beside is not touched.
    other = [0.1, 0.0, 0.1, 0.0, 0.1, 0.1]
    assert np.array_equal(painted([disc, other], [1, 1]), painted([disc, other], [0, 0]))


def test_colours_are_curve_times_palette() -> None:
    rng = np.random.default_rng(2)
    grey, index = rng.integers(0, 256, (2, 3, 9, 11), dtype=np.uint8)
    curve = np.sort(rng.integers(0, 256, 256, dtype=np.uint8))
    palette = rng.integers(0, 256, (3, 256, 3), dtype=np.uint8)
    found = colourise(grey, index, curve, palette)
    wanted = curve[grey][..., None] * palette[np.arange(3)[:, None, None], index].astype(int) / 255
    assert np.array_equal(found, np.floor(wanted + 0.5))


@pytest.mark.parametrize(
    "values",
    [
        {"sides": np.array([[2]], np.int32)},
        {"sides": np.array([[8]], np.int32)},
        {"texture": np.array([[len(TEXTURES)]], np.int32)},
        {"tones": np.zeros((1, 2, 2), np.float32)},
        {"corners": np.zeros((1, 3, 1, 4, 2), np.float32)},
    ],
)
def test_layers_that_do_not_fit_together_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        layers([[0.1, 0, 0, 0, 0.1, 0]], **values)


def test_a_projection_for_each_frame_is_needed() -> None:
    with pytest.raises(ValueError, match="projection"):
        paint_layers(layers([[0.1, 0, 0, 0, 0.1, 0]]), np.eye(3)[None], size=(8, 8))


def test_a_second_process_hits_the_compile_cache(tmp_path: Path) -> None:
    probe = (
        "import json; from fractalvid.kernels.drawing import noise, painter;"
        "from fractalvid.kernels.compiled.compile import COMPILED;"
        "noise._compiled(); painter._compiled(); painter._compiled_colours();"
        "print(json.dumps([hit for _, hit in COMPILED]))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for wanted in (False, True):
        done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, check=True)
        assert set(json.loads(done.stdout)) == {wanted}
