"""Structural colour: each map of a class owns a colour index, orbits average it, and each instance has a palette.

Brightness is that of Draves & Reckase, "The Fractal Flame Algorithm": with e = 1 / gamma, a pixel of grey α and colour
c is vibrancy · c · α^e + (1 - vibrancy) · (c α)^e. That is α^e times a colour that depends on the palette alone, so
both are tables, made here, and the kernel multiplies them. Draw, then apply: `draw_palettes` makes the random part for
a batch, `Palettes.at` is a pure function of it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.draws import Domain, Field, integers, uniforms, words
from fractalvid.errors import UserError
from kernels import MAX_COLOUR_POINTS

Floats = NDArray[np.float64]
Choice = Literal["grey", "structural"]

MIN_STOPS, MAX_STOPS = 3, 6
CYCLE = 512
"""Colours of a palette around its whole cycle."""
DARKEST = 128
"""Every colour of a palette has a channel of at least this, so a pixel is black exactly where its grey is 0."""


@dataclass(frozen=True)
class ColourConfig:
    """How clips are coloured.

    Attributes:
        gamma: brightness is grey^(1/gamma); above 1 lightens what is faint.
        vibrancy: 1 keeps the palette's colours at every gamma; towards 0, gamma works on each channel by itself, and a
            gamma above 1 makes colours paler.
        drift: most turns through its palette that a clip makes, either way; each instance draws its own. 0 is static.
    """

    gamma: float = 1.5
    vibrancy: float = 1.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what gives no picture."""
        limits = {"gamma": (0.1, 10.0), "vibrancy": (0.0, 1.0), "drift": (0.0, 4.0)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"{name} must be {low:g} to {high:g}, got {getattr(self, name)}")


def check_points(points: int) -> None:
    """Refuse more points a frame than a coloured one can have.

    Raises:
        UserError: there are too many.
    """
    if points > MAX_COLOUR_POINTS:
        raise UserError(f"points must be at most {MAX_COLOUR_POINTS} in colour, got {points}")


def colour_config(
    choice: Choice, gamma: float | None = None, vibrancy: float | None = None, drift: float | None = None
) -> ColourConfig | None:
    """What options of a command ask for: None for grey, else a configuration with defaults where there is no value.

    Raises:
        UserError: a value that only colour has, without colour; or one out of range.
    """
    given = {"gamma": gamma, "vibrancy": vibrancy, "drift": drift}
    chosen = {name: value for name, value in given.items() if value is not None}
    if choice == "structural":
        return ColourConfig(**chosen)
    if chosen:
        raise UserError(f"--{next(iter(chosen))} needs --colour structural")
    return None


