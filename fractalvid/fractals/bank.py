"""A bank of K classes drawn from one seed: two keyframe systems each, variations, and curves between the keyframes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import (
    array_names,
    bank_line,
    check_draw,
    check_times,
    read_bank,
    reading,
    write_bank,
)
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.curves import CURVE_KINDS, sample_grid
from fractalvid.fractals.config import MAX_MAPS, ClassConfig
from fractalvid.fractals.ifs import compose
from fractalvid.fractals.sampling import sample_class
from fractalvid.kernels.jobs import Jobs
from fractalvid.kernels.variations import LINEAR, VARIATIONS, by_name
from fractalvid.utils.checks import check_instance, shown
from fractalvid.utils.errors import UserError

FORMAT = "fractalvid-classes-2"


@dataclass(frozen=True, repr=False, eq=False)
class ClassBank:
    """K classes. Class c does not depend on K, so a larger bank of the same seed extends a smaller one.

    Attributes:
        seed: determines classes, instances and pixels.
        config: what they were drawn from.
        native_frames: int64 (K,), T of each class.
        num_maps: int64 (K,).
        variation: int32 (K, 8, V), numbers of `fractalvid.kernels.variations.VARIATIONS`, a map and summand.
        amount: float32 (K, 2, 8, V), their amounts at both keyframes, 0 where a map sums fewer than V.
        params: float32 (K, 2, 8, V, 4), their parameters at both keyframes.
        theta: float64 (K, 2, 8), outer rotation at both keyframes, radians; this and the following are padded with 0.
        phi: float64 (K, 2, 8), inner rotation.
        sigma: float64 (K, 2, 8, 2), singular values.
        signs: float64 (K, 8, 4), reflections.
        shift: float64 (K, 2, 8, 2).
        curve: float32 (K, S, 8), interpolation curves on the grid of `fractalvid.core.curves`, last value repeated.
        curve_kind: int8 (K, 8), indices into `fractalvid.core.curves.CURVE_KINDS`.
    """

    kind: ClassVar[str] = "ifs"
    seed: int
    config: ClassConfig
    native_frames: NDArray[np.int64]
    num_maps: NDArray[np.int64]
    variation: NDArray[np.int32]
    amount: NDArray[np.float32]
    params: NDArray[np.float32]
    theta: NDArray[np.float64]
    phi: NDArray[np.float64]
    sigma: NDArray[np.float64]
    signs: NDArray[np.float64]
    shift: NDArray[np.float64]
    curve: NDArray[np.float32]
    curve_kind: NDArray[np.int8]

    def __len__(self) -> int:
        """The number of classes K."""
        return len(self.native_frames)

    def __repr__(self) -> str:
        """One line, without the arrays."""
        return bank_line(self)

    @classmethod
    def sample(cls, num_classes: int, *, seed: int = 0, config: ClassConfig | None = None) -> "ClassBank":
        """Draw classes 0..num_classes - 1 of a seed.

        Raises:
            UserError: a number of classes that is not 1 to 1,000,000, or a seed that is not in 0..2⁶⁴-1.
        """
        check_draw(num_classes, seed)
        config = ClassConfig() if config is None else config
        check_instance("config", config, ClassConfig)
        rows = [sample_class(seed, c, config) for c in range(num_classes)]
        return cls(seed, config, **stacked(rows))

    def save(self, path: str | Path) -> None:
        """Write an npz file without pickles; it appears complete or not at all."""
        write_bank(path, self, file_format=FORMAT)

    @classmethod
    def load(cls, path: str | Path) -> "ClassBank":
        """Read a bank.

        Raises:
            UserError: no such file, not a bank, or one of another version.
        """
        with reading(path):
            seed, config, arrays = read_bank(
                path,
                kind=cls.kind,
                file_format=FORMAT,
                config_type=ClassConfig,
                like=lambda config: sample_class(0, 0, config),
                bounds=_BOUNDS,
            )
            bank = cls(seed, config, **arrays)
            _check_variations(bank, path)
            return bank

    def maps_at(self, class_ids: ArrayLike, times: ArrayLike) -> NDArray[np.float32]:
        """Affine coefficients of classes (B,) at times (B, F) in native frames: float32 (B, F, 8, 6).

        They are those of the classes themselves, without what an instance changes.
        """
        ids, at = self._checked(class_ids, times)
        share = sample_grid(self.curve[ids], at).astype(np.float64)
        signs = self.signs[ids][:, None]
        if self.config.interpolation == "decomposed":
            keys = self.theta, self.phi, self.sigma, self.shift
            theta, phi, sigma, shift = (_interpolated(key[ids], share) for key in keys)
            return compose(theta, phi, sigma, signs, shift).astype(np.float32)
        ends = compose(self.theta[ids], self.phi[ids], self.sigma[ids], signs, self.shift[ids])
        return _interpolated(ends, share).astype(np.float32)

    def variations_at(self, class_ids: ArrayLike, times: ArrayLike) -> dict[str, NDArray[Any]]:
        """What `Jobs.of` takes of the variations of classes (B,) at times (B, F), with leading axes (B, F)."""
        ids, at = self._checked(class_ids, times)
        if self.config.mix.plain:
            return {"variation": np.broadcast_to(self.variation[ids, 0, :1], at.shape)}
        share = sample_grid(self.curve[ids], at)
        number = self.variation[ids][:, None]
        return {
            "variation": np.broadcast_to(number, (*at.shape, *number.shape[2:])),
            "amount": _interpolated(self.amount[ids], share),
            "params": _interpolated(self.params[ids], share),
        }

    def have_trait(self, class_ids: ArrayLike, trait: str) -> NDArray[np.bool_]:
        """Which classes (B,) take a variation with a trait, the name of a flag of `kernels.variations.Variation`."""
        ids, _ = self._checked(class_ids)
        flagged = _variations_with(trait)[self.variation[ids]]
        if not flagged.any():  # so with the reference method's variations, and asked for at every attempt
            return np.zeros(ids.shape, np.bool_)
        return np.asarray((flagged & (self.amount[ids, 0] != 0)).any(axis=(1, 2)))

    def _checked(
        self, class_ids: ArrayLike, times: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ids (B,) of classes that there are, and times (B, F), or (1, F) for all of them."""
        ids = np.asarray(class_ids)
        if ids.ndim != 1 or (ids.size and (ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= len(self))):
            raise UserError(f"class_ids must be whole numbers (B,), 0 to {len(self) - 1}, got {shown(class_ids)}")
        ids = ids.astype(np.int64, copy=False)
        at = np.zeros((len(ids), 1)) if times is None else check_times(times, self.native_frames[ids], "class_ids")
        return ids, at


