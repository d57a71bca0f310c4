"""Tiles and frames of scenes: against their definition in NumPy, and bits that depend on no thread and no batch."""

from typing import Any

import numpy as np
import pytest

from fractalvid.kernels.drawing import FIGURED, LOOK, NOISE, SHAPED, SURFACE, Matter, compose_scenes, make_tiles

Floats = np.ndarray[Any, np.dtype[np.float64]]
SIDE, SIZE, CLIPS, FRAMES = 9, (11, 13), 4, 2


def matter() -> Matter:
    rng = np.random.default_rng(3)
    surface = rng.uniform(0.1, 0.9, (CLIPS, 4, len(SURFACE)))
    surface[..., 1] = 2.5
    surface[..., 5] = 6
    surface[:, 0, 0] = (NOISE, SHAPED, FIGURED, NOISE)
    return Matter(
        shapes=rng.integers(0, 256, (CLIPS, SIDE, SIDE)).astype(np.uint8),
        tints=rng.integers(0, 256, (CLIPS, SIDE, SIDE)).astype(np.uint8),
        noise=rng.integers(0, 256, (CLIPS, 3, SIDE, SIDE)).astype(np.uint8),
        surface=surface.astype(np.float32),
        chroma=rng.uniform(-0.3, 0.3, (CLIPS, 4, 3, 2)).astype(np.float32),
    )


def triangle(value: Floats, bands: float) -> Floats:
    return np.asarray(1 - np.abs((value * bands) % 2 - 1))


def reference_tile(of: Matter, clip: int, layer: int) -> Floats:
    """Red, green, blue and opacity (S, S, 4), 0 to 255, of ground or veil."""
    kind, bands, dark, bright, threshold, sharpness, detail = of.surface[clip, layer].astype(float)
    noise = of.noise[clip, layer] / 255
    across, opacity = noise.T, np.ones_like(noise)
    if layer:
        tint, opacity = across, np.clip((noise - threshold) * sharpness + 0.5, 0, 1)
        grey = dark + (bright - dark) * triangle(across, bands)
    else:
        tint, grey = across, dark + (bright - dark) * triangle(noise, bands)
        shape = of.shapes[clip] / 255
        if kind == SHAPED:
            tint, grey = of.tints[clip] / 255, shape
        if kind == FIGURED:
            share = np.minimum(4 * shape, 1)
            grey = grey * (1 - share) + share * (bright + shape * (dark - bright))
            tint = tint * (1 - share) + share * shape
    grey = grey * (1 + detail * (2 * noise - 1))
    blue, red = (np.interp(tint, (0, 0.5, 1), of.chroma[clip, layer, :, i]) for i in (0, 1))
    parts = (1.402 * red, -0.344136 * blue - 0.714136 * red, 1.772 * blue)
    return np.asarray(255 * np.clip(np.stack([*(grey * (1 + part) for part in parts), opacity], axis=-1), 0, 1))


def unpacked(tiles: np.ndarray[Any, np.dtype[np.uint32]]) -> Floats:
    return np.stack([(tiles >> 8 * byte) & 255 for byte in range(4)], axis=-1).astype(float)


def test_tiles_are_what_matter_says() -> None:
    made, grey = (unpacked(make_tiles(matter(), colour=colour)) for colour in (True, False))
    for clip in range(CLIPS):
        for layer in range(3):
            wanted = reference_tile(matter(), clip, layer)
            assert np.abs(made[clip, layer] - wanted).max() < 1.01
            assert np.array_equal(grey[clip, layer, ..., 3], made[clip, layer, ..., 3])
            # A tint has no luma, where no channel is at its end.
            inside = (wanted[..., :3] < 254).all(axis=-1)
            luma = wanted[..., :3] @ (0.299, 0.587, 0.114)
            assert np.abs(grey[clip, layer, ..., 0] - luma)[inside].max() < 1.01


def scenes(channels: int) -> tuple[np.ndarray[Any, Any], ...]:
    rng = np.random.default_rng(4)
    tiles = make_tiles(matter(), colour=channels == 3)
    places = np.zeros((CLIPS, FRAMES, 4, 3, 3))
    places[..., :2, :] = rng.uniform(-0.15, 0.15, (CLIPS, FRAMES, 4, 2, 3))
    places[..., 2, :2] = rng.uniform(0, 0.02, (CLIPS, FRAMES, 4, 2))
    places[..., 2, 2] = 1
    figures = rng.integers(0, 256, (CLIPS, channels, FRAMES, *SIZE)) * (rng.random((CLIPS, 1, FRAMES, *SIZE)) < 0.3)
    look = np.tile(np.array([0.3, 0.2, 0.8, 0.5, -0.4, 0.3, 0.4, 2, -1, 2, 0.6]), (CLIPS, 1))
    look[:, LOOK.index("veils")] = (0, 1, 2, 2)
    look[3, LOOK.index("shadow")] = 0
    return (
        tiles,
        places.reshape(CLIPS, FRAMES, 4, 9).astype(np.float32),
        figures.astype(np.uint8),
        look.astype(np.float32),
    )


