"""Perlin noise in space and time: a class is a set of frequencies, an instance a piece of another noise of that kind.

After Kataoka et al., "Spatiotemporal Initialization for 3D CNNs with Generated Motion Patterns" (WACV 2022).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels import drawing
from fractalvid.kernels.drawing import NoiseJobs
from fractalvid.textures.bank import TextureBank, TextureConfig, evenly, evenly_in_logarithm
from fractalvid.textures.instances import TextureInstances, draw_texture_instances
from fractalvid.textures.motion import TURN
from fractalvid.utils.checks import Range, check_integer
from fractalvid.utils.errors import UserError

MAX_OCTAVES = 8
_LATTICE = 256.0
"""Instances begin anywhere in so many lattice cells, on a lattice of their own."""


@dataclass(frozen=True)
class PerlinConfig(TextureConfig):
    """What classes of Perlin noise are drawn from: a value of each range is drawn a class.

    Attributes:
        frequency: lattice cells of the first octave across the view, for x and y each; even in the logarithm.
        time_frequency: lattice cells of the first octave a native frame; even in the logarithm.
        min_octaves: fewest octaves, each twice as fine as the one before.
        max_octaves: most octaves, at most 8.
        persistence: amplitude of each octave in that of the one before.
        drift: motion of the whole in a direction of the class, views a native frame.
        contrast: standard deviation of grey in [0, 1].
        variation: an instance multiplies its class's frequencies by up to 1 ± this.
    """

    limits: ClassVar[dict[str, Range]] = {
        "frequency": (0.1, 100.0),
        "time_frequency": (0.001, 2.0),
        "persistence": (0.0, 1.0),
        "drift": (0.0, 0.5),
        "contrast": (0.01, 1.0),
    }

    frequency: Range = (1.5, 12.0)
    time_frequency: Range = (0.03, 0.35)
    min_octaves: int = 1
    max_octaves: int = 4
    persistence: Range = (0.3, 0.8)
    drift: Range = (0.0, 0.03)
    contrast: Range = (0.12, 0.24)
    variation: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what no class could be drawn from."""
        super().__post_init__()
        check_integer("max_octaves", self.max_octaves, 1, MAX_OCTAVES)
        check_integer("min_octaves", self.min_octaves, 1, self.max_octaves)
        if not 0 <= self.variation < 1:
            raise UserError(f"variation must be at least 0 and below 1, got {self.variation}")


@dataclass(frozen=True, repr=False, eq=False)
class PerlinBank(TextureBank):
    """K classes of Perlin noise; arrays (K,) unless said otherwise, in the units of `PerlinConfig`.

    Attributes:
        frequency: float64 (K, 2), for x and y.
        drift: float64 (K, 2), along x and y.
    """

    kind: ClassVar[str] = "perlin"
    config_type: ClassVar[type[TextureConfig]] = PerlinConfig
    motion: ClassVar[tuple[str, ...]] = ("time_frequency", "drift")
    endless: ClassVar[bool] = True
    bounds: ClassVar[dict[str, Range]] = {
        "octaves": (1, MAX_OCTAVES),
        "frequency": (0.1, 100.0),
        "time_frequency": (0.001, 2.0),
    }

    frequency: NDArray[np.float64]
    time_frequency: NDArray[np.float64]
    octaves: NDArray[np.int64]
    persistence: NDArray[np.float64]
    drift: NDArray[np.float64]
    contrast: NDArray[np.float64]

    @classmethod
    def sample_class(cls, config: PerlinConfig, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a class."""
        direction = rng.uniform(0, TURN)
        return {
            "frequency": np.array([evenly_in_logarithm(rng, config.frequency) for _ in range(2)]),
            "time_frequency": evenly_in_logarithm(rng, config.time_frequency),
            "octaves": np.int64(rng.integers(config.min_octaves, config.max_octaves, endpoint=True)),
            "persistence": evenly(rng, config.persistence),
            "drift": evenly(rng, config.drift) * np.array([np.cos(direction), np.sin(direction)]),
            "contrast": evenly(rng, config.contrast),
        }

    def draw(self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> TextureInstances:
        """A lattice, a place on it, and slightly other frequencies."""
        return draw_texture_instances(self.seed, class_id, instance_id, figure=6, layers=1)

    def pictures(
        self,
        fit: TextureInstances,
        times: NDArray[np.float64],
        projection: NDArray[np.float64],
        *,
        size: tuple[int, int],
        indices: bool,
        threads: int | None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """See `TextureBank.pictures`; the palette index is the grey."""
        b, f = times.shape
        jobs = self.noise_at(fit, times, np.asarray(np.linalg.inv(projection), np.float64))
        grey = drawing.render_noise(jobs, size=size, threads=threads).reshape(b, f, *size)
        return grey, grey if indices else None

    def noise_at(self, drawn: TextureInstances, times: NDArray[np.float64], inverse: NDArray[np.float64]) -> NoiseJobs:
        """The noise of B clips at times (B, F) under inverse projections (B, F, 3, 3), B F jobs."""
        c = drawn.class_id
        changed = 1 + self.config.variation * (2 * drawn.figure[3:] - 1)
        frequency = self.frequency[c] * changed[:2].T
        # The picture drifts, so what is seen at a place comes from where the drift began.
        moved = frequency[:, None] * -self.drift[c][:, None] * times[..., None]
        passed = (self.time_frequency[c] * changed[2])[:, None] * times
        place = _LATTICE * drawn.figure[:3].T[:, None] + np.concatenate([moved, passed[..., None]], axis=-1)
        repeated = np.repeat(np.arange(len(c)), times.shape[1])
        return NoiseJobs(
            inverse=inverse.reshape(-1, 3, 3).astype(np.float32),
            frequency=frequency[repeated].astype(np.float32),
            place=place.reshape(-1, 3).astype(np.float32),
            octaves=self.octaves[c][repeated],
            persistence=self.persistence[c][repeated].astype(np.float32),
            contrast=self.contrast[c][repeated].astype(np.float32),
            seed=drawn.seeds[:, 0][repeated],
        )
