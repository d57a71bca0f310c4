"""Which attempt at an instance is taken, how it is damped if none is bounded, and what its clip shows.

All of it is found from orbits at the clip's native times, so it does not depend on the frames, the size or the points
of a rendering.
"""

from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.seeds import Field
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.instances import Instances, clip_seeds, draw_instances, is_native, jobs_at, native_times
from fractalvid.fractals.look import Fault, Look, look_at
from fractalvid.kernels import Jobs, growth, orbit
from fractalvid.kernels.cpu.points import share_within

Ints = NDArray[np.int64]

ORBIT_POINTS = 1024
SETTLING = 64
"""Steps before an orbit is looked at: systems near the threshold of boundedness settle slowly."""
MAX_DAMPINGS = 12
STRONGER = np.float32(0.85)
"""Factor of the damping at times where an orbit still strays."""


@dataclass(frozen=True)
class Fits:
    """What B clips need to be rendered at any time, size and number of points.

    Attributes:
        instances: the attempts that are taken.
        damping: float32 (B, 20), factor of the linear parts at native times, 1 where nothing is damped.
        box: float32 (B, 4), the view's left, top, right and bottom in the plane; rows of pixels follow y.
        white: float32 (B,), the density that is shown as white, relative to a uniform one.
        orbit: float32 (B, 20, 1024, 2), points at native times, where walkers begin; the last time is repeated.
        seed: uint64 (B,), of the clip's pixels.
        rejected: int64 (B, 5), how many attempts were rejected for each `fractalvid.fractals.look.Fault`.
        fault: int8 (B,), what is wrong with the attempt that is taken all the same, `Fault.NONE` as a rule.
    """

    instances: Instances
    damping: NDArray[np.float32]
    box: NDArray[np.float32]
    white: NDArray[np.float32]
    orbit: NDArray[np.float32]
    seed: NDArray[np.uint64]
    rejected: Ints
    fault: NDArray[np.int8]

    @property
    def class_id(self) -> Ints:
        """(B,)."""
        return self.instances.class_id

    def __len__(self) -> int:
        """The number of clips B."""
        return len(self.instances)


def fit_fractals(bank: ClassBank, class_id: ArrayLike, instance_id: ArrayLike, *, threads: int | None = None) -> Fits:
    """Take or redraw instances (B,) of classes (B,), and find their views. A pure function of the bank and the ids.

    An instance is bounded if its rate of growth at infinity is below `max_rate` and `inside` of its orbit lies within
    `radius`, at every native time. One that is unbounded or broken (`fractals.look`) is drawn again, up to `attempts`
    times. If none of them will do, the first bounded one is taken; if none is bounded, the last one, damped.
    """
    classes, ids = np.broadcast_arrays(np.atleast_1d(np.asarray(class_id, np.int64)), np.asarray(instance_id, np.int64))
    search = _Search(bank, threads)
    drawn = search.first_bounded(classes, ids, np.zeros(len(classes), np.int64))
    damping = np.ones_like(drawn.rate)
    wild = np.flatnonzero(~drawn.bounded)
    if len(wild):
        instances = draw_instances(bank, classes[wild], ids[wild], drawn.instances.attempt[wild])
        damping[wild], drawn.orbit[wild] = search.damp(instances, drawn.rate[wild])
    look = search.look(classes, drawn.orbit)
    rejected = np.zeros((len(classes), len(Fault)), np.int64)
    rejected[:, Fault.UNBOUNDED] = drawn.instances.attempt + ~drawn.bounded
    search.replace_broken(drawn, look, rejected)
    return Fits(
        instances=drawn.instances,
        damping=damping,
        box=look.box,
        white=look.white,
        orbit=drawn.orbit,
        seed=clip_seeds(bank, Field.PIXEL_SEED, classes, ids),
        rejected=rejected,
        fault=look.fault,
    )


@dataclass(frozen=True)
class _Attempts:
    """One attempt at each of B instances.

    Attributes:
        instances: what was drawn.
        bounded: bool (B,).
        rate: float32 (B, 20), rates of growth at infinity at native times.
        orbit: float32 (B, 20, 1024, 2); means nothing where the rate is too large.
    """

    instances: Instances
    bounded: NDArray[np.bool_]
    rate: NDArray[np.float32]
    orbit: NDArray[np.float32]


