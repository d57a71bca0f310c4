"""The chaos game on the device: launchers of `orbit.cu`, `accumulate.cu`, `render.cu` and `boxes.cu`.

They decide shapes, blocks, grids and shared memory, and which variations a module is compiled for.
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.cpu.walkers import COLUMNS, GROWTH_COLUMNS, ORBIT_COLUMNS, ROWS, STEPS_OF_A_TABLE
from fractalvid.kernels.cuda.device import THREADS, WORD, Array, Device, blocks_where, pointer, uploaded
from fractalvid.kernels.cuda.source import Module
from fractalvid.kernels.cuda.tone import plan
from fractalvid.kernels.jobs import SUMMED, Jobs, fused_variation
from fractalvid.kernels.variations import MAX_PARAMS

COEFFICIENTS = 6
FIXED_WORDS = ROWS * STEPS_OF_A_TABLE + 5 + COLUMNS
LEAST_WORDS = 512
"""Words of shared memory that a block needs at least for a tile, or whatever else it keeps there."""


class CompiledVariations(NamedTuple):
    """What a module is compiled for: variations that are fused (`kernels.jobs`), and those that maps sum or choose."""

    fused: tuple[int, ...]
    summed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """Settings that change no result, only how fast it comes.

    Attributes:
        walkers: walkers a thread has in registers, 1, 2 or 4; the more, the smaller the blocks.
        tile: (height, width) of the tiles of a frame; by default the largest that fit shared memory.
    """

    walkers: int = 2
    tile: tuple[int, int] | None = None


def variations_of(jobs: Jobs) -> CompiledVariations:
    """The variations that modules for these jobs need; the jobs lie in the host's memory."""
    fused = fused_variation(jobs.variation, jobs.amount, jobs.weights)
    used = (jobs.amount != 0) & (jobs.weights > 0)[:, :, None]
    summed = fused == SUMMED
    numbers = np.unique(jobs.variation[summed][used[summed]])
    return CompiledVariations(tuple(np.unique(fused[~summed]).tolist()), tuple(numbers.tolist()))


def orbit(
    device: Device,
    jobs: Jobs,
    n: int,
    *,
    burn_in: int,
    variations: CompiledVariations,
    where: Array | None = None,
    out: Array | None = None,
) -> Array:
    """Points of attractors: float32 (J, n, 2). See `kernels.orbit`.

    `where` (B,) is a mask of clips, J / B jobs each, and so below: the others keep what `out` has.
    """
    out = device.xp.empty((len(jobs), n, 2), np.float32) if out is None else out
    module = Module("orbit", *variations, block=ORBIT_COLUMNS)
    grid, masked = blocks_where(device, where, len(jobs))
    arguments = (*_jobs(device, jobs), *masked, np.int32(burn_in), np.int32(n), out)
    device.launch(module, "orbit", (grid, 1), ORBIT_COLUMNS, WORD * _game_words(device, jobs), arguments)
    return out


def growth(
    device: Device,
    jobs: Jobs,
    steps: int,
    *,
    burn_in: int,
    variations: CompiledVariations,
    where: Array | None = None,
    out: Array | None = None,
) -> Array:
    """Rates of growth at infinity: float32 (J,). See `kernels.growth`."""
    out = device.xp.empty(len(jobs), np.float32) if out is None else out
    module = Module("orbit", *variations, block=ORBIT_COLUMNS)
    grid, masked = blocks_where(device, where, len(jobs))
    arguments = (*_jobs(device, replace(jobs, start=None)), *masked, np.int32(burn_in), np.int32(steps), out)
    shared = WORD * (_game_words(device, jobs) + GROWTH_COLUMNS)
    device.launch(module, "growth", (grid, 1), GROWTH_COLUMNS, shared, arguments)
    return out


class Counted(NamedTuple):
    """Counts and sums of colour indices uint32 (J, H, W), points outside and discarded int64 (J,)."""

    counts: Array
    colour: Array | None
    outside: Array
    discarded: Array


def accumulate(
    device: Device,
    jobs: Jobs,
    *,
    size: tuple[int, int],
    points: int | NDArray[np.int64],
    burn_in: int,
    variations: CompiledVariations,
    tuning: Tuning = Tuning(),
) -> Counted:
    """Where points fall. See `kernels.accumulate`; `points`, (J,) or one number, is the host's, and so below."""
    xp, frame = device.xp, (len(jobs), *size)
    coloured = jobs.colour is not None
    done = Counted(
        xp.empty(frame, np.uint32),
        xp.empty(frame, np.uint32) if coloured else None,
        *(xp.empty(len(jobs), np.int64) for _ in range(2)),
    )
    tail = (done.counts, pointer(done.colour), done.outside, done.discarded)
    amounts = _amounts(xp, points, len(jobs))
    _Counting(jobs, size, amounts, burn_in, variations, tuning, coloured).launch(device, "accumulate", tail)
    return done


class Paints(NamedTuple):
    """The curve uint8 (256,) and the palettes uint8 (J, 256, 3) of coloured jobs."""

    curve: Array
    palette: Array


def render(
    device: Device,
    jobs: Jobs,
    *,
    size: tuple[int, int],
    points: int | NDArray[np.int64],
    exposure: Array,
    burn_in: int,
    variations: CompiledVariations,
    paints: Paints | None = None,
    tuning: Tuning = Tuning(),
) -> Array:
    """Images uint8 (J, H, W), or (J, H, W, 3) with `paints`, under a fixed white (J, 2). See `kernels.render`."""
    out = device.xp.empty((len(jobs), *size, *(() if paints is None else (3,))), np.uint8)
    amounts = _amounts(device.xp, points, len(jobs))
    tail = (plan(device, jobs.projection, exposure, amounts), *_paint_pointers(paints), out)
    _Counting(jobs, size, amounts, burn_in, variations, tuning, paints is not None).launch(device, "render", tail)
    return out


