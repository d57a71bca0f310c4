"""Draw, then apply: everything that is random about the emulation of samples, as arrays.

A sample's numbers follow from the stream's seed and its own index, whatever batch it is in; the curriculum's position
follows from the index, too. The same `Emulation` gives the same pictures, so it can be kept, shown and replayed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
from fractalvid.emulate.perspective import SCENE, smallest_depth
from fractalvid.emulate.photometric.draw import Photometric, draw_photometric
from fractalvid.kernels.compiled.random import uniform
from fractalvid.utils.arrays import map_arrays, within

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CANDIDATES = 4
"""Entries of the pool that are drawn for a background, of which the first of another class is taken."""
BACKGROUND_RATIO = (3 / 4, 4 / 3)
"""Aspects of the parts of backgrounds that are shown."""
COPY_NUMBERS = 5
"""Uniforms that every copy draws: place, mirror, turn and delay."""
NEAREST = 0.1
"""Perspectives that would bring the horizon nearer to the scene, see `perspective.smallest_depth`, are made weaker."""
FLATTEST = 0.1
"""Paths of shaking flatter than this, in the deviation of their sines over all time, are not made any steeper: a slow
wave hardly moves in a few frames."""


@dataclass(frozen=True)
class Backgrounds:
    """The backgrounds of B samples.

    Attributes:
        present: bool (B,).
        dynamic: bool (B,), whether it moves; else it is the maximum of two stills.
        clip_id: int64 (B, 2, 2), class and instance of both stills; of the clip that moves, twice.
        still: int64 (B, 2), native frames of the stills.
        walk: int64 (B, T), native frames of the clip that moves.
        corner: float64 (B, 2), left and top of the part that is shown.
        extent: float64 (B, 2), its width and height.
        alpha: float64 (B,), weight of the background.
        power: float64 (B,), exponent of foreground and background.
        gamma: float64 (B,), exponent of their sum.
        maximum: bool (B,), whether it is joined to the foreground by maximum.
    """

    present: Bools
    dynamic: Bools
    clip_id: Ints
    still: Ints
    walk: Ints
    corner: Floats
    extent: Floats
    alpha: Floats
    power: Floats
    gamma: Floats
    maximum: Bools

    def named(self) -> Ints:
        """`clip_id` (B, 2, 2) where there is a background, -1 where there is none."""
        return np.where(self.present[:, None, None], self.clip_id, -1)


@dataclass(frozen=True)
class Figures:
    """Where the foregrounds of B samples are, each L times; the first is the original.

    Attributes:
        copies: int64 (B,), how many there are besides the original.
        corner: float64 (B, L, 2), left and top.
        scale: float64 (B, L, 2), of width and height.
        mirror: bool (B, L).
        turn: float64 (B, L).
        delay: float64 (B, L), by how much of the clip they run ahead.
    """

    copies: Ints
    corner: Floats
    scale: Floats
    mirror: Bools
    turn: Floats
    delay: Floats


@dataclass(frozen=True)
class Displacement:
    """Straight motion of B samples: `velocity` (B, 2) from `start` (B,) on, for `duration` (B,)."""

    velocity: Floats
    start: Floats
    duration: Floats


@dataclass(frozen=True)
class Emulation:
    """Everything drawn for B samples of T frames; the first axis of every array is B.

    Attributes:
        index: int64 (B,), positions in the stream.
        progress: float64 (B,), positions in the curriculum.
        emulated: bool (B,); the others are plain, whatever else stands here.
        clock: int64 (B, T), which frame of the undisturbed sample each frame shows; 0..T-1 where none is dropped.
        background: what is behind.
        figures: placement and copies of the foreground.
        foreground_motion: of all its copies.
        background_motion: of what is behind.
        corners: float64 (B, 4, 2), where perspective takes (0, 0), (1, 0), (1, 1) and (0, 1).
        enlarge: float64 (B,), by what factor afterwards.
        camera_motion: of everything.
        zoom: float64 (B,), logarithm of the last frame's scale over the first's.
        shake: float64 (B, T, 2), by how much shaking moves each frame.
        tilt: float64 (B,), roll in the middle of the sample.
        turn: float64 (B,), roll from its first to its last frame.
        photometric: the rest.
    """

    index: Ints
    progress: Floats
    emulated: Bools
    clock: Ints
    background: Backgrounds
    figures: Figures
    foreground_motion: Displacement
    background_motion: Displacement
    corners: Floats
    enlarge: Floats
    camera_motion: Displacement
    zoom: Floats
    shake: Floats
    tilt: Floats
    turn: Floats
    photometric: Photometric

    def __len__(self) -> int:
        """The number of samples B."""
        return len(self.index)

    @property
    def clip_len(self) -> int:
        """The number of frames T."""
        return int(self.clock.shape[1])

    def select(self, rows: NDArray[np.int64]) -> "Emulation":
        """The samples of these rows."""
        chosen: Emulation = map_arrays(lambda array: array[rows], self)
        return chosen


def _numbers(seed: int, index: Ints, clip_len: int) -> dict[Field, Floats]:
    """All uniform numbers of samples (B,) of that many frames, in [0, 1), by field: (B, ...)."""
    shapes: dict[Field, tuple[int, ...]] = {
        Field.EMULATED: (1,),
        Field.TIMING: (1 + clip_len,),
        Field.BACKGROUND: (13,),
        Field.BACKGROUND_ENTRIES: (2, CANDIDATES),
        Field.BACKGROUND_WALK: (clip_len,),
        Field.PLACEMENT: (5,),
        Field.GROUP: (4,),
        Field.COPIES: (MAX_COPIES + 1, COPY_NUMBERS),
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
    progress: Floats | None = None,
) -> Emulation:
    """Draw the emulation of samples.

    Args:
        config: probabilities and ranges.
        bank: where backgrounds come from.
        seed: the stream's.
        index: (B,), the samples' positions in the stream.
        class_id: (B,), what they show: backgrounds are of other classes where there are any.
        clip_len: T.
        progress: (B,), positions in the curriculum in 0..1; by default what follows from the index.
    """
    u = _numbers(seed, index, clip_len)
    at = curriculum_position(config.curriculum, index) if progress is None else np.asarray(progress, np.float64)
    emulated = u[Field.EMULATED][:, 0] < config.curriculum.share * at
    width = config.curriculum.narrow + (1 - config.curriculum.narrow) * at
    corners, enlarge = _draw_perspective(config.perspective, u[Field.PERSPECTIVE], emulated)
    tilt, turn = _draw_roll(config.roll, u[Field.ROLL], emulated)
    clock = _draw_clock(config.timing, u[Field.TIMING], emulated)
    motions = {
        "foreground_motion": Field.FOREGROUND_MOTION,
        "background_motion": Field.BACKGROUND_MOTION,
        "camera_motion": Field.CAMERA_MOTION,
    }
    return Emulation(
        index=index,
        progress=at,
        emulated=emulated,
        clock=clock,
        background=_draw_backgrounds(config.background, bank, seed, u, emulated, class_id),
        figures=_draw_figures(config.placement, config.group, u, emulated, emulated & (at >= 1)),
        **{
            name: _draw_displacement(getattr(config, name), u[field], emulated, width)
            for name, field in motions.items()
        },
        corners=corners,
        enlarge=enlarge,
        zoom=_draw_zoom(config.zoom, u[Field.ZOOM], emulated),
        shake=_draw_shake(config.shake, u, emulated, width, clock),
        tilt=tilt,
        turn=turn,
        photometric=draw_photometric(config.photometric, seed, index, emulated),
    )


def pool_ids(seed: int, entries: Ints, num_classes: int) -> Ints:
    """Class and instance (..., 2) of entries of the pool of backgrounds. Instances are never those of validation."""
    drawn = words(seed, Domain.EMULATE, Field.POOL, entries.ravel(), 0, 2).astype(np.int64)
    drawn[:, 0] = drawn[:, 0] * num_classes >> 32
    drawn[:, 1] %= FIRST_VALIDATION_ID
    return drawn.reshape(*entries.shape, 2)


def _draw_clock(config: TimingConfig, own: Floats, emulated: Bools) -> Ints:
    """(B, T): a frame that is skipped moves all later ones on; one that repeats shows what the one before did."""
    u = np.where((emulated & (own[:, 0] < config.p))[:, None], own[:, 1:], 1.0)
    u[:, 0] = 1.0
    later = np.cumsum((u >= config.repeat) & (u < config.repeat + (1 - config.repeat) * config.skip), axis=1)
    clock = np.arange(u.shape[1]) + later
    # A repeated frame shows the last one before it that does not repeat.
    return np.asarray(np.maximum.accumulate(np.where(u < config.repeat, 0, clock), axis=1), np.int64)


def _draw_backgrounds(
    config: BackgroundConfig, bank: Bank, seed: int, drawn: dict[Field, Floats], emulated: Bools, class_id: Ints
) -> Backgrounds:
    u = drawn[Field.BACKGROUND]
    dynamic = u[:, 1] < config.dynamic
    entries = integers(drawn[Field.BACKGROUND_ENTRIES].astype(np.float32), 0, config.pool - 1)
    ids = pool_ids(seed, entries, len(bank))
    other = (ids[..., 0] != class_id[:, None, None]).argmax(axis=2)
    chosen = np.take_along_axis(ids, other[:, :, None, None], axis=2)[:, :, 0]
    chosen[dynamic, 1] = chosen[dynamic, 0]
    frames = bank.native_frames[chosen[..., 0]]
    corner, extent = draw_parts(u[:, [2, 3, 8, 9]], config.crop, BACKGROUND_RATIO)
    return Backgrounds(
        present=emulated & (u[:, 0] < config.p),
        dynamic=dynamic,
        clip_id=chosen,
        still=np.minimum((u[:, 4:6] * frames).astype(np.int64), frames - 1),
        walk=_draw_walk(config.window, frames[:, 0], u[:, 6:8], drawn[Field.BACKGROUND_WALK]),
        corner=np.asarray(corner, np.float64),
        extent=np.asarray(extent, np.float64),
        alpha=within(u[:, 10], config.alpha),
        power=np.full(len(u), config.power),
        gamma=within(u[:, 11], config.gamma),
        maximum=u[:, 12] < config.maximum,
    )


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
    placement: PlacementConfig, group: GroupConfig, drawn: dict[Field, Floats], emulated: Bools, grouped: Bools
) -> Figures:
    """Placements, and copies where `grouped` (B,) allows them."""
    u, own = drawn[Field.PLACEMENT], drawn[Field.GROUP]
    many = drawn[Field.COPIES][:, : group.copies + 1]
    grouped = grouped & (own[:, 0] < group.p)
    copies = np.where(grouped, integers(own[:, 1].astype(np.float32), 1, group.copies), 0)
    placed = emulated & (u[:, 0] < placement.p)
    alone = np.where(placed[:, None], within(u[:, 1:3], placement.scale), 1.0)
    scale = np.where(grouped[:, None], within(own[:, 2:4], group.scale), alone)[:, None]
    places = np.concatenate([u[:, None, 3:5], many[:, 1:, :2]], axis=1)
    copy = (np.arange(group.copies + 1) > 0) & (np.arange(group.copies + 1) <= copies[:, None])
    return Figures(
        copies=copies,
        corner=places * (1 - scale),
        scale=np.broadcast_to(scale, places.shape).copy(),
        mirror=copy & (many[..., 2] < group.mirror),
        turn=np.where(copy, group.turn * (2 * many[..., 3] - 1), 0.0),
        delay=np.where(copy, group.delay * (2 * many[..., 4] - 1), 0.0),
    )


def _draw_displacement(config: DisplacementConfig, u: Floats, emulated: Bools, width: Floats) -> Displacement:
    """From five numbers a sample (B, 5); ranges reach `width` (B,) of the way to their upper ends."""
    present = emulated & (u[:, 0] < config.p)
    speed = config.speed[0] + u[:, 1] * width * (config.speed[1] - config.speed[0])
    duration = config.duration[0] + u[:, 3] * width * (config.duration[1] - config.duration[0])
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
        rows = rows[~(smallest_depth(corners[rows], enlarge[rows]) >= NEAREST)]
        inwards[rows] *= 0.9
        corners[rows] = SCENE + (1 - 2 * SCENE) * inwards[rows]
    return corners, enlarge


def _draw_zoom(config: ZoomConfig, u: Floats, emulated: Bools) -> Floats:
    rate = np.log1p(within(u[:, 1], config.rate)) * np.where(u[:, 2] < 0.5, -1, 1)
    return np.where(emulated & (u[:, 0] < config.p), rate, 0.0)


def _draw_shake(config: ShakeConfig, drawn: dict[Field, Floats], emulated: Bools, width: Floats, clock: Ints) -> Floats:
    """Offsets (B, T, 2) at frames (B, T), about their mean and with the drawn deviation along either axis."""
    frames = clock.shape[1]
    offsets = np.zeros((len(clock), frames, 2))
    rows = np.flatnonzero(emulated & (drawn[Field.SHAKE][:, 0] < config.p))
    u, clock = drawn[Field.SHAKE][rows], clock[rows]
    deviation = within(u[:, 1], config.deviation) * width[rows]
    count = integers(u[:, 2:4].astype(np.float32), *config.waves)
    order = np.arange(1, MAX_WAVES + 1)
    weight = (order <= count[..., None]) / order
    frequency = within(u[:, 8:].reshape(-1, 2, MAX_WAVES), config.frequency)
    angle = frequency[..., None, :] * clock[:, None, :, None] + 2 * np.pi * u[:, 4:6, None, None]
    # Sines of amplitude a have variance a²/2; numbers of [-1, 1] have 1/3.
    waves = (weight[:, :, None] * np.sin(angle)).sum(axis=3) / np.sqrt((weight**2).sum(axis=2) / 2)[..., None]
    own = np.sqrt(3) * (2 * np.moveaxis(drawn[Field.SHAKE_NOISE][rows], 2, 1) - 1)
    jitter = np.take_along_axis(own, np.minimum(clock, frames - 1)[:, None], axis=2)
    path = np.sqrt(1 - config.noise**2) * waves + config.noise * jitter
    path -= path.mean(axis=2, keepdims=True)
    path *= deviation[:, None, None] / np.maximum(path.std(axis=2, keepdims=True), FLATTEST)
    offsets[rows] = np.moveaxis(path, 1, 2)
    return offsets


def _draw_roll(config: RollConfig, u: Floats, emulated: Bools) -> tuple[Floats, Floats]:
    """Tilt and turn (B,)."""
    present = emulated & (u[:, 0] < config.p)
    tilt, turn = within(u[:, 1], config.tilt), within(u[:, 2], config.turn)
    signs = np.where(u[:, 3:] < 0.5, -1.0, 1.0)
    return np.where(present, tilt * signs[:, 0], 0.0), np.where(present, turn * signs[:, 1], 0.0)
