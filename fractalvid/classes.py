"""Classes: two keyframe systems, a variation, and curves between them. A bank holds K of them, drawn from one seed."""

import dataclasses
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.draws import STREAM_VERSION
from fractalvid.errors import UserError
from fractalvid.files import write_with
from fractalvid.ifs import compose, sample_singular_values
from fractalvid.trajectory import SUBFRAMES, sample_curves, sample_grid
from kernels.variations import VARIATIONS, by_name

FORMAT = "fractalvid-classes-1"
MAX_CLASSES = 1_000_000
MAX_MAPS = 8
MAX_FRAMES = 20
PAPER_VARIATIONS = ("horseshoe", "bent", "fisheye", "popcorn", "cosine", "eyefish", "cylinder")


@dataclass(frozen=True)
class ClassConfig:
    """What classes and instances are drawn from; defaults are the reference method's (Svyezhentsev et al. 2025).

    Attributes:
        motion: "paper" mixes linear, sharp, spline and periodic curves; "linear" moves every map evenly.
        interpolation: "decomposed" interpolates rotations, singular values and shifts apart; "naive" the matrices,
            which collapses attractors in mid-clip and is kept for comparison.
        linear_share: share of classes without a non-linear variation.
        variations: names of the variations that the other classes take, one each.
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
        attempts: how often an unbounded instance is drawn again before it is damped.
        tail: share of an orbit cut off on each side of the view, per axis and time.
        margin: widening of the view on each side, as a share of its extent.
        equal_scales: keep the aspect of the plane instead of stretching the view to the frame.
    """

    motion: Literal["paper", "linear"] = "paper"
    interpolation: Literal["decomposed", "naive"] = "decomposed"
    linear_share: float = 0.5
    variations: tuple[str, ...] = PAPER_VARIATIONS
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
    attempts: int = 8
    tail: float = 0.005
    margin: float = 0.1
    equal_scales: bool = False

    def __post_init__(self) -> None:
        """Refuse what no bank could be drawn from."""
        ordered = (
            2 <= self.min_maps <= self.max_maps <= MAX_MAPS and 18 <= self.min_frames <= self.max_frames <= MAX_FRAMES
        )
        shares = all(0 <= p <= 1 for p in (self.linear_share, self.constant_shift, self.inside))
        spread = 0 <= self.instance_scale < 1 and self.instance_offset >= 0
        fit = 0 <= self.tail < 0.5 and self.margin >= 0 and self.radius > 0 and 0 <= self.attempts < 256
        if not (ordered and shares and spread and fit):
            raise UserError(f"impossible class configuration: {self}")
        if self.motion not in ("paper", "linear") or self.interpolation not in ("decomposed", "naive"):
            raise UserError(f"unknown motion {self.motion!r} or interpolation {self.interpolation!r}")
        for name in self.variations:
            try:
                by_name(name)
            except KeyError:
                raise UserError(f"unknown variation {name!r}") from None
        if not self.variations and self.linear_share < 1:
            raise UserError("no variations named, but linear_share is below 1")


