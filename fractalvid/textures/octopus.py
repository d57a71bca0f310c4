"""Octopuses: limbs along smooth random curves that bend from one keyframe to another, and on which waves run.

Svyezhentsev et al. (2025) compare fractals with such clips. A limb is given by its curvature, so it keeps its length.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.curves import hold_last, sample_curves, sample_grid, spline_matrix
from fractalvid.kernels.drawing import ABSENT, TEXTURES, Layers
from fractalvid.textures.bank import TextureConfig, either_way, evenly, evenly_in_logarithm
from fractalvid.textures.instances import TextureInstances, draw_texture_instances
from fractalvid.textures.layered import LayeredBank
from fractalvid.textures.motion import TURN, placed
from fractalvid.textures.styles import STYLE_NUMBERS, WAVELENGTH_LIMITS, Texture, layer_styles, sample_style
from fractalvid.utils.checks import Range, check_integer, check_number

Floats = NDArray[np.float64]

MAX_LIMBS = 8
KNOTS = 4
SEGMENTS = 16
DARKEST = 0.5
MARGIN = 0.08
"""Around the figure, as a share of its extent over the whole clip."""
_MIDDLES = (np.arange(SEGMENTS) + 0.5) / SEGMENTS
_LIMB_OF_LAYER = np.repeat(np.arange(1 + MAX_LIMBS, dtype=np.int32), [1] + [2 * SEGMENTS] * MAX_LIMBS)
"""Which limb each layer belongs to, 0 for the body."""
_TONE = 2 * KNOTS + 2
_LIMB_NUMBERS = _TONE + 2
"""Of each limb: factors of the knots, turn of the root, phase of the wave, tone and tint."""


@dataclass(frozen=True)
class OctopusConfig(TextureConfig):
    """What classes of octopuses are drawn from: a value of each range is drawn a class.

    Lengths are in those of the longest limb; the view is fitted to the figure.

    Attributes:
        min_limbs: fewest limbs.
        max_limbs: most limbs, at most 8.
        textures: textures of the body to choose from, one a class.
        body: radius of the body.
        length: shortest limb; a class's limbs lie between it and 1.
        thickness: width of a limb where it begins; even in the logarithm.
        taper: width at its tip, as a share of that.
        bend: largest curvature at the knots of a limb, radians a length.
        wave: amplitude of the curvature of running waves.
        wave_number: waves on a length.
        beat: their frequency, radians a native frame, running outwards or inwards.
        wander: how far the body strays to either side.
        bands: light and dark rings along a length.
        wavelength: of the body's texture, as a share of the view; even in the logarithm.
        contrast: how far below bright tones the dark ones lie, as a share of them.
        variation: an instance multiplies curvatures by up to 1 ± this, and turns each limb by up to this, in radians.
    """

    limits: ClassVar[dict[str, Range]] = {
        "body": (0.01, 2.0),
        "length": (0.1, 1.0),
        "thickness": (0.01, 1.0),
        "taper": (0.05, 1.0),
        "bend": (0.0, 20.0),
        "wave": (0.0, 20.0),
        "wave_number": (0.0, 5.0),
        "beat": (0.0, 1.5),
        "wander": (0.0, 2.0),
        "bands": (0.0, 20.0),
        "wavelength": WAVELENGTH_LIMITS,
        "contrast": (0.0, 0.95),
    }

    min_limbs: int = 3
    max_limbs: int = 8
    textures: tuple[Texture, ...] = TEXTURES  # type: ignore[assignment]
    body: Range = (0.12, 0.35)
    length: Range = (0.5, 1.0)
    thickness: Range = (0.08, 0.3)
    taper: Range = (0.15, 0.6)
    bend: Range = (2.0, 8.0)
    wave: Range = (0.0, 6.0)
    wave_number: Range = (0.5, 1.5)
    beat: Range = (0.2, 0.8)
    wander: Range = (0.0, 0.3)
    bands: Range = (0.0, 8.0)
    wavelength: Range = (0.05, 0.2)
    contrast: Range = (0.2, 0.7)
    variation: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what no class could be drawn from."""
        super().__post_init__()
        self.check_names("textures", TEXTURES)
        check_integer("max_limbs", self.max_limbs, 1, MAX_LIMBS)
        check_integer("min_limbs", self.min_limbs, 1, self.max_limbs)
        check_number("variation", self.variation, 0, 1)


