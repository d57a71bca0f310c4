"""Moving dead leaves: the plane covered by ellipses and polygons that hide each other, their sizes by a power law.

The model of images is Matheron's; Lee, Mumford & Huang ("Occlusion models for natural images", IJCV 2001) found that an
exponent near 3 gives the statistics of natural images at all scales. Here every leaf moves, turns and sways.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.drawing import TEXTURES, Layers
from fractalvid.textures.bank import TextureConfig, either_way, evenly, evenly_in_logarithm
from fractalvid.textures.instances import TextureInstances
from fractalvid.textures.motion import TURN, heading, placed
from fractalvid.textures.outlined import OUTLINED_BOUNDS, OUTLINED_LIMITS, OutlinedBank
from fractalvid.textures.styles import Texture, sample_style
from fractalvid.utils.checks import Range, check_integer
from fractalvid.utils.errors import UserError

Floats = NDArray[np.float64]

SIDES = {"ellipse": 0, "triangle": 3, "quadrilateral": 4, "pentagon": 5, "hexagon": 6}
MAX_LEAVES = 1024
PERIOD = 1.25
"""Leaves repeat that often, both ways, so the plane is covered without end; more than the view, lest it shows."""
DARKEST = 0.15


class _Numbers(NamedTuple):
    """Random numbers (B, L) in [0, 1) of each layer, in their order."""

    x: Floats
    y: Floats
    heading: Floats
    pace: Floats
    angle: Floats
    size: Floats
    outline: Floats
    sway_x_phase: Floats
    sway_y_phase: Floats


@dataclass(frozen=True)
class DeadLeavesConfig(TextureConfig):
    """What classes of dead leaves are drawn from: a value of each range is drawn a class.

    Attributes:
        leaves: outlines to choose from; a class has one or two of them.
        textures: textures to choose from, one a class.
        smallest: least radius of leaves, as a share of the view; even in the logarithm.
        largest: largest radius.
        exponent: n of the radii's density r^-n between them.
        aspect: width of leaves to their length.
        cover: how many leaves lie over a point on average, which gives their number.
        max_leaves: most leaves, at most 1024.
        irregularity: how far corners stray from those of regular polygons, 0 to 1.
        wavelength: of textures, as a share of the view; even in the logarithm.
        contrast: how far below a leaf's bright tone its dark one lies, as a share of it.
        speed: views a native frame.
        coherence: 1 if all leaves of a clip drift in one direction, 0 if in any.
        parallax: by how much the nearest leaves are faster and the farthest slower, as a share of the speed.
        spin: turning, radians a native frame, to either side.
        sway: amplitude of swinging about the path, as a share of the view.
        beat: its frequency, radians a native frame.
    """

    limits: ClassVar[dict[str, Range]] = OUTLINED_LIMITS | {
        "smallest": (0.005, 0.5),
        "largest": (0.005, 1.0),
        "exponent": (0.0, 6.0),
        "aspect": (0.05, 1.0),
        "cover": (0.1, 20.0),
        "parallax": (0.0, 1.0),
        "sway": (0.0, 0.5),
    }

    leaves: tuple[Literal["ellipse", "triangle", "quadrilateral", "pentagon", "hexagon"], ...] = (
        *("ellipse", "triangle", "quadrilateral"),
        *("pentagon", "hexagon"),
    )
    textures: tuple[Texture, ...] = TEXTURES  # type: ignore[assignment]
    smallest: Range = (0.04, 0.1)
    largest: Range = (0.2, 0.45)
    exponent: Range = (2.5, 3.5)
    aspect: Range = (0.4, 1.0)
    cover: Range = (2.5, 3.5)
    max_leaves: int = 512
    irregularity: Range = (0.0, 1.0)
    wavelength: Range = (0.05, 0.25)
    contrast: Range = (0.2, 0.7)
    speed: Range = (0.003, 0.03)
    coherence: Range = (0.0, 1.0)
    parallax: Range = (0.0, 1.0)
    spin: Range = (0.0, 0.2)
    sway: Range = (0.0, 0.05)
    beat: Range = (0.2, 0.9)

    def __post_init__(self) -> None:
        """Refuse what no class could be drawn from."""
        super().__post_init__()
        self.check_names("leaves", tuple(SIDES))
        self.check_names("textures", TEXTURES)
        if self.smallest[1] > self.largest[0]:
            raise UserError(f"smallest must end below largest, got {self.smallest} and {self.largest}")
        check_integer("max_leaves", self.max_leaves, 1, MAX_LEAVES)


@dataclass(frozen=True, repr=False, eq=False)
class DeadLeavesBank(OutlinedBank):
    """K classes of dead leaves; arrays (K,) unless said otherwise, in the units of `DeadLeavesConfig`.

    Attributes:
        sides: int64 (K, 2), corners of the one or two outlines, 0 for ellipses.
        texture: int64, index into `fractalvid.kernels.drawing.TEXTURES`.
        count: int64, number of leaves.
    """

    kind: ClassVar[str] = "dead_leaves"
    config_type: ClassVar[type[TextureConfig]] = DeadLeavesConfig
    motion: ClassVar[tuple[str, ...]] = ("speed", "coherence", "parallax", "spin", "sway", "beat")
    endless: ClassVar[bool] = True
    bounds: ClassVar[dict[str, Range]] = OUTLINED_BOUNDS | {
        "sides": (0, 6),
        "count": (1, MAX_LEAVES),
        "smallest": (0.005, 0.5),
        "largest": (0.005, 1.0),
    }
    clip_numbers: ClassVar[int] = 3
    place_numbers: ClassVar[int] = len(_Numbers._fields)
    max_corners: ClassVar[int] = 6

    sides: NDArray[np.int64]
    count: NDArray[np.int64]
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]
    exponent: NDArray[np.float64]
    aspect: NDArray[np.float64]
    irregularity: NDArray[np.float64]
    texture: NDArray[np.int64]
    wavelength: NDArray[np.float64]
    contrast: NDArray[np.float64]
    speed: NDArray[np.float64]
    coherence: NDArray[np.float64]
    parallax: NDArray[np.float64]
    spin: NDArray[np.float64]
    sway: NDArray[np.float64]
    beat: NDArray[np.float64]

    @classmethod
    def sample_class(cls, config: DeadLeavesConfig, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a class."""
        low, high = evenly_in_logarithm(rng, config.smallest), evenly_in_logarithm(rng, config.largest)
        exponent, aspect = evenly(rng, config.exponent), evenly(rng, config.aspect)
        share = (np.arange(1000) + 0.5) / 1000
        sides = np.array([SIDES[str(rng.choice(config.leaves))] for _ in range(2)], np.int64)
        area = np.mean(unit_area(sides)) * aspect * np.mean(power_law(share, low, high, exponent) ** 2)
        return {
            "sides": sides,
            "count": np.int64(np.clip(np.rint(evenly(rng, config.cover) * PERIOD**2 / area), 1, config.max_leaves)),
            "smallest": low,
            "largest": high,
            "exponent": exponent,
            "aspect": aspect,
            "irregularity": evenly(rng, config.irregularity),
            **sample_style(config, rng),
            "speed": evenly(rng, config.speed),
            "coherence": evenly(rng, config.coherence),
            "parallax": evenly(rng, config.parallax),
            "spin": either_way(rng, config.spin),
            "sway": evenly(rng, config.sway),
            "beat": evenly(rng, config.beat),
        }

    def layers_at(self, drawn: TextureInstances, times: NDArray[np.float64]) -> Layers:
        """The leaves of B clips at times (B, F); the first is the nearest."""
        u, c = _Numbers(*drawn.layers[: self.place_numbers]), drawn.class_id
        size = power_law(u.size, *(a[c][:, None] for a in (self.smallest, self.largest, self.exponent)))
        return self.outlined_layers(
            drawn,
            size=size,
            choice=u.outline,
            place=self._places(drawn, u, size, times),
            darkest=DARKEST,
            background=(DARKEST + (1 - DARKEST) * drawn.figure[1:]).T.astype(np.float32),
            period=PERIOD,
        )

    def _places(self, drawn: TextureInstances, numbers: _Numbers, size: Floats, times: Floats) -> NDArray[np.float32]:
        """Where the leaves (B, L) are at times (B, F): (B, F, L, 6)."""
        u = _Numbers(*(number[:, None] for number in numbers))
        c = drawn.class_id[:, None, None]
        t = times[:, :, None]
        direction = heading(drawn.figure[0][:, None, None], u.heading, self.coherence[c])
        depth = np.arange(size.shape[1]) / self.count[c]
        way = self.speed[c] * (0.8 + 0.4 * u.pace) * (1 + self.parallax[c] * (1 - 2 * depth)) * t
        beat = self.beat[c] * t
        return placed(
            PERIOD * u.x + way * np.cos(direction) + self.sway[c] * np.sin(beat + TURN * u.sway_x_phase),
            PERIOD * u.y + way * np.sin(direction) + self.sway[c] * np.sin(beat + TURN * u.sway_y_phase),
            TURN * u.angle + self.spin[c] * t,
            size[:, None],
            self.aspect[c],
            np.zeros(1),
        )


def unit_area(sides: NDArray[np.int64]) -> NDArray[np.float64]:
    """Areas of regular polygons in the unit circle, and of the circle for 0."""
    return np.where(sides == 0, np.pi, 0.5 * sides * np.sin(TURN / np.maximum(sides, 1)))


def power_law(
    share: NDArray[np.float64], low: Any, high: Any, exponent: NDArray[np.float64] | np.float64
) -> NDArray[np.float64]:
    """Radii of density r^-n in [low, high] at shares in [0, 1] of their distribution; n = 1 is taken as nearly that."""
    power = 1 - np.where(np.abs(exponent - 1) < 1e-6, 1 + 1e-6, exponent)
    return np.asarray((low**power + share * (high**power - low**power)) ** (1 / power))