@dataclass(frozen=True)
class ClassBank:
    """K classes. Class c does not depend on K, so a larger bank of the same seed extends a smaller one.

    Attributes:
        seed: determines classes, instances and pixels.
        config: what they were drawn from.
        native_frames: int64 (K,), T of each class.
        num_maps: int64 (K,).
        variation: int32 (K,), numbers of `kernels.variations.VARIATIONS`.
        theta: float64 (K, 2, 8), outer rotation at both keyframes, radians; this and the following are padded with 0.
        phi: float64 (K, 2, 8), inner rotation.
        sigma: float64 (K, 2, 8, 2), singular values.
        signs: float64 (K, 8, 4), reflections.
        shift: float64 (K, 2, 8, 2).
        curve: float32 (K, S, 8), interpolation curves on the grid of `fractalvid.trajectory`, last value repeated.
        curve_kind: int8 (K, 8), indices into `fractalvid.trajectory.KINDS`.
    """

    seed: int
    config: ClassConfig
    native_frames: NDArray[np.int64]
    num_maps: NDArray[np.int64]
    variation: NDArray[np.int32]
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
        if not 1 <= num_classes <= MAX_CLASSES:
            raise UserError(f"the number of classes must be 1 to {MAX_CLASSES}, got {num_classes}")
        if not 0 <= seed < 2**64:
            raise UserError(f"seed must be in 0..2**64 - 1, got {seed}")
        config = ClassConfig() if config is None else config
        rows = [_sample_class(seed, c, config) for c in range(num_classes)]
        return cls(seed, config, **{name: np.stack([row[name] for row in rows]) for name in _ARRAYS})

    def save(self, path: str | Path) -> None:
        """Write an npz file without pickles; it appears complete or not at all."""
        header = json.dumps(
            {
                "format": FORMAT,
                "stream_version": STREAM_VERSION,
                "seed": self.seed,
                "config": dataclasses.asdict(self.config),
            }
        )
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {target.parent}: {error.strerror}") from error
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        write_with(target, lambda file: np.savez_compressed(file, header=np.array(header), **arrays))

    @classmethod
    def load(cls, path: str | Path) -> "ClassBank":
        """Read a bank.

        Raises:
            UserError: no such file, not a bank, or one of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                if header["format"] != FORMAT or header["stream_version"] != STREAM_VERSION:
                    raise UserError(
                        f"{path} was written by another version (format {header['format']}, stream version "
                        f"{header['stream_version']}; here {FORMAT}, {STREAM_VERSION}): sample it again from its seed"
                    )
                arrays = {name: file[name] for name in _ARRAYS}
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in header["config"].items()}
            return cls(int(header["seed"]), ClassConfig(**values), **_checked(arrays, path))
        except FileNotFoundError:
            raise UserError(
                f"no class bank at {path}; fractalvid classes --classes 1000 --out {path} makes one"
            ) from None
        except _UNREADABLE as error:
            raise UserError(
                f"{path} is not a class bank of fractalvid, or is damaged ({type(error).__name__})"
            ) from None

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


_UNREADABLE = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What reading a file that is no bank, or a damaged one, may raise."""
_ARRAYS = tuple(f.name for f in dataclasses.fields(ClassBank) if f.name not in ("seed", "config"))


def _sample_class(seed: int, class_id: int, config: ClassConfig) -> dict[str, Any]:
    """One class (reference method, section 3 of the paper), arrays padded to MAX_MAPS and MAX_FRAMES."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(class_id,))))
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
    variation = by_name("linear" if linear else str(rng.choice(config.variations))).number
    curve, kinds = sample_curves(n, frames, config.motion, rng)
    grid_size = SUBFRAMES * (MAX_FRAMES - 1) + 1
    return {
        "native_frames": np.int64(frames),
        "num_maps": np.int64(n),
        "variation": np.int32(variation),
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


def _checked(arrays: dict[str, NDArray[Any]], path: str | Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file if they could be a bank's."""
    like = _sample_class(0, 0, ClassConfig())
    k = len(arrays["native_frames"]) if arrays["native_frames"].ndim == 1 else 0
    for name, one in like.items():
        if k < 1 or arrays[name].shape != (k, *np.shape(one)) or arrays[name].dtype != np.asarray(one).dtype:
            raise UserError(f"{path} is damaged: {name} has shape {arrays[name].shape}, type {arrays[name].dtype}")
        if not np.all(np.isfinite(arrays[name])):
            raise UserError(f"{path} is damaged: {name} is not finite")
    frames, maps = arrays["native_frames"], arrays["num_maps"]
    known = np.isin(arrays["variation"], list(VARIATIONS)).all()
    if not (known and np.all((frames >= 2) & (frames <= MAX_FRAMES)) and np.all((maps >= 1) & (maps <= MAX_MAPS))):
        raise UserError(f"{path} is damaged: lengths, maps or variations out of range")
    return arrays
