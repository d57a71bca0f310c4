"""Draw what happens to samples that are to look filmed.

A sample's numbers follow from the stream's seed and its own index, whatever batch it is in; the curriculum's position
follows from the index, too.
"""

import math

import numpy as np

from fractalvid.core.bank import Bank
from fractalvid.core.camera import draw_parts
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.core.seeds import Domain, Field, index_words, integers, words, words_by_field
from fractalvid.emulate.config import (
    MAX_COPIES,
    MAX_WAVES,
    BackgroundConfig,
    CurriculumConfig,
    DisplacementConfig,
    EmulationConfig,
    GroupConfig,
    PerspectiveConfig,
    PlacementConfig,
    RollConfig,
    ShakeConfig,
    TimingConfig,
    ZoomConfig,
)
from fractalvid.emulate.geometry import time_shares
from fractalvid.emulate.parameters import Backgrounds, Bools, Displacement, Emulation, Figures, Floats, Ints
from fractalvid.emulate.perspective import SCENE, smallest_depth
from fractalvid.emulate.photometric.pipeline import draw_photometric
from fractalvid.emulate.scene.draw import draw_scenes
from fractalvid.kernels.compiled import uniform
from fractalvid.utils.arrays import within

CANDIDATES = 4
"""Entries of the pool that are drawn for a background, of which the first of another class is taken."""
BACKGROUND_RATIO = (3 / 4, 4 / 3)
"""Aspects of the parts of backgrounds that are shown."""
UNIFORMS_A_COPY = 5
"""A copy draws two for its place, and one each for mirror, turn and delay."""
LEAST_DEPTH = 0.1
"""A perspective that brings the horizon nearer to the scene than this (`perspective.smallest_depth`) is made weaker."""
LEAST_DEVIATION = 0.1
"""Slow waves hardly move within a sample's few frames. A path is not scaled up by more than this deviation allows."""


def _uniforms(seed: int, index: Ints, clip_len: int) -> dict[Field, Floats]:
    """All uniform numbers in [0, 1) that samples (B,) of `clip_len` frames take, by field: (B, ...)."""
    shapes: dict[Field, tuple[int, ...]] = {
        Field.EMULATED: (1,),
        Field.TIMING: (1 + clip_len,),
        Field.BACKGROUND: (13,),
        Field.BACKGROUND_ENTRIES: (2, CANDIDATES),
        Field.BACKGROUND_WALK: (clip_len,),
        Field.PLACEMENT: (5,),
        Field.GROUP: (4,),
        Field.COPIES: (MAX_COPIES + 1, UNIFORMS_A_COPY),
        Field.FOREGROUND_MOTION: (5,),
        Field.BACKGROUND_MOTION: (5,),
        Field.CAMERA_MOTION: (5,),
        Field.PERSPECTIVE: (1 + SCENE.size,),
        Field.ZOOM: (3,),
        Field.SHAKE: (8 + 2 * MAX_WAVES,),
        Field.SHAKE_NOISE: (clip_len, 2),
        Field.ROLL: (5,),
    }
    counts = {field: math.prod(shape) for field, shape in shapes.items()}
    drawn = words_by_field(seed, Domain.EMULATE, counts, *index_words(index))
    return {field: uniform(drawn[field]).reshape(-1, *shape).astype(np.float64) for field, shape in shapes.items()}


def curriculum_position(config: CurriculumConfig, index: Ints) -> Floats:
    """Positions min(1, index / samples) of samples (B,); 1 where there is no curriculum."""
    return np.minimum(index / config.samples, 1.0) if config.samples else np.ones(len(index))


