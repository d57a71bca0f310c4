"""A bank on the device: random numbers, instances and maps, in array code that CuPy and NumPy both run.

The same functions as `fractalvid.instances`, `classes` and `ifs` have for the CPU, from the same counters: random words
are equal to the bit, what follows from them to rounding.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fractalvid.classes import MAX_MAPS, ClassBank
from fractalvid.colour import map_colours
from fractalvid.draws import Domain, Field
from fractalvid.ifs import WEIGHT_FLOOR, compose
from fractalvid.instances import COEFFICIENTS, MAX_KNOTS, MIN_KNOTS, _splines
from fractalvid.trajectory import SUBFRAMES
from kernels import launch
from kernels.launch import Array, Device, Taken
from kernels.random import UNIT, seed_words


@dataclass(frozen=True)
class DeviceInstances:
    """The random part of B instances, see `fractalvid.instances.Instances`; all arrays are the device's."""

    class_id: Array
    instance_id: Array
    factor: Array
    offset: Array


class Moments(NamedTuple):
    """Times (B, F) of clips, and where they lie: all that follows from them alone, in one copy to the device.

    Attributes:
        times: float64, in native frames.
        left: int64, the sample of a curve before each.
        right: int64, the one after it.
        share: float32, how far it is from the one to the other.
        rest: float32, 1 - share.
    """

    times: Array
    left: Array
    right: Array
    share: Array
    rest: Array


