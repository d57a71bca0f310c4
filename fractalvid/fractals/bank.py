"""Classes: two keyframe systems, a variation, and curves between them. A bank holds K of them, drawn from one seed."""

from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import KindName, array_names, check_arrays, check_draw, read_bank, reading, write_bank
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.curves import SUBFRAMES, sample_curves, sample_grid
from fractalvid.core.seeds import class_generator
from fractalvid.fractals.ifs import compose, sample_singular_values
from fractalvid.fractals.mix import PAPER_LINEAR_SHARE, PAPER_VARIATIONS, Mix
from fractalvid.kernels.variations import VARIATIONS
from fractalvid.utils.errors import UserError

FORMAT = "fractalvid-classes-2"
MAX_MAPS = 8
LARGEST = 1e6
"""Of settings with no limit of their own: more than any picture needs, and far from where float32 overflows."""


@dataclass(frozen=True)
class ClassConfig:
    """What classes and instances are drawn from; defaults are the reference method's (Svyezhentsev et al. 2025).

    Attributes:
        motion: "paper" mixes linear, sharp, spline and periodic curves; "linear" moves every map evenly.
        interpolation: "decomposed" interpolates rotations, singular values and shifts apart; "naive" the matrices,
            which collapses attractors in mid-clip and is kept for comparison.
        linear_share: share of classes without a non-linear variation.
        variations: names of the variations that the other classes take, equally often (`fractalvid.fractals.mix`).
        max_summed: most variations of a weighted sum, 1 to 3; how many is drawn for each choice.
        per_map: a choice for each map of a class, instead of one for all.
        min_maps: fewest maps of a system.
        max_maps: most maps of a system, at most 8.
        min_frames: fewest native frames of a clip.
        max_frames: most native frames of a clip, at most 20.
        constant_shift: probability that the maps' shifts stay still.
        instance_scale: an instance multiplies coefficients by curves in [1 - this, 1 + this]; 0 leaves classes alone.
        instance_offset: and adds a constant in [-this, this].
        max_rate: largest rate of growth at infinity an instance may have at any native time.
        radius: an orbit counts as bounded if `inside` of it lies within this distance of the origin.
        inside: that share.
        unbounded_inside: that share for variations that throw single points very far.
        attempts: how often an instance that is unbounded or broken is drawn again; then an unbounded one is damped.
        empty: a frame is nearly empty where the figure meets at most this share of a grid of 32² cells over the view.
        full: and nearly full where it meets more than this share; an even field meets 0.63 of them.
        broken: a clip is broken if this share of its native frames is nearly empty, or nearly full.
        still: or if less than this share of its orbit moves to other cells from a native time to the next, on average.
        tail: share of an orbit cut off on each side of the view, per axis and time.
        fence: for variations that throw single points very far, the view goes this many spans of the middle 80 % of
            the orbit beyond these, at most.
        margin: widening of the view on each side, as a share of its extent.
        equal_scales: keep the aspect of the plane instead of stretching the view to the frame.
        rows: the coordinate of the plane that rows of pixels follow; "x" as in pictures of the reference method's code.
    """

    motion: Literal["paper", "linear"] = "paper"
    interpolation: Literal["decomposed", "naive"] = "decomposed"
    linear_share: float = PAPER_LINEAR_SHARE
    variations: tuple[str, ...] = PAPER_VARIATIONS
    max_summed: int = 1
    per_map: bool = False
    min_maps: int = 3
    max_maps: int = 8
    min_frames: int = 18
    max_frames: int = 20
    constant_shift: float = 0.2
    instance_scale: float = 0.4
    instance_offset: float = 0.2
    max_rate: float = -0.1
    radius: float = 30.0
    inside: float = 0.975
    unbounded_inside: float = 0.75
    attempts: int = 8
    empty: float = 0.008
    full: float = 0.5
    broken: float = 0.8
    still: float = 0.01
    tail: float = 0.005
    fence: float = 0.4
    margin: float = 0.1
    equal_scales: bool = False
    rows: Literal["x", "y"] = "y"

    def __post_init__(self) -> None:
        """Refuse what no bank could be drawn from."""
        whole = [self.max_summed, self.min_maps, self.max_maps, self.min_frames, self.max_frames, self.attempts]
        ordered = all(isinstance(number, Integral) for number in whole)
        ordered = ordered and 2 <= self.min_maps <= self.max_maps <= MAX_MAPS
        ordered = ordered and 18 <= self.min_frames <= self.max_frames <= MAX_FRAMES
        parts = [self.linear_share, self.constant_shift, self.inside, self.unbounded_inside]
        parts += [self.empty, self.full, self.still]
        shares = all(0 <= p <= 1 for p in parts) and 0 < self.broken <= 1
        spread = 0 <= self.instance_scale < 1 and 0 <= self.instance_offset <= LARGEST
        fit = 0 <= self.tail < 0.5 and all(0 <= widening <= LARGEST for widening in (self.fence, self.margin))
        fit = fit and 0 < self.radius <= LARGEST and abs(self.max_rate) <= LARGEST
        fit = fit and 0 <= self.attempts < 256
        if not (ordered and shares and spread and fit):
            raise UserError(f"impossible class configuration: {self}")
        if self.rows not in ("x", "y"):
            raise UserError(f"rows must be x or y, got {self.rows!r}")
        if self.motion not in ("paper", "linear") or self.interpolation not in ("decomposed", "naive"):
            raise UserError(f"unknown motion {self.motion!r} or interpolation {self.interpolation!r}")
        Mix(self.variations, self.max_summed, self.per_map)
        if not self.variations and self.linear_share < 1:
            raise UserError("no variations named, but linear_share is below 1")

    @cached_property
    def mix(self) -> Mix:
        """What the variations of the classes that are not linear are drawn from."""
        return Mix(self.variations, self.max_summed, self.per_map)