def stacked(classes: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a bank from the arrays of its classes, such as `sample_class` draws."""
    return {name: np.stack([arrays[name] for arrays in classes]) for name in _ARRAYS}


def _interpolated(keys: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    """Values between two keyframes (B, 2, 8, ...), as far from the first as shares (B, F, 8) say: (B, F, 8, ...)."""
    first, second = keys[:, 0][:, None], keys[:, 1][:, None]
    return np.asarray(first + share.reshape(*share.shape, *(1,) * (first.ndim - share.ndim)) * (second - first))


@cache
def _variations_with(trait: str) -> NDArray[np.bool_]:
    """Which variations have a trait, by their numbers."""
    return np.array(
        [number in VARIATIONS and getattr(VARIATIONS[number], trait) for number in range(max(VARIATIONS) + 1)]
    )


_ARRAYS = array_names(ClassBank)
MAX_VALUE = 1e4
"""Of what a file holds: no drawn system goes beyond it, and arithmetic would fail instead of showing nothing."""
_BOUNDS = {
    "native_frames": (2, MAX_FRAMES),
    "num_maps": (1, MAX_MAPS),
    "variation": (min(VARIATIONS), max(VARIATIONS)),
    "sigma": (0, MAX_VALUE),
    "signs": (-1, 1),
    "curve_kind": (0, len(CURVE_KINDS) - 1),
} | dict.fromkeys(("amount", "params", "shift", "curve", "theta", "phi"), (-MAX_VALUE, MAX_VALUE))
_CHECKED = 2**16  # classes at a time, which bounds what a check takes in memory


def _check_variations(bank: ClassBank, path: str | Path) -> None:
    """Refuse variations of a file that its config does not name, or that kernels would not sum."""
    known = [LINEAR, *(by_name(name).number for name in bank.config.variations)]
    if not np.isin(bank.variation, known).all():
        raise UserError(f"{path} is damaged: variation is none of its config")
    for first in range(0, len(bank) if bank.variation.shape[2] > 1 else 0, _CHECKED):
        part = slice(first, first + _CHECKED)
        maps = np.zeros((len(bank.variation[part]), MAX_MAPS, 6), np.float32)
        amount = np.abs(bank.amount[part]).max(axis=1)
        weights = np.full((1, MAX_MAPS), 1 / MAX_MAPS)
        try:
            Jobs.of(maps, weights, seed=0, variation=bank.variation[part], amount=amount, params=bank.params[part, 0])
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from None