def sampled(tile: Floats, place: Floats) -> Floats:
    """Between pixels and reflected: (H, W, 4)."""
    height, width = SIZE
    pixels = np.stack([*np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), np.ones(SIZE)], axis=-1)
    seen = pixels @ place.reshape(3, 3).T
    where = SIDE * (1 - np.abs((seen[..., :2] / seen[..., 2:]) % 2 - 1)) - 0.5
    where = np.clip(where, 0, SIDE - 1.01)
    first = where.astype(int)
    x, y = np.moveaxis(where - first, -1, 0)[..., None]
    (i, k) = first[..., 1], first[..., 0]
    top = tile[i, k] * (1 - x) + tile[i, k + 1] * x
    return np.asarray(top * (1 - y) + (tile[i + 1, k] * (1 - x) + tile[i + 1, k + 1] * x) * y)


def blurred(picture: Floats, side: float) -> Floats:
    """Weights `side`, the rest, `side`, along both axes; ends stand for what lies beyond."""
    for axis in (0, 1):
        widths = [(0, 0)] * picture.ndim
        widths[axis] = (1, 1)
        wide = np.pad(picture, widths, mode="edge")
        before, after = (np.take(wide, np.arange(n, n + picture.shape[axis]), axis) for n in (0, 2))
        picture = side * (before + after) + (1 - 2 * side) * picture
    return picture


def reference_frame(tiles: Any, places: Any, figure: Floats, look: Floats) -> Floats:
    """A frame (C, H, W) from tiles (4, S, S, 4) and a figure (C, H, W)."""
    reach, faint, dense, *relief, skin, shadow, right, down, veils, soft = look
    channels = len(figure)
    seen = sampled(tiles[0], places[0])[..., :channels]
    for layer in range(1, 1 + int(veils)):
        veil = sampled(tiles[layer], places[layer])
        seen = seen + veil[..., 3:] / 255 * (veil[..., :channels] - seen)
    smooth = blurred(np.moveaxis(figure / 255, 0, -1), 0.25)
    density = smooth.max(axis=-1)
    part = np.minimum(density / reach, 1)
    opacity = part * part * (3 - 2 * part)
    rows, columns = (np.clip(np.arange(n) - int(by), 0, n - 1) for n, by in zip(SIZE, (down, right), strict=True))
    seen = seen * (1 - shadow * opacity[rows][:, columns])[..., None]
    wide = np.pad(density, 1, mode="edge")
    slope = relief[0] * (wide[1:-1, 2:] - wide[1:-1, :-2]) + relief[1] * (wide[2:, 1:-1] - wide[:-2, 1:-1])
    grain = 1 + skin * (sampled(tiles[3], places[3])[..., 0] * 2 / 255 - 1)
    light = 255 * (faint + (dense - faint) * density) * np.clip(1 + slope, 0.3, 1.8) * grain
    colour = smooth / np.maximum(density, 1 / 255)[..., None] if channels == 3 else np.ones((*SIZE, 1))
    seen = seen + opacity[..., None] * (light[..., None] * colour - seen)
    return np.asarray(np.moveaxis(np.clip(blurred(seen, soft / 4), 0, 255), -1, 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_frames_are_what_tiles_and_figures_say(channels: int) -> None:
    tiles, places, figures, look = scenes(channels)
    made = compose_scenes(tiles, places, figures, look)
    for clip, frame in np.ndindex(CLIPS, FRAMES):
        wanted = reference_frame(
            unpacked(tiles[clip]), places[clip, frame].astype(float), figures[clip, :, frame].astype(float), look[clip]
        )
        assert np.abs(made[clip, :, frame] - wanted).max() < 1


def test_bits_depend_on_neither_batch_nor_threads() -> None:
    tiles, places, figures, look = scenes(3)
    whole = compose_scenes(tiles, places, figures, look, threads=1)
    assert np.array_equal(whole, compose_scenes(tiles, places, figures, look, threads=3))
    alone = compose_scenes(tiles[2:3], places[2:3], figures[2:3], look[2:3])
    assert np.array_equal(whole[2:3], alone)
    second: Any = [array[1:2] for array in matter()]
    assert np.array_equal(make_tiles(matter(), colour=True, threads=2)[1:2], make_tiles(Matter(*second), colour=True))


def test_what_does_not_belong_together_is_refused() -> None:
    tiles, places, figures, look = scenes(1)
    with pytest.raises(ValueError, match="tiles and places"):
        compose_scenes(tiles[1:], places, figures, look)
    with pytest.raises(ValueError, match="tiles and places"):
        compose_scenes(tiles, places[:, :1], figures, look)
    with pytest.raises(ValueError, match="look 11 numbers"):
        compose_scenes(tiles, places, figures, look[:, :5])