@dataclass(frozen=True)
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
        curve_kind: int8 (K, 8), indices into `fractalvid.core.curves.KINDS`.
    """

    kind: ClassVar[KindName] = "ifs"
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

    @classmethod
    def sample(cls, num_classes: int, *, seed: int, config: ClassConfig | None = None) -> "ClassBank":
        """Draw classes 0..num_classes - 1 of a seed."""
        check_draw(num_classes, seed)
        config = ClassConfig() if config is None else config
        rows = [_sample_class(seed, c, config) for c in range(num_classes)]
        return cls(seed, config, **{name: np.stack([row[name] for row in rows]) for name in _ARRAYS})

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
            seed, values, arrays = read_bank(path, kind=cls.kind, file_format=FORMAT, names=_ARRAYS)
            config = ClassConfig(**values)
            check_arrays(arrays, _sample_class(0, 0, config), _BOUNDS, path)
            return cls(seed, config, **arrays)

    def maps_at(self, class_ids: ArrayLike, times: ArrayLike) -> NDArray[np.float32]:
        """Affine coefficients of unmutated classes (B,) at times (B, F) in native frames: float32 (B, F, 8, 6)."""
        ids = np.asarray(class_ids, np.int64)
        s = sample_grid(self.curve[ids], times).astype(np.float64)

        def between(keys: NDArray[np.float64]) -> NDArray[np.float64]:
            first, second = keys[ids, 0][:, None], keys[ids, 1][:, None]
            return np.asarray(first + s.reshape(*s.shape, *(1,) * (first.ndim - s.ndim)) * (second - first))

        signs = self.signs[ids][:, None]
        if self.config.interpolation == "decomposed":
            maps = compose(between(self.theta), between(self.phi), between(self.sigma), signs, between(self.shift))
        else:
            ends = compose(self.theta[ids], self.phi[ids], self.sigma[ids], signs, self.shift[ids])
            maps = ends[:, :1] + s[..., None] * (ends[:, 1:] - ends[:, :1])
        return maps.astype(np.float32)

    def variations_at(self, class_ids: ArrayLike, times: ArrayLike) -> dict[str, NDArray[Any]]:
        """What `Jobs.of` takes of the variations of classes (B,) at times (B, F), with leading axes (B, F)."""
        ids, at = np.asarray(class_ids, np.int64), np.asarray(times, np.float64)
        if self.config.mix.plain:
            return {"variation": np.broadcast_to(self.variation[ids, 0, :1], at.shape)}
        s = sample_grid(self.curve[ids], at)[..., None]

        def between(keys: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
            first, second = keys[ids, 0][:, None], keys[ids, 1][:, None]
            return np.asarray(first + share * (second - first))

        number = self.variation[ids][:, None]
        return {
            "variation": np.broadcast_to(number, (*at.shape, *number.shape[2:])),
            "amount": between(self.amount, s),
            "params": between(self.params, s[..., None]),
        }

    def takes(self, class_ids: ArrayLike, trait: str) -> NDArray[np.bool_]:
        """Which classes (B,) take a variation with a trait, the name of a flag of `kernels.variations.Variation`."""
        ids = np.asarray(class_ids, np.int64)
        having = _having(trait)[self.variation[ids]]
        if not having.any():  # as with the reference method's variations, and asked for in every round
            return np.zeros(ids.shape, np.bool_)
        return np.asarray((having & (self.amount[ids, 0] != 0)).any(axis=(1, 2)))


@cache
def _having(trait: str) -> NDArray[np.bool_]:
    """Which variations have a trait, by their numbers."""
    return np.array(
        [number in VARIATIONS and getattr(VARIATIONS[number], trait) for number in range(max(VARIATIONS) + 1)]
    )


_ARRAYS = array_names(ClassBank)
_FAR = 1e4
"""Beyond it no system is, and arithmetic would fail rather than show nothing."""
_BOUNDS = {
    "native_frames": (2, MAX_FRAMES),
    "num_maps": (1, MAX_MAPS),
    "variation": (min(VARIATIONS), max(VARIATIONS)),
    "sigma": (0, _FAR),
} | dict.fromkeys(("amount", "params", "shift", "curve", "theta", "phi"), (-_FAR, _FAR))


def _sample_class(seed: int, class_id: int, config: ClassConfig) -> dict[str, Any]:
    """One class (reference method, section 3 of the paper), arrays padded to MAX_MAPS and MAX_FRAMES."""
    rng = class_generator(seed, class_id)
    n = int(rng.integers(config.min_maps, config.max_maps, endpoint=True))
    frames = int(rng.integers(config.min_frames, config.max_frames, endpoint=True))
    first = rng.uniform(0, 2 * np.pi, (2, n))
    second = first + rng.uniform(-np.pi, np.pi, (2, n))
    theta, phi = np.stack([first, second], axis=1)
    # Sorted by determinant at both keyframes: large maps meet large maps.
    sigma = np.stack([_sorted_by_area(sample_singular_values(n, rng)) for _ in range(2)])
    signs = rng.choice([-1.0, 1.0], (n, 4))
    shift = rng.uniform(-1, 1, (2, n, 2))
    if rng.random() < config.constant_shift:
        shift[1] = shift[0]
    linear = rng.random() < config.linear_share
    named = None if linear else str(rng.choice(config.variations))
    curve, kinds = sample_curves(n, frames, config.motion, rng)
    # Last, so that classes of one seed have the same maps and curves whatever their variations.
    chosen = config.mix.sample(named, n, rng)
    grid_size = SUBFRAMES * (MAX_FRAMES - 1) + 1
    return {
        "native_frames": np.int64(frames),
        "num_maps": np.int64(n),
        "variation": _padded(chosen["variation"], 0, MAX_MAPS),
        "amount": _padded(chosen["amount"], 1, MAX_MAPS),
        "params": _padded(chosen["params"], 1, MAX_MAPS),
        "theta": _padded(theta, 1, MAX_MAPS),
        "phi": _padded(phi, 1, MAX_MAPS),
        "sigma": _padded(sigma, 1, MAX_MAPS),
        "signs": _padded(signs, 0, MAX_MAPS),
        "shift": _padded(shift, 1, MAX_MAPS),
        "curve": _padded(np.pad(curve, ((0, grid_size - len(curve)), (0, 0)), mode="edge"), 1, MAX_MAPS),
        "curve_kind": _padded(kinds, 0, MAX_MAPS),
    }


def _sorted_by_area(sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    return sigma[np.argsort(-sigma.prod(axis=1), kind="stable")]


def _padded(array: NDArray[Any], axis: int, size: int) -> NDArray[Any]:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, size - array.shape[axis])
    return np.pad(array, widths)
