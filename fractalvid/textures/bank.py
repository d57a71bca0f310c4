"""Banks of drawn textures: what the kinds share, from ranges to files."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import array_names, bank_line, check_draw, read_bank, reading, write_bank
from fractalvid.core.constants import MAX_FRAMES, MIN_FRAMES
from fractalvid.core.seeds import class_generator
from fractalvid.utils.checks import Range, check_fields, check_instance, check_integer, check_range
from fractalvid.utils.errors import UserError

FORMAT = "fractalvid-textures-1"


@dataclass(frozen=True)
class TextureConfig:
    """What every kind's classes are drawn from.

    Attributes:
        min_frames: fewest native frames of a clip, at least 18.
        max_frames: most native frames of a clip, at most 20.
    """

    limits: ClassVar[dict[str, Range]] = {}
    """Smallest and largest value that each range of a kind may reach."""

    min_frames: int = 18
    max_frames: int = 20

    def __post_init__(self) -> None:
        """Refuse what no class could be drawn from."""
        check_fields(self)
        check_integer("max_frames", self.max_frames, MIN_FRAMES, MAX_FRAMES)
        check_integer("min_frames", self.min_frames, MIN_FRAMES, self.max_frames)
        for name, (least, most) in self.limits.items():
            check_range(name, getattr(self, name), least, most)

    def check_names(self, name: str, known: tuple[str, ...]) -> None:
        """Refuse a field that does not hold one or more of `known` names."""
        chosen = getattr(self, name)
        unknown = [one for one in chosen if one not in known]
        if unknown or not chosen:
            raise UserError(f"{name} must be some of {', '.join(known)}; got {', '.join(map(str, unknown)) or 'none'}")


@dataclass(frozen=True, repr=False, eq=False)
class TextureBank(ABC):
    """K classes of one kind. Class c does not depend on K, so a larger bank of the same seed extends a smaller one.

    A kind adds arrays of its own with a row for each class. It says how a class is drawn, what is random about an
    instance, and how pictures follow from that.

    Attributes:
        seed: determines classes, instances and pixels.
        config: what they were drawn from.
        native_frames: int64 (K,), T of each class.
    """

    kind: ClassVar[str]
    config_type: ClassVar[type[TextureConfig]]
    bounds: ClassVar[dict[str, Range]] = {}
    """Smallest and largest value of a file's arrays, for those with values that could not be drawn."""
    motion: ClassVar[tuple[str, ...]]
    """The arrays that say how its classes move; the others say what they look like."""
    endless: ClassVar[bool] = False
    """Its pictures cover the plane, without a figure that stands out."""

    seed: int
    config: Any
    native_frames: NDArray[np.int64]

    @classmethod
    @abstractmethod
    def sample_class(cls, config: Any, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a class of `frames` native frames: its row of each of the kind's own arrays."""

    @abstractmethod
    def draw(self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> Any:
        """The random part of instances (B,) of classes (B,), each a function of the bank and its own ids."""

    @abstractmethod
    def pictures(
        self,
        fit: Any,
        times: NDArray[np.float64],
        projection: NDArray[np.float64],
        *,
        size: tuple[int, int],
        indices: bool,
        threads: int | None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Grey pictures uint8 (B, F, H, W) and, if `indices`, palette indices likewise; a pure function.

        Args:
            fit: of `draw`, B clips.
            times: (B, F), in native frames.
            projection: (B, F, 3, 3), from the plane, whose view is [0, 1]², to pixels.
            size: H and W.
            indices: whether the pictures are to be coloured.
            threads: at most this many.
        """

    def __len__(self) -> int:
        """The number of classes K."""
        return len(self.native_frames)

    def __repr__(self) -> str:
        """One line, without the arrays."""
        return bank_line(self)

    @classmethod
    def sample(cls, num_classes: int, *, seed: int = 0, config: Any = None) -> Self:
        """Draw classes 0..num_classes - 1 of a seed.

        Raises:
            UserError: a number of classes that is not 1 to 1,000,000, or a seed that is not in 0..2⁶⁴-1.
        """
        check_draw(num_classes, seed)
        config = cls.config_type() if config is None else config
        check_instance("config", config, cls.config_type)
        rows = [_sample_row(cls, config, seed, c) for c in range(num_classes)]
        return cls(seed, config, **{name: np.stack([row[name] for row in rows]) for name in array_names(cls)})

    def save(self, path: str | Path) -> None:
        """Write an npz file without pickles; it appears complete or not at all."""
        write_bank(path, self, file_format=FORMAT)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a bank.

        Raises:
            UserError: no such file, not a bank, or one of another version or kind.
        """
        with reading(path):
            bounds = {"native_frames": (MIN_FRAMES, MAX_FRAMES)} | cls.bounds
            seed, config, arrays = read_bank(
                path,
                kind=cls.kind,
                file_format=FORMAT,
                config_type=cls.config_type,
                like=lambda config: _sample_row(cls, config, 0, 0),
                bounds=bounds,
            )
            return cls(seed, config, **arrays)


def _sample_row(bank_type: type[TextureBank], config: Any, seed: int, class_id: int) -> dict[str, Any]:
    rng = class_generator(seed, class_id)
    frames = int(rng.integers(config.min_frames, config.max_frames, endpoint=True))
    return {"native_frames": np.int64(frames)} | bank_type.sample_class(config, frames, rng)


def evenly(rng: np.random.Generator, between: Range) -> np.float64:
    """A uniform number of a range."""
    return np.float64(rng.uniform(*between))


def evenly_in_logarithm(rng: np.random.Generator, between: Range) -> np.float64:
    """A number of a range above 0, uniform in its logarithm."""
    value = np.exp(rng.uniform(*np.log(between)))
    return np.float64(min(max(value, between[0]), between[1]))  # the exponential may round past an end


def either_way(rng: np.random.Generator, between: Range) -> np.float64:
    """A uniform number of a range, or its negative."""
    return np.float64(rng.uniform(*between) * rng.choice((-1.0, 1.0)))
