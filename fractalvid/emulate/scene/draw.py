"""Draw scenes: what covers them, what the figure looks like, and how the camera moves."""

import math

import numpy as np

from fractalvid.core.seeds import Domain, Field, index_words, words_by_field
from fractalvid.emulate.scene.config import MAX_SHAPES, SceneConfig
from fractalvid.emulate.scene.parameters import Bools, Floats, Ints, Scene
from fractalvid.emulate.scene.shapes import UNIFORMS_A_SHAPE, draw_shapes
from fractalvid.kernels.compiled import uniform
from fractalvid.kernels.drawing.matter import NOISE, SHAPED
from fractalvid.utils.arrays import within
from fractalvid.utils.checks import Range

LAYERS, WAVES = 4, 3
_SEEDS = 2**24
"""A uniform number of 24 bits is as many seeds."""


def draw_scenes(
    config: SceneConfig, seed: int, index: Ints, *, emulated: Bools, widening: Floats, share: Floats
) -> Scene:
    """Draw the scenes of samples.

    Args:
        config: probabilities and ranges.
        seed: the stream's.
        index: (B,), the samples' positions in the stream.
        emulated: (B,), which of them may have a scene.
        widening: (B,), how much of the camera's motions there is.
        share: (B, T), where frames lie in the time of the sample, 0..1.
    """
    shapes: dict[Field, tuple[int, ...]] = {
        Field.SCENE: (24,),
        Field.SCENE_LAYERS: (LAYERS, 24),
        Field.SCENE_SHAPES: (MAX_SHAPES, UNIFORMS_A_SHAPE),
        Field.SCENE_PATH: (5, 1 + WAVES),
    }
    counts = {field: math.prod(shape) for field, shape in shapes.items()}
    drawn = words_by_field(seed, Domain.EMULATE, counts, *index_words(index))
    numbers = {field: uniform(drawn[field]).astype(np.float64).reshape(-1, *shape) for field, shape in shapes.items()}
    u, layers = numbers[Field.SCENE], numbers[Field.SCENE_LAYERS]
    present = emulated & (u[:, 0] < config.p)
    brightness, contrast = within(u[:, 1], config.brightness), within(u[:, 2], config.contrast)
    path = _path(config, numbers[Field.SCENE_PATH], share) * (widening * present)[:, None, None]
    return Scene(
        present=present,
        pace=np.where(present, within(u[:, 3], config.pace), 1.0),
        late=u[:, 4],
        frequency=_frequency(config, layers[:, :3]),
        persistence=within(layers[:, :3, 2], config.persistence),
        seed=(layers[:, :3, 3] * _SEEDS).astype(np.int64),
        surface=_surface(config, u, layers, brightness, contrast),
        chroma=_chroma(config, u, layers),
        place=_place(config, layers),
        shapes=draw_shapes(config, u[:, 5], numbers[Field.SCENE_SHAPES], brightness, contrast),
        picture=np.where(u[:, 22] < config.pictured, u[:, 23], -1.0),
        depth=_depth(config, u[:, 6], layers[:, 1:3, 4]),
        travel=path[..., :3],
        pan=path[..., 3:],
        look=_look(config, u),
    )


def logarithmic(u: Floats, values: Range) -> Floats:
    """Numbers over a range whose logarithms are even."""
    return np.asarray(values[0] * (values[1] / values[0]) ** u)


def _frequency(config: SceneConfig, layers: Floats) -> Floats:
    """Cells along x and y (B, 3, 2), which differ by up to a factor of 2."""
    aspect = 2 ** (layers[..., 1] - 0.5)
    return logarithmic(layers[..., 0], config.cells)[..., None] * np.stack([aspect, 1 / aspect], axis=-1)


