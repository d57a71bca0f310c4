"""Options that several commands have in common, and what they ask for."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fractalvid.core.bank import KindName
from fractalvid.core.colour import Choice, ColourConfig, colour_config
from fractalvid.utils.errors import UserError

if TYPE_CHECKING:
    from fractalvid.fractals.config import ClassConfig


@dataclass(frozen=True)
class FractalOptions:
    """What classes of fractals are drawn from; options that other kinds do not have."""

    motion: Literal["paper", "linear"] = "paper"
    """Curves of the reference method, or even motion only."""
    interpolation: Literal["decomposed", "naive"] = "decomposed"
    """Interpolate rotations, singular values and shifts apart, or the matrices (for comparison)."""
    variations: str = "paper"
    """The reference method's `paper` mix, half linear; `linear` only; `all` 49; or names: julia,swirl,linear. All but
    the first take each equally often. docs/variations.md shows them."""
    max_summed: Annotated[int, tyro.conf.arg(metavar="1-3")] = 1
    """Most variations of a weighted sum; how many is drawn for each choice."""
    per_map: bool = False
    """A choice of variations for each map of a class, instead of one for all."""

    def config(self) -> "ClassConfig":
        """What they ask for; a `UserError` for variations that there are not."""
        from fractalvid.fractals.config import ClassConfig  # not for --help: both bring Numba
        from fractalvid.fractals.mix import parse_mix

        variations, linear_share = parse_mix(self.variations)
        return ClassConfig(
            motion=self.motion,
            interpolation=self.interpolation,
            linear_share=linear_share,
            variations=variations,
            max_summed=self.max_summed,
            per_map=self.per_map,
        )

    def config_for(self, kind: KindName) -> "ClassConfig | None":
        """What they ask for where `kind` is fractals; else None, and a `UserError` where any of them is given."""
        if kind == "ifs":
            return self.config()
        self.refuse(f"belongs to fractals: leave it out with --kind {kind}")
        return None

    def refuse(self, why: str) -> None:
        """Raise a `UserError` where any of them is given; `why` ends its line."""
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                raise UserError(f"--{field.name.replace('_', '-')} {why}")


@dataclass(frozen=True)
class ColourOptions:
    """How clips are coloured."""

    colour: Choice = "grey"
    """Grey as in the reference method; or each map's own colour, averaged along orbits, from a palette an instance."""
    gamma: float | None = None
    """Brightness is grey^(1/gamma), in colour (default: 1.5)."""
    vibrancy: float | None = None
    """From 1, vivid at every gamma, down to 0, pale where gamma is large (default: 1)."""
    drift: float | None = None
    """Most turns through its palette that a clip makes (default: 0, static)."""

    def config(self) -> ColourConfig | None:
        """What they ask for, None for grey; a `UserError` for values that belong to colour, in grey."""
        return colour_config(self.colour, self.gamma, self.vibrancy, self.drift)