def render_by_largest(
    device: Device,
    jobs: Jobs,
    *,
    size: tuple[int, int],
    points: int | NDArray[np.int64],
    clip: NDArray[np.int64],
    burn_in: int,
    variations: CompiledVariations,
    paints: Paints | None = None,
    tuning: Tuning = Tuning(),
) -> Array:
    """The same, where a clip's largest count is white; `clip` (J,) says which jobs are one. All sums are kept."""
    xp, frame = device.xp, (len(jobs), *size)
    groups, group = np.unique(clip, return_inverse=True)
    counts = xp.empty(frame, np.uint32)
    sums = None if paints is None else xp.empty(frame, np.uint32)
    largest = xp.ones(len(groups), np.uint32)
    of_clip = xp.asarray(group.astype(np.int32))
    kept = (of_clip, counts, pointer(sums), largest)
    amounts = _amounts(xp, points, len(jobs))
    _Counting(jobs, size, amounts, burn_in, variations, tuning, paints is not None).launch(device, "boxes", kept)
    out = xp.empty((*frame, *(() if paints is None else (3,))), np.uint8)
    arguments = (*map(np.int32, size), *kept, *_paint_pointers(paints), out)
    module = Module("boxes", coloured=paints is not None)
    grid = (len(jobs), max(1, min(64, size[0] * size[1] // (4 * THREADS))))
    device.launch(module, "tone_boxes", grid, THREADS, 0, arguments)
    return out


def _amounts(xp: ModuleType, points: int | NDArray[np.int64], count: int) -> Array:
    """Points int64 (J,) of jobs, on the device."""
    return xp.full(count, points, np.int64) if isinstance(points, int) else uploaded(xp, points)[0]


@dataclass(frozen=True)
class _Counting:
    """How kernels that count points in frames are launched.

    Attributes:
        jobs: on the device.
        size: height and width of a frame.
        points: of each job, int64 (J,) on the device.
        burn_in: steps before the first point.
        variations: what the module is compiled for.
        tuning: what may be chosen.
        coloured: whether colours are counted, too.
    """

    jobs: Jobs
    size: tuple[int, int]
    points: Array
    burn_in: int
    variations: CompiledVariations
    tuning: Tuning
    coloured: bool

    def launch(self, device: Device, kernel: str, tail: tuple[Any, ...]) -> None:
        """Queue a kernel, whose arguments end with `tail`."""
        planes, game = 2 if self.coloured else 1, _game_words(device, self.jobs)
        tile = self.tuning.tile or tile_size(self.size, (device.shared_bytes // WORD - game) // planes)
        tiles = -(-self.size[0] // tile[0]) * -(-self.size[1] // tile[1])
        shared = WORD * (game + planes * _region(self.size, tile))
        block = ROWS * COLUMNS // self.tuning.walkers
        numbers = map(np.int32, (self.burn_in, COLUMNS, *self.size, *tile))
        arguments = (*_jobs(device, self.jobs), self.points, *numbers, *tail)
        module = Module(kernel, *self.variations, walkers=self.tuning.walkers, block=block, coloured=self.coloured)
        device.launch(module, kernel, (len(self.jobs), tiles), block, shared, arguments)


def tile_size(size: tuple[int, int], words: int) -> tuple[int, int]:
    """Height and width of the fewest equal tiles whose pixels, and one more on each side, fit so many words."""
    height, width = size
    across = 1
    while _region(size, (1, -(-width // across))) > words:
        across += 1
    wide = -(-width // across)
    down = 1
    while _region(size, (-(-height // down), wide)) > words:
        down += 1
    return -(-height // down), wide


def _region(size: tuple[int, int], tile: tuple[int, int]) -> int:
    """Most pixels that a tile counts: its own, and one more on each side where the frame goes on."""
    height, width = (min(part + 2, whole) if part < whole else whole for part, whole in zip(tile, size, strict=True))
    return height * width


def _game_words(device: Device, jobs: Jobs) -> int:
    """Words of shared memory before the histogram, as `game_of` in `cuda/walkers.cuh` lays them out."""
    n, summed = map(int, jobs.variation.shape[1:])
    words = FIXED_WORDS + n * (COEFFICIENTS + 3 + summed * (2 + MAX_PARAMS))
    if words + LEAST_WORDS > device.shared_bytes // WORD:
        raise ValueError(f"{n} maps of {summed} variations do not fit a GPU's shared memory: use the CPU")
    return words


def _jobs(device: Device, jobs: Jobs) -> tuple[Any, ...]:
    """The arguments JOBS of `cuda/walkers.cuh`."""
    n, summed = jobs.variation.shape[1:]
    starts = 0 if jobs.start is None else jobs.start.shape[1]
    fused = fused_variation(jobs.variation, jobs.amount, jobs.weights) if jobs.fused is None else jobs.fused
    return (
        fused,
        jobs.maps,
        jobs.weights,
        jobs.variation,
        jobs.amount,
        jobs.params,
        jobs.projection,
        jobs.seed,
        pointer(jobs.start),
        pointer(jobs.colour),
        device.scattering(),
        *map(np.int32, (n, summed, starts)),
    )


def _paint_pointers(paints: Paints | None) -> tuple[Any, Any]:
    return (pointer(None), pointer(None)) if paints is None else (paints.curve, paints.palette)
