"""What clips show, found on the device: the rule of `fractals.fit.fit_fractals`, without waiting for the device.

Only the device knows which clips have to be drawn again. So all attempts that the rule allows are queued, one after the
other, each for the clips that are still open by then: a mask on the device says which, and kernels skip all others. No
clip gets more attempts than on the CPU, and most of what is queued late has little or nothing to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.seeds import Field
from fractalvid.fractals.config import MAX_MAPS
from fractalvid.fractals.fit import MAX_DAMPINGS, ORBIT_POINTS, SETTLING, STRONGER
from fractalvid.fractals.instances import native_times
from fractalvid.fractals.look import MIDDLE_TAIL, MIN_EXTENT
from fractalvid.gpu import verdicts
from fractalvid.gpu.bank import DeviceBank, DeviceInstances
from fractalvid.gpu.jobs import GridTimes
from fractalvid.gpu.verdicts import DeviceLook
from fractalvid.kernels import Jobs
from fractalvid.kernels.cuda import game, points
from fractalvid.kernels.cuda.device import Array, uploaded

GROWTH_STEPS, GROWTH_BURN_IN = 24, 8
ATTEMPTS_AT_ONCE = 9
"""Attempts whose maps are made together: all of them by default. They take a few kilobytes each, orbits much more."""


@dataclass(frozen=True)
class DeviceFits:
    """What B clips need to be rendered, see `fractalvid.fractals.fit.Fits`; all arrays are the device's."""

    instances: DeviceInstances
    attempt: Array
    damping: Array
    box: Array
    white: Array
    orbit: Array
    seed: Array


@dataclass(frozen=True)
class _Search:
    """How far the search for B clips has come. Kernels write into its arrays, at the clips that they work on.

    Attributes:
        class_id: int64 (B,).
        open: bool (B,), clips without a bounded and whole attempt so far.
        taken: int64 (B,), the bounded and whole attempt, else the first bounded one, else -1.
        rate: float32 (B, 20), rates of growth at infinity.
        near: float32 (B, 20), the share of an orbit that lies within the radius.
        orbit: float32 (B, 20, 1024, 2), points at native times.
        look: what they show.
    """

    class_id: Array
    open: Array
    taken: Array
    rate: Array
    near: Array
    orbit: Array
    look: DeviceLook

    @classmethod
    def begin(cls, bank: DeviceBank, class_id: Array) -> "_Search":
        """Nothing has been tried."""
        xp, count = bank.xp, len(class_id)
        return cls(
            class_id=class_id,
            open=xp.ones(count, np.bool_),
            taken=xp.full(count, -1, np.int64),
            rate=xp.empty((count, MAX_FRAMES), np.float32),
            near=xp.empty((count, MAX_FRAMES), np.float32),
            orbit=xp.empty((count, MAX_FRAMES, ORBIT_POINTS, 2), np.float32),
            look=verdicts.empty_look(bank.device, count),
        )


