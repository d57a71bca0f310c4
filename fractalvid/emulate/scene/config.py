"""How scenes are drawn: their matter, their figure, and the path of the camera."""

from dataclasses import dataclass

from fractalvid.utils.checks import Range, check_fields, check_integer, check_p, check_range

MAX_VEILS = 2
MAX_SHAPES = 48


@dataclass(frozen=True)
class SceneConfig:
    """Textured matter at several depths behind an opaque figure.

    The background of a sample that has a scene lies on its ground, as a relief, and nothing is blended.

    Ranges whose ends lie far apart are drawn evenly in the logarithm: `cells`, `depth`, `pan`, `travel`, `colour`.

    Attributes:
        p: probability.
        shaped: share of grounds that shapes cover; the others are noise.
        shapes: how many shapes cover a ground.
        pictured: share of grounds that are pictures, where a folder of them is given (`StreamConfig.backgrounds`).
        extent: radii of shapes in parts of the tile, small ones more often.
        cells: how many cells the coarsest noise has across the tile.
        persistence: amplitude of each octave of noise in that of the one before.
        enlarge: how large a tile is, in frames; the larger, the softer.
        brightness: mean grey of the ground.
        contrast: by how much greys of the ground differ from that, at most.
        colour: how far colours are from grey, in parts of the grey.
        veils: most layers between ground and figure.
        depth: how far the ground is, in those of the figure.
        pan: how far the camera's turning moves everything, at most, in frames.
        travel: how far the camera itself moves, at most, in frames at the figure's depth.
        approach: by how much the camera nears the figure or leaves it, at most, as a share of its depth.
        pace: how fast the figure moves, in its own time.
        light: share of figures that are lighter where they are denser; the others are darker.
        reach: grey from which on a figure is opaque.
        relief: how strongly the figure's density is seen as a relief.
        skin: how deep the grain of the figure is.
        shadow: how dark the figure's shadow is.
        soft: how soft the lens is: at 1, a pixel's neighbours have as much weight as itself.
    """

    p: float = 0.0
    shaped: float = 0.6
    shapes: tuple[int, int] = (8, 48)
    pictured: float = 0.8
    extent: Range = (0.04, 0.45)
    cells: Range = (3.0, 6.5)
    persistence: Range = (0.5, 0.65)
    enlarge: Range = (0.9, 1.4)
    brightness: Range = (0.2, 0.6)
    contrast: Range = (0.15, 0.5)
    colour: Range = (0.02, 0.22)
    veils: int = MAX_VEILS
    depth: Range = (1.5, 6.0)
    pan: Range = (0.002, 0.15)
    travel: Range = (0.002, 0.2)
    approach: Range = (0.002, 0.2)
    pace: Range = (0.15, 0.6)
    light: float = 0.5
    reach: Range = (0.1, 0.3)
    relief: Range = (0.4, 1.8)
    skin: Range = (0.0, 0.4)
    shadow: Range = (0.0, 0.5)
    soft: Range = (0.1, 0.55)

    def __post_init__(self) -> None:
        """Refuse what is no probability, range or number."""
        check_fields(self, "scene.")
        for name in ("p", "shaped", "pictured", "light"):
            check_p(f"scene.{name}", getattr(self, name))
        check_integer("scene.veils", self.veils, 0, MAX_VEILS)
        check_range("scene.shapes", self.shapes, 0, MAX_SHAPES)
        for name, (low, high) in _LIMITS.items():
            check_range(f"scene.{name}", getattr(self, name), low, high)


_LIMITS: dict[str, Range] = {
    "extent": (0.01, 1),
    "cells": (0.5, 64),
    "persistence": (0, 1),
    "enlarge": (0.5, 8),
    "brightness": (0, 1),
    "contrast": (0, 1),
    "colour": (1e-3, 2),
    "depth": (1, 100),
    "pan": (1e-4, 2),
    "travel": (1e-4, 2),
    "approach": (1e-4, 0.9),
    "pace": (0, 1),
    "reach": (0.01, 1),
    "relief": (0, 10),
    "skin": (0, 1),
    "shadow": (0, 1),
    "soft": (0, 1),
}