def draw_emulation(
    config: EmulationConfig,
    bank: Bank,
    seed: int,
    index: Ints,
    *,
    class_id: Ints,
    clip_len: int,
) -> Emulation:
    """Draw the emulation of samples.

    Args:
        config: probabilities and ranges.
        bank: where backgrounds come from.
        seed: the stream's.
        index: (B,), the samples' positions in the stream.
        class_id: (B,), what they show: backgrounds are of other classes where there are any.
        clip_len: T.
    """
    u = _uniforms(seed, index, clip_len)
    progress = curriculum_position(config.curriculum, index)
    widening = config.curriculum.narrow + (1 - config.curriculum.narrow) * progress
    emulated = u[Field.EMULATED][:, 0] < config.curriculum.share * progress
    corners, enlarge = _draw_perspective(config.perspective, u[Field.PERSPECTIVE], emulated)
    tilt, turn = _draw_roll(config.roll, u[Field.ROLL], emulated)
    clock = _draw_clock(config.timing, u[Field.TIMING], emulated)

    def motion(of: DisplacementConfig, field: Field) -> Displacement:
        return _draw_displacement(of, u[field], emulated, widening)

    scene = None
    if config.scene.p > 0:
        scene = draw_scenes(config.scene, seed, index, emulated=emulated, widening=widening, share=time_shares(clock))
    return Emulation(
        index=index,
        progress=progress,
        emulated=emulated,
        clock=clock,
        background=_draw_backgrounds(config.background, bank, seed, u, emulated, class_id),
        figures=_draw_figures(config.placement, config.group, u, emulated, emulated & (progress >= 1)),
        foreground_motion=motion(config.foreground_motion, Field.FOREGROUND_MOTION),
        background_motion=motion(config.background_motion, Field.BACKGROUND_MOTION),
        camera_motion=motion(config.camera_motion, Field.CAMERA_MOTION),
        corners=corners,
        enlarge=enlarge,
        zoom=_draw_zoom(config.zoom, u[Field.ZOOM], emulated),
        shake=_draw_shake(config.shake, u, emulated, widening, clock),
        tilt=tilt,
        turn=turn,
        photometric=draw_photometric(config.photometric, seed, index, emulated),
        scene=scene,
    )


def pool_ids(seed: int, entries: Ints, num_classes: int) -> Ints:
    """Class and instance (..., 2) of entries of the pool of backgrounds. Instances are never those of validation."""
    drawn = words(seed, Domain.EMULATE, Field.POOL, entries.ravel(), 0, 2).astype(np.int64)
    drawn[:, 0] = drawn[:, 0] * num_classes >> 32
    drawn[:, 1] %= FIRST_VALIDATION_ID
    return drawn.reshape(*entries.shape, 2)


def _draw_clock(config: TimingConfig, u: Floats, emulated: Bools) -> Ints:
    """Clocks (B, T): a skipped frame moves all later ones on, a repeated one shows what the one before showed."""
    present = emulated & (u[:, 0] < config.p)
    fate = np.where(present[:, None], u[:, 1:], 1.0)
    fate[:, 0] = 1.0  # the first frame has none before it
    repeated = fate < config.repeat
    skipped = ~repeated & (fate < config.repeat + (1 - config.repeat) * config.skip)
    clock = np.arange(fate.shape[1]) + np.cumsum(skipped, axis=1)
    return np.asarray(np.maximum.accumulate(np.where(repeated, 0, clock), axis=1), np.int64)


def _draw_backgrounds(
    config: BackgroundConfig, bank: Bank, seed: int, uniforms: dict[Field, Floats], emulated: Bools, class_id: Ints
) -> Backgrounds:
    u = uniforms[Field.BACKGROUND]
    dynamic = u[:, 1] < config.dynamic
    entries = integers(uniforms[Field.BACKGROUND_ENTRIES].astype(np.float32), 0, config.pool - 1)
    clip_id = _of_other_classes(pool_ids(seed, entries, len(bank)), class_id)
    clip_id[dynamic, 1] = clip_id[dynamic, 0]
    frames = bank.native_frames[clip_id[..., 0]]
    corner, extent = draw_parts(u[:, [2, 3, 8, 9]], config.crop, BACKGROUND_RATIO)
    return Backgrounds(
        present=emulated & (u[:, 0] < config.p),
        dynamic=dynamic,
        clip_id=clip_id,
        still=np.minimum((u[:, 4:6] * frames).astype(np.int64), frames - 1),
        walk=_draw_walk(config.window, frames[:, 0], u[:, 6:8], uniforms[Field.BACKGROUND_WALK]),
        corner=np.asarray(corner, np.float64),
        extent=np.asarray(extent, np.float64),
        alpha=within(u[:, 10], config.alpha),
        power=np.full(len(u), config.power),
        gamma=within(u[:, 11], config.gamma),
        maximum=u[:, 12] < config.maximum,
    )