@dataclass(frozen=True)
class _Search:
    """The search for attempts that are bounded and whole, among a bank's instances and on at most `threads` threads."""

    bank: ClassBank
    threads: int | None

    def first_bounded(self, class_id: Ints, instance_id: Ints, first: Ints) -> _Attempts:
        """The first bounded attempt from number `first` (B,) on; the last attempt if none is bounded."""
        last = self.bank.config.attempts
        chosen: _Attempts | None = None
        left = np.arange(len(class_id))
        for tries in _rounds(last):
            row = np.repeat(left, len(tries))
            # Past the last attempt there is only the last attempt: drawing it twice changes nothing.
            number = np.minimum(first[row] + np.tile(tries, len(left)), last)
            now = self._try(draw_instances(self.bank, class_id[row], instance_id[row], number))
            bounded = now.bounded.reshape(len(left), len(tries))
            done = bounded.any(axis=1)
            taken = np.where(done, bounded.argmax(axis=1), len(tries) - 1)
            if chosen is None:  # the first round makes one attempt at each, so nothing needs to be copied
                chosen = now
            else:
                _put_rows(chosen, left, now, np.arange(len(left)) * len(tries) + taken)
            left = left[~done]
            if not len(left):
                break
        assert chosen is not None
        return chosen

    def damp(self, instances: Instances, rate: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Factors (B, 20) that bound unbounded instances of growth `rate` (B, 20), and the orbits that follow.

        They begin with what the rate asks for, min(1, exp(max_rate - rate)), and shrink where the orbit still strays.
        """
        most = self.bank.config.max_rate
        damping = np.minimum(1, np.exp(most - rate)).astype(np.float32)
        stray, everyone = np.zeros(damping.shape, np.bool_), np.ones(len(instances), np.bool_)
        for _ in range(MAX_DAMPINGS):
            damping[stray] *= STRONGER
            jobs = self._jobs(instances, damping)
            points = self._orbits(jobs, instances, everyone)
            stray = (self._rates(jobs, instances) >= most) | ~self._inside(points, instances)
            if not stray.any():
                break
        return damping, points

    def look(self, class_id: Ints, points: NDArray[np.float32]) -> Look:
        """What orbits (B, 20, 1024, 2) of classes (B,) show."""
        return look_at(self.bank, class_id, points, threads=self.threads)

    def replace_broken(self, drawn: _Attempts, look: Look, rejected: Ints) -> None:
        """Put the next attempt that is bounded and whole in the place of broken ones, if there is one.

        `drawn`, `look` and the counts `rejected` (B, 5) change.
        """
        last = self.bank.config.attempts
        rows = np.flatnonzero((look.fault != Fault.NONE) & drawn.bounded)
        fault, attempt = look.fault[rows], drawn.instances.attempt[rows]
        class_id, instance_id = drawn.instances.class_id, drawn.instances.instance_id
        while len(rows):
            rejected[rows, fault] += 1
            rows, attempt = rows[attempt < last], attempt[attempt < last]
            if not len(rows):
                break
            later = self.first_bounded(class_id[rows], instance_id[rows], attempt + 1)
            rejected[rows, Fault.UNBOUNDED] += later.instances.attempt - attempt - later.bounded
            shown = self.look(class_id[rows], later.orbit)
            good = later.bounded & (shown.fault == Fault.NONE)
            _put_rows(drawn, rows[good], later, good)
            _put_rows(look, rows[good], shown, good)
            again = later.bounded & ~good
            rows, fault, attempt = rows[again], shown.fault[again], later.instances.attempt[again]

    def _try(self, instances: Instances) -> _Attempts:
        """Which of B instances are bounded. Orbits are found only where the rate of growth allows."""
        jobs = self._jobs(instances)
        rate = self._rates(jobs, instances)
        slow = np.asarray((rate < self.bank.config.max_rate).all(axis=1))
        if not slow.any():
            return _Attempts(instances, slow, rate, np.empty((*rate.shape, ORBIT_POINTS, 2), np.float32))
        points = self._orbits(jobs, instances, slow)
        return _Attempts(instances, slow & self._inside(points, instances).all(axis=1), rate, points)

    def _jobs(self, instances: Instances, damping: NDArray[np.float32] | None = None) -> Jobs:
        """Jobs of B instances at 20 native times."""
        times = native_times(self.bank, instances.class_id)
        seed = clip_seeds(self.bank, Field.FIT_SEED, instances.class_id, instances.instance_id)
        return jobs_at(self.bank, instances, times, damping, seed=seed)

    def _rates(self, jobs: Jobs, instances: Instances) -> NDArray[np.float32]:
        """Rates of growth at infinity (B, 20); -inf where a variation outgrows any map, so that rates say nothing."""
        frames = self.bank.native_frames[instances.class_id]
        rows = np.flatnonzero(is_native(frames))
        rate = growth(jobs, rows=rows, threads=self.threads).reshape(-1, MAX_FRAMES)
        rate[self.bank.have_trait(instances.class_id, "superlinear")] = -np.inf
        return _repeat_last(rate, frames)

    def _orbits(self, jobs: Jobs, instances: Instances, wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Orbits (B, 20, 1024, 2) of the clips that are `wanted` (B,); the others mean nothing."""
        frames = self.bank.native_frames[instances.class_id]
        rows = np.flatnonzero(is_native(frames) & wanted[:, None])
        points = orbit(jobs, ORBIT_POINTS, burn_in=SETTLING, rows=rows, threads=self.threads)
        return _repeat_last(points.reshape(-1, MAX_FRAMES, ORBIT_POINTS, 2), frames)

    def _inside(self, points: NDArray[np.float32], instances: Instances) -> NDArray[np.bool_]:
        """Whether enough of orbits (B, 20, 1024, 2) lies within the radius: (B, 20)."""
        config, shape = self.bank.config, points.shape
        near = share_within(points.reshape(-1, *shape[2:]), config.radius, threads=self.threads).reshape(shape[:2])
        far = self.bank.have_trait(instances.class_id, "unbounded")
        return np.asarray(near >= np.where(far, config.unbounded_inside, config.inside)[:, None])


def _rounds(attempts: int) -> list[Ints]:
    """Attempts that are made at once: most clips need one, and several at a time cost less than several rounds."""
    edges = [0, 1, min(3, attempts + 1), attempts + 1]
    return [np.arange(low, high) for low, high in pairwise(edges) if low < high]


def _put_rows(whole: Any, rows: Ints, part: Any, chosen: NDArray[Any]) -> None:
    """Copy the `chosen` rows of a dataclass of arrays to the rows `rows` of another."""
    for field in fields(whole):
        to, of = getattr(whole, field.name), getattr(part, field.name)
        if is_dataclass(to):
            _put_rows(to, rows, of, chosen)
        else:
            to[rows] = of[chosen]


def _repeat_last(values: NDArray[np.float32], frames: Ints) -> NDArray[np.float32]:
    """Values (B, 20, ...) where the one at the last of `frames` (B,) native times stands for all after it."""
    clip, time = np.nonzero(~is_native(frames))
    values[clip, time] = values[clip, frames[clip] - 1]
    return values