class DeviceBank:
    """A bank's arrays on a device, by class (K, ...).

    Attributes:
        array: those of `ClassBank`, by name.
        far: bool (K,), variations that throw single points very far; `any_far`, whether there are any.
        silent: bool (K,), variations whose growth at infinity says nothing.
        inside: float64 (K,), which share of an orbit must lie within the radius.
    """

    def __init__(self, device: Device, bank: ClassBank) -> None:
        """Copy the arrays."""
        xp = device.xp
        self.device, self.xp, self.bank, self.config = device, xp, bank, bank.config
        names = ("native_frames", "variation", "amount", "params", "signs", "curve")
        self.array: dict[str, Array] = {name: xp.asarray(getattr(bank, name)) for name in names}
        # Rotations, singular values and shifts side by side: what is between two of them is found in one go.
        angles = [bank.theta[..., None], bank.phi[..., None]]
        self._keys = xp.asarray(np.concatenate([*angles, bank.sigma, bank.shift], axis=-1))
        self._real = xp.asarray(np.arange(MAX_MAPS) < bank.num_maps[:, None])
        self._key = xp.asarray(seed_words(bank.seed))
        self._spline = xp.asarray(_splines())
        everyone = np.arange(len(bank))
        far = bank.takes(everyone, "unbounded")
        self.any_far = bool(far.any())
        self.far, self.silent = xp.asarray(far), xp.asarray(bank.takes(everyone, "superlinear"))
        self.inside = xp.asarray(np.where(far, bank.config.unbounded_inside, bank.config.inside))

    @cached_property
    def colours(self) -> Array:
        """The colour of each map of each class, float32 (K, 8)."""
        bank = self.bank
        return self.xp.asarray(map_colours(bank.seed, np.arange(len(bank)), bank.num_maps, MAX_MAPS))

    @cached_property
    def takes(self) -> Taken:
        """The variations of all classes, as modules are compiled for them: once for a bank."""
        bank = self.bank
        if bank.config.mix.plain:
            return Taken(tuple(np.unique(bank.variation[:, 0, 0]).tolist()))
        real = np.arange(MAX_MAPS) < bank.num_maps[:, None]
        used = (bank.amount != 0).any(axis=1) & real[..., None]
        first = bank.variation[:, :1, :1]
        alone = (used[..., 0] & ~used[..., 1:].any(axis=2) & (bank.variation[..., 0] == first[..., 0])) | ~real
        alone &= (bank.amount[..., 0] == 1).all(axis=1) | ~real
        fused = alone.all(axis=1)
        numbers = np.unique(bank.variation[~fused][used[~fused]])
        return Taken(tuple(np.unique(first[fused]).tolist()), tuple(numbers.tolist()))

    def words(
        self, domain: Domain, field: Field, a: Array, b: Array, count: int, attempt: Array | None = None
    ) -> Array:
        """`fractalvid.draws.words` under the bank's seed: uint32 (B, count)."""
        what = int(domain) << 24 | int(field) << 8
        return launch.words(self.device, self._key, what, a, b, -(-count // 4), attempt)[:, :count]

    def uniforms(self, field: Field, a: Array, b: Array, count: int, attempt: Array | None = None) -> Array:
        """Uniform float32 (B, count) in [0, 1) for instances `a` of classes `b`."""
        drawn = self.words(Domain.INSTANCE, field, a, b, count, attempt)
        return (drawn >> np.uint32(8)).astype(np.float32) * UNIT

    def seeds(self, field: Field, instance_id: Array, class_id: Array) -> Array:
        """Seeds uint64 (B,) of the domain PIXELS."""
        two = self.words(Domain.PIXELS, field, instance_id, class_id, 2).astype(np.uint64)
        return two[:, 0] | (two[:, 1] << np.uint64(32))

    def draw_instances(self, class_id: Array, instance_id: Array, attempt: Array) -> DeviceInstances:
        """`fractalvid.instances.draw_instances`."""
        xp, config = self.xp, self.config

        def numbers(field: Field, count: int) -> Array:
            return self.uniforms(field, instance_id, class_id, count, attempt)

        span = MAX_KNOTS - MIN_KNOTS + 1
        count = xp.minimum((numbers(Field.KNOT_COUNT, 1)[:, 0].astype(np.float64) * span).astype(np.int64), span - 1)
        knots = numbers(Field.KNOTS, MAX_KNOTS * COEFFICIENTS).reshape(-1, MAX_KNOTS, COEFFICIENTS)
        knots = 1 + np.float32(config.instance_scale) * (2 * knots - 1)
        offset = numbers(Field.OFFSETS, MAX_MAPS * COEFFICIENTS).reshape(-1, MAX_MAPS, COEFFICIENTS)
        splines = self._spline[self.array["native_frames"][class_id] - 1, count]
        return DeviceInstances(
            *(class_id, instance_id),
            factor=xp.matmul(splines, knots),
            offset=np.float32(config.instance_offset) * (2 * offset - 1),
        )

    def moments(self, times: ArrayLike) -> Moments:
        """Moments of times (B, F) in the host's memory."""
        at = np.asarray(times, np.float64)
        position = at * SUBFRAMES
        left = np.clip(position.astype(np.int64), 0, self.array["curve"].shape[1] - 2)
        share = (position - left).astype(np.float32)
        return Moments(*launch.uploaded(self.xp, at, left, left + 1, share, 1 - share))

    def maps_at(self, instances: DeviceInstances, at: Moments) -> Array:
        """`fractalvid.instances.maps_at`: float32 (B, F, 8, 6)."""
        return self.varied(self.class_maps(instances.class_id, at), instances, at)

    def varied(self, maps: Array, instances: DeviceInstances, at: Moments) -> Array:
        """Maps (A B, F, 8, 6) of A instances a clip, one after the other, from those of their classes (B, F, 8, 6)."""
        clips = len(at.times)
        curves = instances.factor.reshape(-1, clips, *instances.factor.shape[1:])
        factor = self._sampled(curves, self.xp.arange(clips), at)[..., None, :]
        offset = instances.offset.reshape(-1, clips, 1, MAX_MAPS, COEFFICIENTS)
        return self.xp.ascontiguousarray(maps * factor + offset).reshape(-1, *maps.shape[1:])

    def weights_at(self, class_id: Array, maps: Array) -> Array:
        """`fractalvid.ifs.map_weights`: float32 (B, F, 8) of maps (B, F, 8, 6)."""
        xp = self.xp
        size = xp.abs(maps[..., 0] * maps[..., 4] - maps[..., 1] * maps[..., 3])
        real = self._real[class_id][:, None]
        size = xp.where(real, size, np.float32(0))
        floor = np.float32(WEIGHT_FLOOR) * xp.maximum(size.max(axis=-1, keepdims=True), np.float32(1e-12))
        size = xp.maximum(size, floor) * real
        return (size / size.sum(axis=-1, keepdims=True)).astype(np.float32)

    def variations_at(self, class_id: Array, at: Moments) -> dict[str, Array]:
        """The fields variation, amount and params of `kernels.Jobs`, with leading axes (B, F)."""
        xp, shape = self.xp, at.times.shape
        if self.config.mix.plain:
            number = self.array["variation"][class_id][:, None, :, :1]
            return {
                "variation": xp.broadcast_to(number, (*shape, MAX_MAPS, 1)),
                "amount": xp.ones((*shape, MAX_MAPS, 1), np.float32),
                "params": xp.zeros((*shape, MAX_MAPS, 1, 4), np.float32),
            }
        share = self._sampled(self.array["curve"], class_id, at)[..., None]

        def between(name: str, s: Array) -> Array:
            keys = self.array[name][class_id]
            return keys[:, :1] + s * (keys[:, 1:] - keys[:, :1])

        number = self.array["variation"][class_id][:, None]
        return {
            "variation": xp.broadcast_to(number, (*shape, *number.shape[2:])),
            "amount": between("amount", share),
            "params": between("params", share[..., None]),
        }

    def _sampled(self, values: Array, rows: Array, at: Moments) -> Array:
        """`fractalvid.trajectory.sample_grid`: values (..., B, F, C) of the curves `rows` (B,) of (..., K, S, C)."""
        row = rows[:, None]
        before, after = values[..., row, at.left, :], values[..., row, at.right, :]
        return before * at.rest[..., None] + after * at.share[..., None]

    def class_maps(self, class_id: Array, at: Moments) -> Array:
        """`ClassBank.maps_at`: float32 (B, F, 8, 6)."""
        s = self._sampled(self.array["curve"], class_id, at).astype(np.float64)[..., None]
        keys, signs = self._keys[class_id], self.array["signs"][class_id][:, None]
        if self.config.interpolation == "decomposed":
            return self._composed(keys[:, :1] + s * (keys[:, 1:] - keys[:, :1]), signs).astype(np.float32)
        ends = self._composed(keys, signs)
        return (ends[:, :1] + s * (ends[:, 1:] - ends[:, :1])).astype(np.float32)

    def _composed(self, parts: Array, signs: Array) -> Array:
        """`fractalvid.ifs.compose` of rotations, singular values and shifts side by side (B, F, 8, 6)."""
        return compose(parts[..., 0], parts[..., 1], parts[..., 2:4], signs, parts[..., 4:6], xp=self.xp)
