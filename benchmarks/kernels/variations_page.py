"""Writes docs/variations.md and its picture from the table of variations.

Each picture is the most varied of some classes that take this variation alone (with `linear`, where it ignores the
point), in the middle of their clips.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common import RESULTS, command_line
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.render import render_fractals
from fractalvid.kernels.variations import VARIATIONS, Param, Variation

DOCS = RESULTS.parents[1] / "docs"
CANDIDATES = 24
SEED = 2
POINTS = 6_000_000
COLUMNS, TILE, LABEL, GAP = 7, 104, 14, 4
GREYS = 48
"""Levels of the picture: enough for the eye, and a third of the bytes."""

_HEAD = """\
# The 49 variations

`python -m benchmarks.kernels.variations_page` makes this page from the table in `kernels/variations.py`; a test
compares them.

A variation V takes the point (x, y) that an affine map has just produced to a new one. Numbers and names are flam3's
(`flam3_variation_names`); the formulas are those of Draves and Reckase, "The Fractal Flame Algorithm".

![A frame of each variation](variations.png)

Each picture is one frame of a class that takes this variation after every map. Those marked * ignore the point: alone
they would not move, so they are shown, and always drawn, in a sum with another, which is `linear` where there is none.

## Which of them classes take

    fractalvid classes --variations all                              # each of the 49 equally often
    fractalvid classes --variations julia,swirl,linear --max-summed 2
    fractalvid generate --variations all --max-summed 3 --per-map    # the most varied classes

`--variations` is `paper` (the default: half the classes linear, the others take one of horseshoe, bent, fisheye,
popcorn, cosine, eyefish, cylinder), `linear`, `all`, or names, each equally often. `--max-summed` 2 or 3 draws weighted
sums, whose amounts add up to 1; `--per-map` draws a choice for each map instead of one for the class. Amounts and
parameters are drawn at both keyframes, parameters from the ranges below, and move between them along the curves of
their maps; integers stay as drawn. The bank keeps all of it, and the mix. In Python:
`ClassConfig(variations="all", max_summed=3, per_map=True)`; a tuple of names is as good.

## The table

r = √(x² + y²); θ = atan2(x, y), x first, so that sin θ = x/r and cos θ = y/r; φ = atan2(y, x); ε = 1e-10; x mod m has
the sign of x; a to f are the coefficients of the map just applied, x' = ax + by + c, y' = dx + ey + f. Ψ1, Ψ2, ... are
random numbers in [0, 1), Λ is 0 or π at random, all fresh for every point and step.

"""
_TAIL = """
Those in *italics* throw single points very far, or to infinity. A walker that is not finite, or farther out than 1e6,
begins again near the origin, and its point counts as discarded for that step. Views of classes with these show the
bulk: at most 0.4 spans beyond the middle 80 % of the orbit (`ClassConfig.fence`), since the tails have no natural end;
and three quarters of the orbit within the radius are enough for them to be taken as bounded (`unbounded_inside`).

`cosine` is the bounded form of the fractal-video paper's code; flam3's has cosh y and sinh y for the two tanh y. The
amount of a variation in a sum multiplies all of V; flam3 puts it inside arch, rays, blade, secant2 and twintrian.
"""


def page() -> str:
    """The whole page."""
    lines = ["| number | name | V(x, y) | parameters, and where they are drawn |", "|---|---|---|---|"]
    lines += [_line(row) for row in VARIATIONS.values()]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _line(row: Variation) -> str:
    name = f"*{row.name}*" if row.unbounded else row.name
    own = "; ".join(f"p{i + 1} {_described(param)}" for i, param in enumerate(row.params))
    formula = row.formula.rstrip(".").replace("|", "\\|")
    star = " \\*" if row.ignores_point else ""
    return f"| {row.number} | {name}{star} | {formula} | {own} |"


def _described(param: Param) -> str:
    kind = {"real": "", "integer": ", integer", "angle": ", an angle"}[param.kind]
    return f"{param.meaning}: {param.low:.3g} to {param.high:.3g}{kind}"


def sheet() -> Image.Image:
    """A labelled picture of every variation, rows of COLUMNS in the order of their numbers."""
    rows = -(-len(VARIATIONS) // COLUMNS)
    width, height = COLUMNS * (TILE + GAP) + GAP, rows * (TILE + LABEL + GAP) + GAP
    image = Image.new("L", (width, height), 24)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=11)
    for place, row in enumerate(VARIATIONS.values()):
        left, top = GAP + place % COLUMNS * (TILE + GAP), GAP + place // COLUMNS * (TILE + LABEL + GAP)
        image.paste(Image.fromarray(_picture(row)), (left, top + LABEL))
        pen.text((left, top), f"{row.number} {row.name}{' *' if row.ignores_point else ''}", fill=225, font=font)
    step = 255 / (GREYS - 1)
    return image.point([round(round(value / step) * step) for value in range(256)])


def _picture(row: Variation) -> NDArray[np.uint8]:
    bank = ClassBank.sample(CANDIDATES, seed=SEED, config=ClassConfig(variations=(row.name,), linear_share=0.0))
    fits = fit_fractals(bank, np.arange(CANDIDATES), 0)
    middle = (bank.native_frames[:, None] - 1) / 2
    small = render_fractals(bank, fits, middle, size=48, points=60_000)[:, 0]
    best = int(np.argmax([_variety(frame) for frame in small]))
    fit = fit_fractals(bank, best, 0)
    large = render_fractals(bank, fit, middle[best : best + 1], size=3 * TILE, points=POINTS)[0, 0]
    return np.asarray(Image.fromarray(large).resize((TILE, TILE), Image.Resampling.BOX))


def _variety(frame: NDArray[np.uint8]) -> float:
    """Entropy of a frame's greys, in bits."""
    share = np.histogram(frame, 16, (0, 256))[0] / frame.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def main() -> None:
    """Write both files."""
    command_line(__doc__).parse_args()
    text, picture = DOCS / "variations.md", DOCS / "variations.png"
    text.write_text(page(), encoding="utf-8")
    sheet().save(picture, optimize=True)
    print(f"{text}, {picture} ({picture.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
