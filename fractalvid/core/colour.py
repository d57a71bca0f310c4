"""Structural colour: each map of a class owns a colour index, orbits average it, and each instance has a palette.

Brightness follows Draves & Reckase, "The Fractal Flame Algorithm": with e = 1 / gamma, a pixel of grey α and colour c
is vibrancy · c · α^e + (1 - vibrancy) · (c α)^e. That is α^e times a colour that depends on the palette alone. Both are
tables, made here, and the kernel multiplies them. Draw, then apply: `draw_palettes` makes the random part for
a batch, `Palettes.at` is a pure function of it. Where functions take an `xp`, their arrays may be CuPy's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.seeds import Domain, Field, uniforms, words
from fractalvid.utils.checks import check_fields, check_number
from fractalvid.utils.errors import UserError

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
        check_fields(self)
        check_number("gamma", self.gamma, 0.1, 10)
        check_number("vibrancy", self.vibrancy, 0, 1)
        check_number("drift", self.drift, 0, 4)


def check_points(points: int) -> None:
    """Refuse more points a frame than a coloured one can have.

    Raises:
        UserError: there are too many.
    """
    from fractalvid.kernels import MAX_COLOUR_POINTS  # brings Numba, which configurations of grey clips don't need

    if points > MAX_COLOUR_POINTS:
        raise UserError(f"points must be at most {MAX_COLOUR_POINTS} in colour, got {points}")


def colour_config(
    choice: Choice, gamma: float | None = None, vibrancy: float | None = None, drift: float | None = None
) -> ColourConfig | None:
    """The configuration that options of a command ask for: None for grey; defaults stand in for what is not given.

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

    def at(self, share: ArrayLike, *, xp: Any = np) -> NDArray[np.uint8]:
        """Colours of the 256 indices at shares (B, F) of the clips' durations: uint8 (B, F, 256, 3)."""
        turn = self.drift[:, None] * xp.asarray(share, np.float64)
        place = turn[..., None] + self.span[:, None, None] * (xp.arange(256) / 255)
        entry = xp.floor(place * CYCLE).astype(np.int64) % CYCLE
        shown: NDArray[np.uint8] = self.cycle[xp.arange(len(entry))[:, None, None], entry]
        return shown


def draw_palettes(config: ColourConfig, seed: int, class_id: ArrayLike, instance_id: ArrayLike) -> Palettes:
    """Draw the palettes of instances (B,) of classes (B,) of the bank of that seed."""

    def numbers(field: Field, count: int) -> NDArray[np.float32]:
        return uniforms(seed, Domain.INSTANCE, field, instance_id, class_id, count)

    return palettes_of(config, numbers)


def palettes_of(config: ColourConfig, numbers: Callable[[Field, int], Any], *, xp: Any = np) -> Palettes:
    """Palettes from the uniforms float32 (B, count) in [0, 1) that `numbers(field, count)` gives.

    A palette runs through 3 to 6 stops in OKLab (Ottosson 2020), and on to the first again. Their hues lie in an arc
    that is drawn too, from a few neighbours to the whole circle; some palettes dwell on their stops, some flow.
    """
    general = numbers(Field.PALETTE, 4).astype(np.float64)
    stops = numbers(Field.STOPS, 3 * MAX_STOPS).astype(np.float64).reshape(-1, MAX_STOPS, 3)
    drift = numbers(Field.DRIFT, 1)[:, 0].astype(np.float64)
    choices = MAX_STOPS - MIN_STOPS + 1
    count = MIN_STOPS + xp.minimum((general[:, 0] * choices).astype(np.int64), choices - 1)
    lab = _stops(count, first=general[:, 1], arc=0.15 + 0.85 * general[:, 2], own=stops, xp=xp)
    return Palettes(
        cycle=_folded(_between(lab, count, dwelling=1 + 2 * general[:, 3], xp=xp), config, xp=xp),
        span=(count - 1) / count,
        drift=config.drift * (2 * drift - 1),
    )