def fit_on_device(bank: DeviceBank, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> DeviceFits:
    """Take or redraw instances (B,) of classes (B,), both in the host's memory, and find their views."""
    xp = bank.xp
    classes, ids = uploaded(xp, class_id, instance_id)
    at = bank.grid_times(native_times(bank.bank, class_id))
    class_maps = bank.class_maps(classes, at)
    projection = xp.broadcast_to(xp.eye(3, dtype=np.float32), (*at.times.shape, 3, 3))
    seed = bank.seeds(Field.FIT_SEED, ids, classes)
    # These maps and weights are placeholders: each attempt has its own.
    weights = xp.empty((*at.times.shape, MAX_MAPS), np.float32)
    jobs = jobs_of(bank, class_maps, weights, classes, at, projection=projection, seed=seed)
    search = _Search.begin(bank, classes)
    for attempt, maps, weights in _attempts(bank, classes, ids, class_maps, at):
        _try(bank, search, replace(jobs, maps=maps, weights=weights), attempt)

    wild = search.taken < 0
    attempt = xp.where(wild, bank.config.attempts, search.taken)
    instances = bank.draw_instances(classes, ids, attempt)
    maps, weights = bank.instance_maps(class_maps, classes, instances, at)
    damping = _damped(bank, search, wild, maps, replace(jobs, weights=weights.reshape(-1, MAX_MAPS)))
    return DeviceFits(
        instances=instances,
        attempt=attempt,
        damping=damping,
        box=search.look.box,
        white=search.look.white,
        orbit=search.orbit,
        seed=bank.seeds(Field.PIXEL_SEED, ids, classes),
    )


def _attempts(
    bank: DeviceBank, class_id: Array, instance_id: Array, class_maps: Array, at: GridTimes
) -> Iterator[tuple[int, Array, Array]]:
    """Each attempt that is allowed: its number, maps (B 20, 8, 6) and weights (B 20, 8)."""
    xp, most, clips = bank.xp, bank.config.attempts, len(class_id)
    for first in range(0, most + 1, ATTEMPTS_AT_ONCE):
        some = range(first, min(first + ATTEMPTS_AT_ONCE, most + 1))
        number = xp.repeat(xp.arange(some.start, some.stop, dtype=np.int64), clips)
        drawn = bank.draw_instances(xp.tile(class_id, len(some)), xp.tile(instance_id, len(some)), number)
        maps, weights = bank.instance_maps(class_maps, class_id, drawn, at)
        each = len(some), -1, MAX_MAPS
        yield from zip(some, maps.reshape(*each, maps.shape[-1]), weights.reshape(each), strict=True)


def _try(bank: DeviceBank, search: _Search, jobs: Jobs, attempt: int) -> None:
    """Make an attempt at the clips that are open."""
    device, config, classes = bank.device, bank.config, search.class_id
    _grow(bank, jobs, search, search.open)
    admitted = verdicts.admit(device, search.open, classes, search.rate, bank.silent, config.max_rate)
    _walk(bank, jobs, search, admitted)
    _look(bank, classes, search.orbit, where=admitted, out=search.look)
    verdicts.settle(
        device,
        admitted,
        class_id=classes,
        near=search.near,
        inside=bank.inside,
        fault=search.look.fault,
        attempt=attempt,
        taken=search.taken,
        open_=search.open,
    )


def _grow(bank: DeviceBank, jobs: Jobs, search: _Search, where: Array) -> None:
    """Rates of growth at infinity."""
    game.growth(
        bank.device,
        jobs,
        GROWTH_STEPS,
        burn_in=GROWTH_BURN_IN,
        variations=bank.variations,
        where=where,
        out=search.rate,
    )


def _walk(bank: DeviceBank, jobs: Jobs, search: _Search, where: Array) -> None:
    """Orbits, and how much of each lies within the radius."""
    device, orbits = bank.device, search.orbit.reshape(-1, ORBIT_POINTS, 2)
    game.orbit(device, jobs, ORBIT_POINTS, burn_in=SETTLING, variations=bank.variations, where=where, out=orbits)
    points.share_within(device, orbits, bank.config.radius, where=where, out=search.near)


def _damped(bank: DeviceBank, search: _Search, wild: Array, maps: Array, jobs: Jobs) -> Array:
    """Damp clips without a bounded attempt, see `fractals.fit`, and look again at the attempts that are taken.

    Orbits and looks in `search` are then those of `maps`. Weights are shares of determinants, so damping leaves them as
    they are.

    Args:
        bank: the classes.
        search: after all attempts; clips that are open there get new orbits and looks.
        wild: bool (B,), no attempt of these was bounded.
        maps: (B, 20, 8, 6), of the attempts that are taken; the linear parts of wild ones are damped in place.
        jobs: of these attempts.

    Returns:
        Factors (B, 20), 1 where nothing is damped.
    """
    xp, device, config, classes = bank.xp, bank.device, bank.config, search.class_id
    grows = (wild & ~bank.silent[classes])[:, None]
    # The last attempt's rates: those of all that is wild.
    damping = xp.where(grows, xp.minimum(1, xp.exp(config.max_rate - search.rate)), 1).astype(np.float32)
    for linear in (maps[..., 0:2], maps[..., 3:5]):
        linear *= damping[..., None, None]
    jobs = replace(jobs, maps=maps.reshape(-1, *maps.shape[2:]))
    straying = search.open.copy()
    for _ in range(MAX_DAMPINGS - 1):
        _grow(bank, jobs, search, straying)
        _walk(bank, jobs, search, straying)
        verdicts.damp(
            device,
            straying,
            classes,
            rate=search.rate,
            silent=bank.silent,
            most=config.max_rate,
            near=search.near,
            inside=bank.inside,
            stronger=float(STRONGER),
            damping=damping,
            maps=maps,
        )
    _walk(bank, jobs, search, straying)
    _look(bank, classes, search.orbit, where=search.open, out=search.look)
    return damping


def jobs_of(
    bank: DeviceBank,
    maps: Array,
    weights: Array,
    class_id: Array,
    at: GridTimes,
    *,
    projection: Array,
    seed: Array,
    **more: Array,
) -> Jobs:
    """Jobs of B clips at F times: maps (B, F, 8, 6), weights (B, F, 8), projection (B, F, 3, 3), seed (B,).

    `more` are other fields (B F, ...).
    """
    xp, count = bank.xp, at.times.size
    arrays: dict[str, Any] = {"maps": maps, "weights": weights, "projection": projection}
    arrays |= bank.variations_at(class_id, at)
    arrays["fused"] = xp.broadcast_to(bank.fused[class_id][:, None], at.times.shape)
    flat = {name: xp.ascontiguousarray(array.reshape(count, *array.shape[2:])) for name, array in arrays.items()}
    return Jobs(**flat, seed=xp.repeat(seed, at.times.shape[1]), **more)


def _look(
    bank: DeviceBank, class_id: Array, orbit: Array, *, where: Array | None = None, out: DeviceLook | None = None
) -> DeviceLook:
    """What orbits (B, 20, 1024, 2) of classes (B,) show, at the clips of a mask (B,)."""
    device, config = bank.device, bank.config
    look = verdicts.empty_look(device, len(class_id)) if out is None else out

    def extent(tail: float) -> Array:
        ends = points.extent(device, orbit.reshape(-1, ORBIT_POINTS, 2), tail, where=where)
        return ends.reshape(-1, MAX_FRAMES, 4)

    verdicts.view_boxes(
        device,
        ends=extent(config.tail),
        middle=extent(MIDDLE_TAIL) if bank.any_far else None,
        class_id=class_id,
        far=bank.far,
        out=look.box,
        fence=config.fence,
        limit=10 * config.radius,
        widening=1 + 2 * config.margin,
        least=MIN_EXTENT,
        equal_scales=config.equal_scales,
        where=where,
    )
    verdicts.judge(
        device,
        points.on_grid(device, orbit, look.box, where=where),
        class_id=class_id,
        frames=bank.array["native_frames"],
        out=look,
        empty=config.empty,
        full=config.full,
        broken=config.broken,
        still=config.still,
        where=where,
    )
    return look