def _surface(config: SceneConfig, u: Floats, layers: Floats, brightness: Floats, contrast: Floats) -> Floats:
    """Matter (B, 4, 7): veils have a brightness of their own about the ground's."""
    middle = brightness[:, None] + contrast[:, None] * (2 * layers[..., 5] - 1) * (np.arange(LAYERS) > 0)
    spread = contrast[:, None] * (0.4 + 0.6 * layers[..., 6])
    kind = np.full_like(middle, NOISE)
    kind[:, 0] = np.where(u[:, 7] < config.shaped, SHAPED, NOISE)
    turned = np.where(layers[..., 7] < 0.5, -1.0, 1.0) * spread
    dark, bright = middle - turned, middle + turned
    bands = 1 + 3 * layers[..., 8] ** 3
    threshold = within(layers[..., 9], (0.45, 0.65))
    sharpness = logarithmic(layers[..., 10], (2.0, 40.0))
    detail = within(layers[..., 11], (0.1, 0.7))
    columns = (kind, bands, dark.clip(0.02, 1), bright.clip(0.02, 1), threshold, sharpness, detail)
    return np.stack(columns, axis=-1)


def _chroma(config: SceneConfig, u: Floats, layers: Floats) -> Floats:
    """Tints (B, 4, 3, 2): hues of a layer lie about the scene's, and its colours are about as strong."""
    strength = logarithmic(u[:, 8], config.colour)[:, None, None] * (0.3 + 1.4 * layers[..., 12:15])
    hue = u[:, 9, None, None] + 0.5 * u[:, 10, None, None] * (2 * layers[..., 15:18] - 1)
    return np.asarray(strength[..., None] * np.stack([np.cos(2 * np.pi * hue), np.sin(2 * np.pi * hue)], axis=-1))


def _place(config: SceneConfig, layers: Floats) -> Floats:
    """Enlargement, its aspect, turn, and the middle of each layer (B, 4, 5)."""
    enlarge, aspect = within(layers[..., 18], config.enlarge), 1.3 ** (2 * layers[..., 19] - 1)
    columns = (enlarge, aspect, 2 * np.pi * layers[..., 20], layers[..., 21], layers[..., 22])
    return np.stack(columns, axis=-1)


def _depth(config: SceneConfig, ground: Floats, veils: Floats) -> Floats:
    """Depths (B, 3): veils stand between figure and ground, the nearer one last."""
    far = logarithmic(ground, config.depth)
    between = np.sort(veils, axis=1)[:, ::-1]
    return np.concatenate([far[:, None], 1 + (far[:, None] - 1) * between], axis=1)


def _path(config: SceneConfig, u: Floats, share: Floats) -> Floats:
    """The camera's path (B, T, 5), right, down and ahead, and its turning: slow waves, 0 in the middle."""
    ranges = np.array([config.travel, config.travel, config.approach, config.pan, config.pan])
    reach = ranges[:, 0] * (ranges[:, 1] / ranges[:, 0]) ** u[..., 0]
    amplitude = (2 * u[..., 1:] - 1) / np.arange(1, WAVES + 1)
    amplitude *= (reach / np.maximum(np.abs(amplitude).sum(axis=2), 1e-9))[..., None]
    angle = np.pi * np.arange(1, WAVES + 1)
    waves = np.cos(angle * share[..., None]) - np.cos(angle / 2)
    # A product of matrices would add up in another order for another number of samples.
    return np.asarray((amplitude[:, None] * waves[:, :, None]).sum(axis=3) / 2)


def _look(config: SceneConfig, u: Floats) -> Floats:
    """What figures look like, and the lens (B, 11)."""
    light = u[:, 11] < config.light
    faint = np.where(light, 0.35 + 0.25 * u[:, 12], 0.25 + 0.2 * u[:, 12])
    dense = np.where(light, 0.7 + 0.25 * u[:, 13], 0.03 + 0.12 * u[:, 13])
    relief, shadow = within(u[:, 15], config.relief), within(u[:, 19], config.shadow)
    lamp, far = 2 * np.pi * u[:, 16], 0.08 * u[:, 18]
    veils = np.minimum((u[:, 20] * (config.veils + 1)).astype(np.int64), config.veils)
    cosine, sine = np.cos(lamp), np.sin(lamp)
    columns = (
        *(within(u[:, 14], config.reach), faint, dense, relief * cosine, relief * sine),
        *(within(u[:, 17], config.skin), shadow, far * cosine, far * sine, veils, within(u[:, 21], config.soft)),
    )
    return np.stack(columns, axis=-1)