def clip_palettes(
    config: ColourConfig,
    bank: Bank,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """The palettes of B clips at times (B, F) in native frames, clip by clip: uint8 (B F, 256, 3)."""
    palettes = draw_palettes(config, bank.seed, class_id, instance_id)
    return palettes.at(times / (bank.native_frames[class_id] - 1)[:, None]).reshape(-1, 256, 3)


def brightness_curve(config: ColourConfig) -> NDArray[np.uint8]:
    """The brightness of each grey, uint8 (256,): 0 for 0 and above 0 for all others."""
    curve = 255 * (np.arange(256) / 255) ** (1 / config.gamma)
    return np.maximum(np.rint(curve), np.arange(256) > 0).astype(np.uint8)


def foreground(frames: NDArray[np.uint8], *, colour: bool) -> NDArray[np.bool_]:
    """Which pixels of a grey clip (..., H, W), or of a coloured one (..., H, W, 3), are above 0 in grey: exactly."""
    return np.asarray(frames.any(axis=-1) if colour else frames > 0)


def _stops(count: NDArray[np.int64], *, first: Floats, arc: Floats, own: Floats, xp: Any) -> Floats:
    """Stops in OKLab (B, 6, 3): evenly over an arc of hues in mixed order, lightness and chroma drawn for each.

    `first` (B,) and `arc` (B,) are where the arc begins and how long it is, in turns; `own` (B, 6, 3) uniforms.
    """
    number = xp.arange(MAX_STOPS)
    key = xp.where(number < count[:, None], own[..., 0], 2)
    mine, other = key[:, :, None], key[:, None, :]
    rank = ((other < mine) | ((other == mine) & (number < number[:, None]))).sum(axis=2)
    hue = 2 * np.pi * (first[:, None] + arc[:, None] * rank / count[:, None])
    light = 0.58 + 0.28 * own[..., 1]
    chroma = 0.12 + 0.18 * own[..., 2]
    green, blue = chroma * xp.cos(hue), chroma * xp.sin(hue)
    # The largest share of the drawn chroma that a screen can show at that hue and lightness.
    fractions = xp.linspace(0, 1, 17)
    tried = xp.stack(
        [
            xp.broadcast_to(light[..., None], (*light.shape, len(fractions))),
            green[..., None] * fractions,
            blue[..., None] * fractions,
        ],
        axis=-1,
    )
    rgb = _linear_rgb(tried, xp=xp)
    shown = ((rgb >= -1e-3) & (rgb <= 1 + 1e-3)).all(axis=-1)
    fraction = fractions[xp.where(shown, xp.arange(len(fractions)), 0).max(axis=-1)]
    stops: Floats = xp.stack([light, green * fraction, blue * fraction], axis=-1)
    return stops


def _between(lab: Floats, count: NDArray[np.int64], *, dwelling: Floats, xp: Any) -> Floats:
    """Colours around the cycles of stops (B, 6, 3): (B, 512, 3) in OKLab. `dwelling` (B,) of 1 is an even flow."""
    place = xp.arange(CYCLE) / CYCLE * count[:, None]
    left = place.astype(np.int64)
    step = xp.clip((place - left - 0.5) * dwelling[:, None] + 0.5, 0, 1)
    step = (step * step * (3 - 2 * step))[..., None]
    rows = xp.arange(len(lab))[:, None]
    between: Floats = lab[rows, left] * (1 - step) + lab[rows, (left + 1) % count[:, None]] * step
    return between


def _folded(lab: Floats, config: ColourConfig, *, xp: Any) -> NDArray[np.uint8]:
    """Colours (..., 3) of sRGB in 8 bits from OKLab, gamma and vibrancy included, none of them dark."""
    linear = xp.clip(_linear_rgb(lab, xp=xp), 0, 1)
    rgb = xp.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    if config.vibrancy < 1 and config.gamma != 1:
        rgb = config.vibrancy * rgb + (1 - config.vibrancy) * rgb ** (1 / config.gamma)
    largest = rgb.max(axis=-1, keepdims=True)
    rgb = rgb * xp.maximum(1, DARKEST / 255 / xp.maximum(largest, 1e-9))
    folded: NDArray[np.uint8] = xp.rint(255 * rgb).astype(np.uint8)
    return folded


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


def _linear_rgb(lab: Floats, *, xp: Any) -> Floats:
    """Linear sRGB (..., 3) of OKLab (..., 3); outside [0, 1] where a screen has no such colour."""
    linear: Floats = (lab @ xp.asarray(_LMS.T)) ** 3 @ xp.asarray(_RGB.T)
    return linear