def _of_other_classes(candidates: Ints, class_id: Ints) -> Ints:
    """Of candidates (B, 2, n, 2), the first (B, 2, 2) that is of another class than `class_id` (B,), else the first."""
    first = (candidates[..., 0] != class_id[:, None, None]).argmax(axis=2)
    return np.take_along_axis(candidates, first[:, :, None, None], axis=2)[:, :, 0]


def _draw_walk(window: float, frames: Ints, u: Floats, steps: Floats) -> Ints:
    """Native frames (B, T): one step on or back each frame, turning at the ends of a window of the clip."""
    room = np.clip((window * frames).astype(np.int64), 1, frames)
    first = (u[:, 0] * (frames - room + 1)).astype(np.int64)
    begin = (u[:, 1] * room).astype(np.int64)
    place = begin[:, None] + np.cumsum(np.where(steps < 0.5, -1, 1) * (np.arange(steps.shape[1]) > 0), axis=1)
    period = np.maximum(2 * (room - 1), 1)[:, None]
    folded = place % period
    inside = np.minimum(np.minimum(folded, period - folded), room[:, None] - 1)
    return np.asarray(first[:, None] + inside, np.int64)


def _draw_figures(
    placement: PlacementConfig, group: GroupConfig, uniforms: dict[Field, Floats], emulated: Bools, groupable: Bools
) -> Figures:
    """Placements, and copies of those samples that are `groupable` (B,)."""
    u, of_group = uniforms[Field.PLACEMENT], uniforms[Field.GROUP]
    of_copy = uniforms[Field.COPIES][:, : group.copies + 1]
    grouped = groupable & (of_group[:, 0] < group.p)
    copies = np.where(grouped, integers(of_group[:, 1].astype(np.float32), 1, group.copies), 0)
    placed = emulated & (u[:, 0] < placement.p)
    alone = np.where(placed[:, None], within(u[:, 1:3], placement.scale), 1.0)
    scale = np.where(grouped[:, None], within(of_group[:, 2:4], group.scale), alone)[:, None]
    places = np.concatenate([u[:, None, 3:5], of_copy[:, 1:, :2]], axis=1)
    copy = (np.arange(group.copies + 1) > 0) & (np.arange(group.copies + 1) <= copies[:, None])
    return Figures(
        copies=copies,
        corner=places * (1 - scale),
        scale=np.broadcast_to(scale, places.shape).copy(),
        mirror=copy & (of_copy[..., 2] < group.mirror),
        turn=np.where(copy, group.turn * (2 * of_copy[..., 3] - 1), 0.0),
        delay=np.where(copy, group.delay * (2 * of_copy[..., 4] - 1), 0.0),
    )


def _draw_displacement(config: DisplacementConfig, u: Floats, emulated: Bools, widening: Floats) -> Displacement:
    """Motion from five numbers a sample (B, 5); ranges reach the share `widening` (B,) of the way to their ends."""
    present = emulated & (u[:, 0] < config.p)
    speed = config.speed[0] + u[:, 1] * widening * (config.speed[1] - config.speed[0])
    duration = config.duration[0] + u[:, 3] * widening * (config.duration[1] - config.duration[0])
    angle = 2 * np.pi * u[:, 2]
    velocity = np.where(present, speed, 0)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Displacement(velocity, u[:, 4] * (1 - duration), duration)