@dataclass(frozen=True)
class OctopusFit:
    """B octopuses and the squares of the plane that they are seen in.

    Attributes:
        drawn: their random part.
        corner: float64 (B, 2), left and top.
        extent: float64 (B,), width and height.
    """

    drawn: TextureInstances
    corner: Floats
    extent: Floats

    @property
    def class_id(self) -> NDArray[np.int64]:
        """(B,)."""
        return self.drawn.class_id

    @property
    def instance_id(self) -> NDArray[np.int64]:
        """(B,)."""
        return self.drawn.instance_id

    def __len__(self) -> int:
        """The number of clips B."""
        return len(self.drawn)


@dataclass(frozen=True, repr=False, eq=False)
class OctopusBank(LayeredBank):
    """K classes of octopuses; arrays (K,) unless said otherwise, in the units of `OctopusConfig`.

    Attributes:
        limbs: int64, how many.
        root: float64 (K, 8), directions in which limbs leave the body, radians.
        length: float64 (K, 8).
        knots: float64 (K, 2, 8, 4), curvature along each limb at both keyframes.
        curve: float32 (K, S, 8), how the limbs pass from one to the other, on the grid of `fractalvid.core.curves`.
        texture: int64, index into `fractalvid.kernels.drawing.TEXTURES`.
    """

    kind: ClassVar[str] = "octopus"
    config_type: ClassVar[type[TextureConfig]] = OctopusConfig
    motion: ClassVar[tuple[str, ...]] = ("curve", "beat", "wander")
    bounds: ClassVar[dict[str, Range]] = {
        "limbs": (1, MAX_LIMBS),
        "texture": (0, len(TEXTURES) - 1),
        "body": (0.01, 2.0),
        "thickness": (0.01, 1.0),
        "wavelength": WAVELENGTH_LIMITS,
    }

    limbs: NDArray[np.int64]
    root: NDArray[np.float64]
    length: NDArray[np.float64]
    knots: NDArray[np.float64]
    curve: NDArray[np.float32]
    body: NDArray[np.float64]
    thickness: NDArray[np.float64]
    taper: NDArray[np.float64]
    wave: NDArray[np.float64]
    wave_number: NDArray[np.float64]
    beat: NDArray[np.float64]
    wander: NDArray[np.float64]
    bands: NDArray[np.float64]
    texture: NDArray[np.int64]
    wavelength: NDArray[np.float64]
    contrast: NDArray[np.float64]

    @classmethod
    def sample_class(cls, config: OctopusConfig, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draw a class."""
        limbs = int(rng.integers(config.min_limbs, config.max_limbs, endpoint=True))
        own = np.arange(MAX_LIMBS)
        bend = evenly(rng, config.bend)
        curve, _ = sample_curves(MAX_LIMBS, frames, "paper", rng)
        return {
            "limbs": np.int64(limbs),
            "root": TURN * (own + 0.5 * rng.uniform(-1, 1, MAX_LIMBS)) / limbs,
            "length": rng.uniform(evenly(rng, config.length), 1, MAX_LIMBS),
            "knots": bend * rng.uniform(-1, 1, (2, MAX_LIMBS, KNOTS)),
            "curve": hold_last(curve),
            "body": evenly(rng, config.body),
            "thickness": evenly_in_logarithm(rng, config.thickness),
            "taper": evenly(rng, config.taper),
            "wave": evenly(rng, config.wave),
            "wave_number": evenly(rng, config.wave_number),
            "beat": either_way(rng, config.beat),
            "wander": evenly(rng, config.wander),
            "bands": evenly(rng, config.bands),
            **sample_style(config, rng),
        }

    def draw(self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> OctopusFit:
        """Curvatures, directions, phases and tones; then the view, from the figure at its native times."""
        numbers = max(_LIMB_NUMBERS, STYLE_NUMBERS)
        drawn = draw_texture_instances(
            self.seed, class_id, instance_id, figure=2, layers=1 + MAX_LIMBS, numbers=numbers
        )
        times = np.minimum(np.arange(MAX_FRAMES), self.native_frames[class_id][:, None] - 1).astype(np.float64)
        figure = figure_at(self, drawn, times)
        absent = np.arange(MAX_LIMBS) >= self.limbs[class_id][:, None]
        ends = []
        for side, outermost in ((-1, np.min), (1, np.max)):
            skin = figure.line + side * figure.width[:, None, None, :, None] / 2
            skin = np.where(absent[:, None, :, None, None], figure.body[:, :, None, None], skin)
            body = figure.body + side * self.body[class_id][:, None, None]
            ends.append(outermost(np.stack([outermost(skin, axis=(1, 2, 3)), outermost(body, axis=1)]), axis=0))
        low, high = ends
        extent = (1 + 2 * MARGIN) * (high - low).max(axis=1)
        return OctopusFit(drawn, (low + high - extent[:, None]) / 2, extent)

    def layers_at(self, fit: OctopusFit, times: NDArray[np.float64]) -> Layers:
        """B octopuses at times (B, F): the body on top, then limb by limb trapezoids and the discs that join them."""
        c = fit.class_id
        figure = seen(figure_at(self, fit.drawn, times), fit)
        own = self.body[c][:, None] / fit.extent[:, None]
        body = placed(figure.body[..., :1], figure.body[..., 1:], np.zeros(1), own[:, None], np.ones(1), np.zeros(1))
        place, corners = pieces(figure)
        style = layer_styles(self, c, fit.drawn.layers[:STYLE_NUMBERS, :, :1], own, DARKEST)
        tones, tints = self._rings(fit.drawn)
        present = (np.arange(MAX_LIMBS) < self.limbs[c][:, None])[..., None]
        sides = np.where(present, np.repeat([4, 0], SEGMENTS), ABSENT).reshape(len(c), -1)
        limbs = ((0, 0), (0, sides.shape[1]))
        return Layers(
            place=np.concatenate([body, place], axis=2),
            corners=np.pad(corners, ((0, 0), (0, 0), (1, 0), (0, 0), (0, 0))),
            sides=np.pad(sides, ((0, 0), (1, 0))).astype(np.int32),
            texture=np.pad(style.texture, limbs),
            pattern=np.pad(style.pattern, (*limbs, (0, 0))),
            seed=np.pad(fit.drawn.seeds[:, :1], limbs),
            tones=np.concatenate([style.tones, tones], axis=1),
            tints=np.concatenate([style.tints, tints], axis=1),
            background=np.zeros((len(c), 2), np.float32),
            united=np.tile(_LIMB_OF_LAYER, (len(c), 1)),
            period=np.zeros(len(c), np.float32),
        )

    def _rings(self, drawn: TextureInstances) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Tones and tints of the limbs' pieces, both (B, 8 · 32, 2): light and dark rings."""
        c = drawn.class_id
        tone, tint = drawn.layers[_TONE, :, 1:, None], drawn.layers[_TONE + 1, :, 1:, None]
        ring = 0.5 + 0.5 * np.cos(TURN * self.bands[c][:, None, None] * _MIDDLES)
        tones = (DARKEST + (1 - DARKEST) * tone) * (1 - self.contrast[c][:, None, None] * (1 - ring))
        tints = 0.8 * tint + 0.2 * ring
        # The same where a texture is 0 and 1: limbs have none.
        twice = (np.tile(a, 2).reshape(len(c), -1, 1) for a in (tones, tints))
        both = [np.repeat(a, 2, axis=2).astype(np.float32) for a in twice]
        return both[0], both[1]


@dataclass(frozen=True)
class Figure:
    """B octopuses at F times.

    Attributes:
        body: float64 (B, F, 2), its centre.
        line: float64 (B, F, 8, 17, 2), points along each limb from its root.
        width: float64 (B, 17), of the limbs there.
    """

    body: Floats
    line: Floats
    width: Floats


def figure_at(bank: OctopusBank, drawn: TextureInstances, times: Floats) -> Figure:
    """Where B octopuses have their limbs at times (B, F)."""
    c = drawn.class_id
    own = drawn.layers[:, :, 1:]
    t = times[:, :, None]
    beat = bank.beat[c][:, None, None] * t
    sway = np.sin(beat + TURN * np.moveaxis(drawn.figure, 0, -1)[:, None])
    body = bank.wander[c][:, None, None] * sway
    root = bank.root[c] + bank.config.variation * (2 * own[2 * KNOTS] - 1)
    bend = _curvature(bank, c, own, times)
    phase = TURN * (bank.wave_number[c][:, None, None] * _MIDDLES + own[2 * KNOTS + 1][..., None])
    bend += bank.wave[c][:, None, None, None] * np.sin(phase[:, None] - beat[..., None])
    # Each piece points half way between the directions at its ends.
    angle = root[:, None, :, None] + (np.cumsum(bend, axis=-1) - 0.5 * bend) / SEGMENTS
    step = (bank.length[c] / SEGMENTS)[:, None, :, None]
    begin = body[:, :, None] + 0.7 * bank.body[c][:, None, None, None] * _direction(root)[:, None]
    path = np.cumsum(step[..., None] * _direction(angle), axis=-2)
    line = np.concatenate([np.zeros_like(path[..., :1, :]), path], axis=-2) + begin[..., None, :]
    share = np.arange(SEGMENTS + 1) / SEGMENTS
    width = bank.thickness[c][:, None] * (1 - (1 - bank.taper[c][:, None]) * share)
    return Figure(body, line, width)


def _curvature(bank: OctopusBank, c: NDArray[np.int64], own: Floats, times: Floats) -> Floats:
    """Of the limbs' pieces at times (B, F) without waves, (B, F, 8, 16), radians a length."""
    changed = 1 + bank.config.variation * (2 * own[: 2 * KNOTS] - 1)
    knots = bank.knots[c] * changed.reshape(2, KNOTS, *own.shape[1:]).transpose(2, 0, 3, 1)
    s = sample_grid(bank.curve[c], times).astype(np.float64)[..., None]
    now = knots[:, None, 0] + s * (knots[:, None, 1] - knots[:, None, 0])
    spline = spline_matrix(KNOTS, tuple(_MIDDLES.tolist()))
    return np.asarray(sum(now[..., k, None] * spline[:, k] for k in range(KNOTS)))


def seen(figure: Figure, fit: OctopusFit) -> Figure:
    """The figure in coordinates of the view, [0, 1]²."""
    extent = fit.extent[:, None, None]
    return Figure(
        (figure.body - fit.corner[:, None]) / extent,
        (figure.line - fit.corner[:, None, None, None]) / extent[..., None, None],
        figure.width / fit.extent[:, None],
    )


def pieces(figure: Figure) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps to the plane (B, F, 256, 6) and corners (B, F, 256, 4, 2) of each limb's trapezoids, then its discs."""
    radius = figure.width[:, None, None] / 2
    middle, half, corners = trapezoids(figure.line, radius)
    rim = np.broadcast_to(radius[..., 1:], half.shape)
    place = np.concatenate([_upright(middle, half), _upright(figure.line[..., 1:, :], rim)], axis=3)
    return _joined(place), _joined(np.concatenate([corners, np.zeros_like(corners)], axis=3))


def trapezoids(line: Floats, radius: Floats) -> tuple[Floats, Floats, NDArray[np.float32]]:
    """Pieces between successive points (..., P, 2) of a line with radii (..., P).

    Returns their middles (..., P - 1, 2), half their extents (..., P - 1), and their corners from there in such units,
    (..., P - 1, 4, 2).
    """
    first, last = line[..., :-1, :], line[..., 1:, :]
    along = last - first
    normal = np.stack([-along[..., 1], along[..., 0]], axis=-1) / np.sqrt((along**2).sum(axis=-1, keepdims=True))
    near, far = normal * radius[..., :-1, None], normal * radius[..., 1:, None]
    middle = (first + last) / 2
    corners = np.stack([first + near, first - near, last - far, last + far], axis=-2) - middle[..., None, :]
    half = np.abs(corners).max(axis=(-2, -1))
    return middle, half, (corners / half[..., None, None]).astype(np.float32)


def _direction(angle: Floats) -> Floats:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _upright(middle: Floats, half: Floats) -> NDArray[np.float32]:
    """Maps to the plane (..., 6) of pieces at `middle` (..., 2) of half extent (...)."""
    x, y = middle[..., 0], middle[..., 1]
    none = np.zeros_like(x)
    return np.stack([half, none, x, none, half, y], axis=-1).astype(np.float32)


def _joined(pieces: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pieces of all limbs (B, F, 8, P, ...) in one row (B, F, 8 P, ...)."""
    return pieces.reshape(*pieces.shape[:2], -1, *pieces.shape[4:])
