"""A bank on the device: random numbers, instances and maps, by kernels and array code that CuPy and NumPy both run.

Its methods do what `fractals.bank`, `fractals.instances` and `fractals.ifs` do on the CPU, from the same counters:
random words are equal to the bit, and what follows from them is equal but for rounding.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.colour import map_colours
from fractalvid.core.curves import SUBFRAMES
from fractalvid.core.seeds import Domain, Field, purpose, seeds64
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import MAX_MAPS
from fractalvid.fractals.instances import spline_table
from fractalvid.gpu import jobs
from fractalvid.gpu.jobs import GridTimes
from fractalvid.kernels.compiled import seed_words, uniform
from fractalvid.kernels.cuda.device import Array, Device, uploaded
from fractalvid.kernels.cuda.game import CompiledVariations
from fractalvid.kernels.jobs import SUMMED, fused_variation


@dataclass(frozen=True)
class DeviceInstances:
    """The random part of B instances, see `fractalvid.fractals.instances.Instances`; all arrays are the device's."""

    class_id: Array
    instance_id: Array
    factor: Array
    offset: Array


class DeviceBank:
    """A bank's arrays on a device, by class (K, ...).

    Attributes:
        array: the arrays of `ClassBank`, by name.
        far: bool (K,), which classes take variations that throw single points very far.
        any_far: whether there are such classes.
        silent: bool (K,), which classes take variations whose growth at infinity says nothing.
        inside: float64 (K,), which share of an orbit must lie within the radius.
    """

    def __init__(self, device: Device, bank: ClassBank) -> None:
        """Copy the arrays."""
        xp = device.xp
        self.device, self.xp, self.bank, self.config = device, xp, bank, bank.config
        names = ("native_frames", "num_maps", "variation", "amount", "params", "signs", "curve")
        # Kernels take C order only. Both libraries keep whatever order an array has.
        self.array: dict[str, Array] = {name: xp.asarray(np.ascontiguousarray(getattr(bank, name))) for name in names}
        # Rotations, singular values and shifts side by side, so that one kernel interpolates them all.
        angles = [bank.theta[..., None], bank.phi[..., None]]
        self._keys = xp.asarray(np.concatenate([*angles, bank.sigma, bank.shift], axis=-1))
        self._key = xp.asarray(seed_words(bank.seed))
        self._spline = xp.asarray(spline_table())
        everyone = np.arange(len(bank))
        far = bank.have_trait(everyone, "unbounded")
        self.any_far = bool(far.any())
        self.far, self.silent = xp.asarray(far), xp.asarray(bank.have_trait(everyone, "superlinear"))
        self.inside = xp.asarray(np.where(far, bank.config.unbounded_inside, bank.config.inside))

    @cached_property
    def colours(self) -> Array:
        """The colour of each map of each class, float32 (K, 8)."""
        bank = self.bank
        return self.xp.asarray(map_colours(bank.seed, np.arange(len(bank)), bank.num_maps, MAX_MAPS))

    @cached_property
    def fused(self) -> Array:
        """`fused_variation` of each class's jobs, int32 (K,): the same at all times, or at some they are summed."""
        return self.xp.asarray(self._fused)

    @cached_property
    def _fused(self) -> NDArray[np.int32]:
        bank = self.bank
        first, last = (fused_variation(bank.variation, bank.amount[:, keyframe], self._exists) for keyframe in (0, 1))
        return np.where(first == last, first, SUMMED).astype(np.int32)

    @property
    def _exists(self) -> NDArray[np.bool_]:
        """Which maps each class has, (K, 8)."""
        return np.asarray(np.arange(MAX_MAPS) < self.bank.num_maps[:, None])

    @cached_property
    def variations(self) -> CompiledVariations:
        """The variations of all classes, as modules are compiled for them: once for a bank."""
        bank, summed = self.bank, self._fused == SUMMED
        used = (bank.amount != 0).any(axis=1) & self._exists[..., None]
        numbers = np.unique(bank.variation[summed][used[summed]])
        return CompiledVariations(tuple(np.unique(self._fused[~summed]).tolist()), tuple(numbers.tolist()))

    def words(
        self, domain: Domain, field: Field, a: Array, b: Array, count: int, attempt: Array | None = None
    ) -> Array:
        """`fractalvid.core.seeds.words` under the bank's seed: uint32 (B, count)."""
        return jobs.words(self.device, self._key, purpose(domain, field), a, b, -(-count // 4), attempt)[:, :count]

    def uniforms(self, field: Field, a: Array, b: Array, count: int) -> Array:
        """Uniform float32 (B, count) in [0, 1) for instances `a` of classes `b`."""
        drawn = self.words(Domain.INSTANCE, field, a, b, count)
        return uniform(drawn)

    def seeds(self, field: Field, instance_id: Array, class_id: Array) -> Array:
        """Seeds uint64 (B,) of the domain PIXELS."""
        return seeds64(self.words(Domain.PIXELS, field, instance_id, class_id, 2))

    def draw_instances(self, class_id: Array, instance_id: Array, attempt: Array) -> DeviceInstances:
        """`fractalvid.fractals.instances.draw_instances`."""
        fields = Field.KNOT_COUNT, Field.KNOTS, Field.OFFSETS
        count, knots, offsets = (
            self.words(Domain.INSTANCE, field, instance_id, class_id, number, attempt)
            for field, number in zip(fields, jobs.WORDS, strict=True)
        )
        factor, offset = jobs.instances(
            self.device,
            knot_count=count,
            knots=knots,
            offsets=offsets,
            class_id=class_id,
            frames=self.array["native_frames"],
            splines=self._spline,
            scale=self.config.instance_scale,
            shift=self.config.instance_offset,
        )
        return DeviceInstances(class_id, instance_id, factor, offset)

    def grid_times(self, times: ArrayLike) -> GridTimes:
        """Times (B, F) in native frames, which are in the host's memory, on the grid of curves."""
        at = np.asarray(times, np.float64)
        position = at * SUBFRAMES
        left = np.clip(position.astype(np.int64), 0, self.array["curve"].shape[1] - 2)
        share = (position - left).astype(np.float32)
        return GridTimes(*uploaded(self.xp, at, left, left + 1, share, 1 - share))

    def class_maps(self, class_id: Array, at: GridTimes) -> Array:
        """`ClassBank.maps_at`: float32 (B, F, 8, 6)."""
        keys = self._keys, self.array["signs"], self.array["curve"]
        naive = self.config.interpolation == "naive"
        return jobs.class_maps(self.device, *keys, class_id, at, naive=naive)

    def instance_maps(
        self, maps: Array, class_id: Array, instances: DeviceInstances, at: GridTimes, damping: Array | None = None
    ) -> tuple[Array, Array]:
        """Maps (A B, F, 8, 6) and weights (A B, F, 8) of A instances a clip, see `fractalvid.gpu.jobs`.

        They come from maps (B, F, 8, 6) of the clips' classes (B,), and are damped where a damping (B, 20) is given.
        """
        tables = self.array["num_maps"], instances.factor, instances.offset
        return jobs.instance_maps(self.device, maps, class_id, *tables, at, damping=damping)

    def variations_at(self, class_id: Array, at: GridTimes) -> dict[str, Array]:
        """The fields variation, amount and params of `kernels.Jobs`, with leading axes (B, F)."""
        xp, shape = self.xp, at.times.shape
        if self.config.mix.plain:
            number = self.array["variation"][class_id][:, None, :, :1]
            return {
                "variation": xp.broadcast_to(number, (*shape, MAX_MAPS, 1)),
                "amount": xp.ones((*shape, MAX_MAPS, 1), np.float32),
                "params": xp.zeros((*shape, MAX_MAPS, 1, 4), np.float32),
            }
        row, curve = class_id[:, None], self.array["curve"]
        share = curve[row, at.left] * at.rest[..., None] + curve[row, at.right] * at.share[..., None]
        share = share[..., None]

        def between(name: str, s: Array) -> Array:
            keys = self.array[name][class_id]
            return keys[:, :1] + s * (keys[:, 1:] - keys[:, :1])

        number = self.array["variation"][class_id][:, None]
        return {
            "variation": xp.broadcast_to(number, (*shape, *number.shape[2:])),
            "amount": between("amount", share),
            "params": between("params", share[..., None]),
        }
