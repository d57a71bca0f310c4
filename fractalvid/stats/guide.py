"""How the figures are to be read: which values are good, which are usual, and what they tell."""

from typing import NamedTuple


class Guide(NamedTuple):
    """How a figure is to be read.

    Attributes:
        good: which values are good, in a few words for a table; empty where none is better than another.
        usual: of fractals, as in `benchmarks/results/quality.md`: 200 classes at 128 x 128; empty where none is.
        text: a sentence or two for the chart of the figure; empty where it has none.
    """

    good: str
    usual: str
    text: str = ""


GUIDES = {
    "lit pixels": Guide(
        "neither 0 nor all",
        "18.1 ± 9.2 %",
        "Near 0 there is nothing to see; in between, no value is better than another. "
        "Fractals are usually at 18 %, shapes at 35 %, octopus at 11 %; textures fill the frame.",
    ),
    "nearly empty frames": Guide("0 %, a few are harmless", "2.8 %"),
    "nearly full frames": Guide("0 %", "0 %"),
    "brightness": Guide(
        "",
        "11.1 ± 6.1 %",
        "No value is better than another, but what is compared should be about as bright. "
        "Fractals are usually at 11 %, shapes at 16 %, textures at 50 %.",
    ),
    "motion": Guide(
        "well above 0",
        "0.59 ± 0.21",
        "Near 0 clips stand still and teach no motion; further right more moves. "
        "Fractals are usually at 0.6, shapes at 0.5, octopus at 0.8, textures at 0.1 to 0.2.",
    ),
    "motionless clips": Guide("0 %", "0 %"),
    "path of the centre": Guide(
        "well above 0",
        "0.40 ± 0.25",
        "Near 0 all moves in its place; further right it travels through the frame. "
        "Fractals are usually at 0.4, shapes at 0.3, octopus at 0.5, textures at 0.1.",
    ),
    "spectrum exponent": Guide(
        "1.2 to 1.4",
        "1.33 ± 0.24",
        "Sets at 1.2 to 1.4 are reported to pre-train best; natural images are at 1, noise at 0, blurs far right. "
        "Fractals are usually at 1.3, shapes and octopus at 1.2, perlin at 2.3.",
    ),
    "frame distance": Guide("higher: frames differ more", "0.283"),
    "… within a class": Guide(
        "higher: clips of a class differ more",
        "0.248",
        "Near 0 all clips of a class look alike, and a network can learn them by heart; higher is better. "
        "Fractals are usually at 0.25, shapes at 0.28, octopus at 0.14.",
    ),
    "effective rank": Guide("higher: frames differ in more ways", "24.9"),
    "instances redrawn": Guide("low: less work; harmless", "20.1 %"),
    "draws rejected: unbounded": Guide("low: less work; harmless", "40.0 %"),
    "kept though broken": Guide("0 %", "0.05 %"),
    "clips damped": Guide("low", "3.1 %"),
    "frames damped": Guide("low", "1.4 %"),
    "classes told apart": Guide("well above chance, below 100 %", "50.5 % (45.6 to 55.4)"),
    "motion probe: clips": Guide("well above frames shuffled", "75.7 %"),
    "… frames shuffled": Guide("", "29.0 %"),
    "… a single frame": Guide("near chance", "22.0 %"),
}
"""By the label of the figure's row. What is usual of classes told apart and of the probe is so for as many of them."""

NO_GUIDE = Guide("", "")


def guide(label: str) -> Guide:
    """How the figure with this label is to be read."""
    return GUIDES.get(label, NO_GUIDE)
