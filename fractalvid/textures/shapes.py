"""Moving textured shapes, after Yu, Chen & Gandelsman, "Learning Video Representations without Natural Videos" (2024).

Circles, quadrilaterals and triangles fly through the view with constant acceleration, turn, swell and shear, and bounce
off its borders, so that none is lost. Their textures are procedural.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.drawing import TEXTURES, Layers
from fractalvid.textures.bank import TextureConfig, either_way, evenly, evenly_in_logarithm
from fractalvid.textures.instances import TextureInstances
from fractalvid.textures.motion import TURN, flight, heading, placed, reflect
from fractalvid.textures.outlined import OUTLINED_BOUNDS, OUTLINED_LIMITS, OutlinedBank
from fractalvid.textures.styles import Texture, sample_style
from fractalvid.utils.checks import Range, check_integer

Floats = NDArray[np.float64]

SIDES = {"circle": 0, "triangle": 3, "quadrilateral": 4}
MAX_SHAPES = 64
DARKEST = 0.4
"""Of the bright tones: shapes stand out from the black ground."""


class _Numbers(NamedTuple):
    """Random numbers (B, L) in [0, 1) of each layer, in their order."""

    x: Floats
    y: Floats
    heading: Floats
    pace: Floats
    angle: Floats
    size: Floats
    phase: Floats
    outline: Floats
    shear_phase: Floats


@dataclass(frozen=True)
class ShapesConfig(TextureConfig):
    """What classes of moving shapes are drawn from: a value of each range is drawn a class.

    The steps of that paper's progression are: static circles (`shapes=("circle",), textures=("flat",)`, and (0, 0) for
    speed, acceleration, spin, pulse and shear), then moving circles, moving shapes, transforms, acceleration, textures.

    Attributes:
        shapes: outlines to choose from; a class has one or two of them.
        textures: textures to choose from, one a class.
        size: typical radius, as a share of the view; even in the logarithm.
        spread: by how much radii vary in a clip: typical radius times or over up to this factor.
        fill: share of the view that the shapes would cover side by side, which gives their number.
        max_shapes: most shapes of a clip, at most 64.
        irregularity: how far corners stray from those of regular polygons, 0 to 1.
        wavelength: of textures, as a share of the view; even in the logarithm.
        contrast: how far below a shape's bright tone its dark one lies, as a share of it.
        speed: views a native frame.
        coherence: 1 if all shapes of a clip set out in one direction, 0 if in any.
        acceleration: views a native frame squared, at an angle to each shape's first direction that is the class's.
        spin: turning, radians a native frame, to either side.
        pulse: swelling and shrinking, as a share of the radius.
        shear: amplitude of the slant.
        beat: frequency of pulse and shear, radians a native frame.
    """

    limits: ClassVar[dict[str, Range]] = OUTLINED_LIMITS | {
        "size": (0.005, 1.0),
        "spread": (1.0, 10.0),
        "fill": (0.01, 10.0),
        "acceleration": (0.0, 0.1),
        "pulse": (0.0, 0.9),
        "shear": (0.0, 2.0),
    }

    shapes: tuple[Literal["circle", "triangle", "quadrilateral"], ...] = ("circle", "triangle", "quadrilateral")
    textures: tuple[Texture, ...] = TEXTURES  # type: ignore[assignment]
    size: Range = (0.05, 0.2)
    spread: Range = (1.0, 2.0)
    fill: Range = (0.3, 1.0)
    max_shapes: int = 48
    irregularity: Range = (0.0, 1.0)
    wavelength: Range = (0.05, 0.2)
    contrast: Range = (0.4, 0.9)
    speed: Range = (0.005, 0.035)
    coherence: Range = (0.0, 1.0)
    acceleration: Range = (0.0, 0.004)
    spin: Range = (0.0, 0.25)
    pulse: Range = (0.0, 0.4)
    shear: Range = (0.0, 0.8)
    beat: Range = (0.15, 0.9)

    def __post_init__(self) -> None:
        """Refuse what no class could be drawn from."""
        super().__post_init__()
        self.check_names("shapes", tuple(SIDES))
        self.check_names("textures", TEXTURES)
        check_integer("max_shapes", self.max_shapes, 1, MAX_SHAPES)


@dataclass(frozen=True, repr=False, eq=False)
class ShapesBank(OutlinedBank):
    """K classes of moving shapes; arrays (K,) unless said otherwise, in the units of `ShapesConfig`.

    Attributes:
        sides: int64 (K, 2), corners of the one or two outlines, 0 for circles.
        texture: int64, index into `fractalvid.kernels.drawing.TEXTURES`.
        count: int64, number of shapes.
        swerve: angle between acceleration and first direction, radians.
    """

    kind: ClassVar[str] = "shapes"
    config_type: ClassVar[type[TextureConfig]] = ShapesConfig
    motion: ClassVar[tuple[str, ...]] = (
        "speed",
        "coherence",
        "acceleration",
        "swerve",
        "spin",
        "pulse",
        "shear",
        "beat",
    )
    bounds: ClassVar[dict[str, Range]] = OUTLINED_BOUNDS | {
        "sides": (0, 4),
        "count": (1, MAX_SHAPES),
    }
    clip_numbers: ClassVar[int] = 1
    place_numbers: ClassVar[int] = len(_Numbers._fields)
    max_corners: ClassVar[int] = 4

    sides: NDArray[np.int64]
    count: NDArray[np.int64]
    size: NDArray[np.float64]
    spread: NDArray[np.float64]
    irregularity: NDArray[np.float64]
    texture: NDArray[np.int64]
    wavelength: NDArray[np.float64]
    contrast: NDArray[np.float64]
    speed: NDArray[np.float64]
    coherence: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    swerve: NDArray[np.float64]
    spin: NDArray[np.float64]
    pulse: NDArray[np.float64]
    shear: NDArray[np.float64]
    beat: NDArray[np.float64]

    @classmethod
    def sample_class(cls, config: ShapesConfig, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a class."""
        size = evenly_in_logarithm(rng, config.size)
        number = evenly(rng, config.fill) / (np.pi * size**2)
        return {
            "sides": np.array([SIDES[str(rng.choice(config.shapes))] for _ in range(2)], np.int64),
            "count": np.int64(np.clip(np.rint(number), 1, config.max_shapes)),
            "size": size,
            "spread": evenly(rng, config.spread),
            "irregularity": evenly(rng, config.irregularity),
            **sample_style(config, rng),
            "speed": evenly(rng, config.speed),
            "coherence": evenly(rng, config.coherence),
            "acceleration": evenly(rng, config.acceleration),
            "swerve": np.float64(rng.uniform(0, TURN)),
            "spin": either_way(rng, config.spin),
            "pulse": evenly(rng, config.pulse),
            "shear": evenly(rng, config.shear),
            "beat": evenly(rng, config.beat),
        }

    def layers_at(self, drawn: TextureInstances, times: NDArray[np.float64]) -> Layers:
        """The shapes of B clips at times (B, F)."""
        u, c = _Numbers(*drawn.layers[: self.place_numbers]), drawn.class_id
        spread = 2 * u.size - 1
        size = self.size[c][:, None] * np.exp(spread * np.log(self.spread[c])[:, None])
        return self.outlined_layers(
            drawn,
            size=size,
            choice=u.outline,
            place=self._places(drawn, u, size, times),
            darkest=DARKEST,
            background=np.zeros((len(c), 2), np.float32),
            period=0,
        )

    def _places(self, drawn: TextureInstances, numbers: _Numbers, size: Floats, times: Floats) -> NDArray[np.float32]:
        """Where the shapes (B, L) are at times (B, F): (B, F, L, 6)."""
        u = _Numbers(*(number[:, None] for number in numbers))
        c = drawn.class_id[:, None, None]
        # Counted from mid-clip: shapes that fly in one direction then crowd at a border half as much, at either end.
        t = (times - (self.native_frames[drawn.class_id, None] - 1) / 2)[:, :, None]
        direction = heading(drawn.figure[0][:, None, None], u.heading, self.coherence[c])
        speed = self.speed[c] * (0.7 + 0.6 * u.pace)
        pull = direction + self.swerve[c]
        force = self.acceleration[c]
        beat = self.beat[c] * t
        swell = 1 + self.pulse[c] * np.sin(beat + TURN * u.phase)
        return placed(
            reflect(flight(u.x, speed * np.cos(direction), force * np.cos(pull), t)),
            reflect(flight(u.y, speed * np.sin(direction), force * np.sin(pull), t)),
            TURN * u.angle + self.spin[c] * t,
            size[:, None] * swell,
            np.ones(1),
            self.shear[c] * np.sin(beat + TURN * u.shear_phase),
        )