def map_colours(seed: int, class_id: ArrayLike, num_maps: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Colour indices of maps, float32 (B, N): evenly spread over [0, 1] in an order that is drawn for each class.

    Args:
        seed: of the bank.
        class_id: (B,).
        num_maps: (B,), how many of the `size` maps are real; the others have 0.
        size: N.
    """
    order = words(seed, Domain.CLASS, Field.MAP_COLOURS, 0, class_id, size).astype(np.float64)
    order[np.arange(size) >= num_maps[:, None]] = np.inf
    rank = order.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    spread = rank / np.maximum(num_maps - 1, 1)[:, None]
    return np.where(np.isinf(order), 0, spread).astype(np.float32)


@dataclass(frozen=True)
class Palettes:
    """The palettes of B clips.

    Attributes:
        cycle: uint8 (B, 512, 3), all colours of a palette, the last next to the first.
        span: float64 (B,), the share of the cycle that indices 0 to 255 cover at any time.
        drift: float64 (B,), turns from the clip's first to its last frame.
    """

    cycle: NDArray[np.uint8]
    span: Floats
    drift: Floats

    def at(self, share: ArrayLike) -> NDArray[np.uint8]:
        """Colours of the 256 indices at shares (B, F) of the clips' durations: uint8 (B, F, 256, 3)."""
        turn = self.drift[:, None] * np.asarray(share, np.float64)
        place = turn[..., None] + self.span[:, None, None] * (np.arange(256) / 255)
        entry = np.floor(place * CYCLE).astype(np.int64) % CYCLE
        return np.asarray(self.cycle[np.arange(len(entry))[:, None, None], entry])


def draw_palettes(config: ColourConfig, seed: int, class_id: ArrayLike, instance_id: ArrayLike) -> Palettes:
    """Draw the palettes of instances (B,) of classes (B,) of the bank of that seed.

    A palette runs through 3 to 6 stops in OKLab (Ottosson 2020), and on to the first again. Their hues lie in an arc
    that is drawn too, from a few neighbours to the whole circle; some palettes dwell on their stops, some flow.
    """

    def numbers(field: Field, count: int) -> Floats:
        return uniforms(seed, Domain.INSTANCE, field, instance_id, class_id, count).astype(np.float64)

    general = numbers(Field.PALETTE, 4)
    stops = numbers(Field.STOPS, 3 * MAX_STOPS).reshape(-1, MAX_STOPS, 3)
    count = integers(general[:, 0].astype(np.float32), MIN_STOPS, MAX_STOPS)
    lab = _stops(count, first=general[:, 1], arc=0.15 + 0.85 * general[:, 2], own=stops)
    return Palettes(
        cycle=_folded(_between(lab, count, dwelling=1 + 2 * general[:, 3]), config),
        span=(count - 1) / count,
        drift=config.drift * (2 * numbers(Field.DRIFT, 1)[:, 0] - 1),
    )


def brightness_curve(config: ColourConfig) -> NDArray[np.uint8]:
    """The brightness of each grey, uint8 (256,): 0 for 0 and above 0 for all others."""
    curve = 255 * (np.arange(256) / 255) ** (1 / config.gamma)
    return np.maximum(np.rint(curve), np.arange(256) > 0).astype(np.uint8)


def foreground(frames: NDArray[np.uint8], *, colour: bool) -> NDArray[np.bool_]:
    """Which pixels of a grey clip (..., H, W), or of a coloured one (..., H, W, 3), are above 0 in grey: exactly."""
    return np.asarray(frames.any(axis=-1) if colour else frames > 0)


def _stops(count: NDArray[np.int64], *, first: Floats, arc: Floats, own: Floats) -> Floats:
    """Stops in OKLab (B, 6, 3): evenly over an arc of hues in mixed order, lightness and chroma drawn for each.

    `first` (B,) and `arc` (B,) are where the arc begins and how long it is, in turns; `own` (B, 6, 3) uniforms.
    """
    present = np.arange(MAX_STOPS) < count[:, None]
    rank = np.where(present, own[..., 0], 2).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    hue = 2 * np.pi * (first[:, None] + arc[:, None] * rank / count[:, None])
    light = 0.58 + 0.28 * own[..., 1]
    chroma = 0.12 + 0.18 * own[..., 2]
    # As colourful as a screen can show at that hue and lightness, up to what was drawn.
    fractions = np.linspace(0, 1, 17)
    lab = np.stack(
        [
            np.broadcast_to(light[..., None], (*light.shape, len(fractions))),
            (chroma * np.cos(hue))[..., None] * fractions,
            (chroma * np.sin(hue))[..., None] * fractions,
        ],
        axis=-1,
    )
    rgb = _linear_rgb(lab)
    shown = ((rgb >= -1e-3) & (rgb <= 1 + 1e-3)).all(axis=-1)
    largest = np.where(shown, np.arange(len(fractions)), 0).max(axis=-1)
    return np.asarray(np.take_along_axis(lab, largest[..., None, None], axis=2)[:, :, 0])


def _between(lab: Floats, count: NDArray[np.int64], *, dwelling: Floats) -> Floats:
    """Colours around the cycles of stops (B, 6, 3): (B, 512, 3) in OKLab. `dwelling` (B,) of 1 is an even flow."""
    place = np.arange(CYCLE) / CYCLE * count[:, None]
    left = place.astype(np.int64)
    step = np.clip((place - left - 0.5) * dwelling[:, None] + 0.5, 0, 1)
    step = (step * step * (3 - 2 * step))[..., None]
    rows = np.arange(len(lab))[:, None]
    return np.asarray(lab[rows, left] * (1 - step) + lab[rows, (left + 1) % count[:, None]] * step)


def _folded(lab: Floats, config: ColourConfig) -> NDArray[np.uint8]:
    """Colours (..., 3) of sRGB in 8 bits from OKLab, gamma and vibrancy included, none of them dark."""
    linear = np.clip(_linear_rgb(lab), 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    if config.vibrancy < 1 and config.gamma != 1:
        rgb = config.vibrancy * rgb + (1 - config.vibrancy) * rgb ** (1 / config.gamma)
    largest = rgb.max(axis=-1, keepdims=True)
    rgb = rgb * np.maximum(1, DARKEST / 255 / np.maximum(largest, 1e-9))
    return np.asarray(np.rint(255 * rgb), np.uint8)


_LMS = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _linear_rgb(lab: Floats) -> Floats:
    """Linear sRGB (..., 3) of OKLab (..., 3); outside [0, 1] where a screen has no such colour."""
    return np.asarray((lab @ _LMS.T) ** 3 @ _RGB.T)