def _draw_perspective(config: PerspectiveConfig, u: Floats, emulated: Bools) -> tuple[Floats, Floats]:
    """Corners (B, 4, 2) and factors (B,): no horizon comes into the scene, however it is moved and reflected."""
    present = emulated & (u[:, 0] < config.p)
    inwards = np.where(present[:, None, None], config.distortion / 2 * u[:, 1:].reshape(-1, 4, 2), 0.0)
    enlarge = np.where(present, config.enlarge, 1.0)
    corners = SCENE + (1 - 2 * SCENE) * inwards
    rows = np.flatnonzero(present)
    while len(rows):
        # What is no number, since three corners lie on a line, is too near as well.
        rows = rows[~(smallest_depth(corners[rows], enlarge[rows]) >= LEAST_DEPTH)]
        inwards[rows] *= 0.9
        corners[rows] = SCENE + (1 - 2 * SCENE) * inwards[rows]
    return corners, enlarge


def _draw_zoom(config: ZoomConfig, u: Floats, emulated: Bools) -> Floats:
    """Logarithms (B,) of the last frame's scale over the first's."""
    rate = np.log1p(within(u[:, 1], config.rate)) * np.where(u[:, 2] < 0.5, -1, 1)
    return np.where(emulated & (u[:, 0] < config.p), rate, 0.0)


def _draw_shake(
    config: ShakeConfig, uniforms: dict[Field, Floats], emulated: Bools, widening: Floats, clock: Ints
) -> Floats:
    """Offsets (B, T, 2) at frames (B, T), about their mean and with the drawn deviation along either axis."""
    offsets = np.zeros((*clock.shape, 2))
    rows = np.flatnonzero(emulated & (uniforms[Field.SHAKE][:, 0] < config.p))
    u, clock = uniforms[Field.SHAKE][rows], clock[rows]
    jitter = _jitter(uniforms[Field.SHAKE_NOISE][rows], clock)
    path = np.sqrt(1 - config.noise**2) * _waves(config, u, clock) + config.noise * jitter
    path -= path.mean(axis=2, keepdims=True)
    deviation = within(u[:, 1], config.deviation) * widening[rows]
    path *= deviation[:, None, None] / np.maximum(path.std(axis=2, keepdims=True), LEAST_DEVIATION)
    offsets[rows] = np.moveaxis(path, 1, 2)
    return offsets


def _waves(config: ShakeConfig, u: Floats, clock: Ints) -> Floats:
    """Sums of sines (B, 2, T) of variance 1 over all time, along x and y."""
    count = integers(u[:, 2:4].astype(np.float32), *config.waves)
    order = np.arange(1, MAX_WAVES + 1)
    weight = (order <= count[..., None]) / order
    frequency = within(u[:, 8:].reshape(-1, 2, MAX_WAVES), config.frequency)
    angle = frequency[..., None, :] * clock[:, None, :, None] + 2 * np.pi * u[:, 4:6, None, None]
    # A sine of amplitude a has variance a²/2.
    total = (weight[:, :, None] * np.sin(angle)).sum(axis=3)
    return np.asarray(total / np.sqrt((weight**2).sum(axis=2) / 2)[..., None])


def _jitter(u: Floats, clock: Ints) -> Floats:
    """Noise (B, 2, T) of variance 1 from uniforms (B, T, 2): that of the frame which each frame shows."""
    # Uniform over [-1, 1], it would have variance 1/3.
    of_frame = np.sqrt(3) * (2 * np.moveaxis(u, 2, 1) - 1)
    return np.take_along_axis(of_frame, np.minimum(clock, clock.shape[1] - 1)[:, None], axis=2)


def _draw_roll(config: RollConfig, u: Floats, emulated: Bools) -> tuple[Floats, Floats]:
    """Tilt and turn (B,), radians."""
    present = emulated & (u[:, 0] < config.p)
    tilt, turn = within(u[:, 1], config.tilt), within(u[:, 2], config.turn)
    signs = np.where(u[:, 3:] < 0.5, -1.0, 1.0)
    return np.where(present, tilt * signs[:, 0], 0.0), np.where(present, turn * signs[:, 1], 0.0)
