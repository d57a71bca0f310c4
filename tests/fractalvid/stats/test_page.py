"""The page of figures says how each is to be read, and what is usual is what was measured."""

import dataclasses
import html
import re
from pathlib import Path

import numpy as np
import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.stats.config import StatsConfig
from fractalvid.stats.guide import GUIDES
from fractalvid.stats.measure import measure
from fractalvid.stats.page import measured_how, render_page
from fractalvid.stats.probe import VIEWS, ProbeResult
from fractalvid.stats.results import BINS, SourceStats
from fractalvid.stats.source import BankSource
from fractalvid.stats.table import rows

QUALITY = Path(__file__).parents[3] / "benchmarks" / "results" / "quality.md"
CONFIG = StatsConfig(classes=3, clips=3, held_out=1, size=32, points=2000, motion_probe=False)


@pytest.fixture(scope="module")
def measured() -> SourceStats:
    source = BankSource("fractals", ClassBank.sample(3, seed=3), CONFIG)
    return measure(source, CONFIG, workers=1, progress=False)


def test_what_is_called_usual_is_what_was_measured_of_fractals() -> None:
    table: dict[str, str] = {}
    for line in QUALITY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3:
            table.setdefault(cells[1], cells[2])
    assert {label: guide.usual for label, guide in GUIDES.items()} == {label: table[label] for label in GUIDES}


def test_every_chart_has_axes_with_units_and_a_sentence_that_says_what_is_good(measured: SourceStats) -> None:
    page = render_page([measured], CONFIG, {}, "fractalvid stats fractals")
    figures = re.findall(r"<figure>(.*?)</figure>", page, re.S)
    assert len(figures) == 6 + 1 + 1  # histograms, the spectrum, the classifier
    for text in ("share of the pixels (%)", "frame widths", "exponent α", "clips (%)", "classes (%)", "% of white"):
        assert text in page
    for guide in GUIDES.values():
        assert guide.text in page
    captions = [re.search("<figcaption>(.*)</figcaption>", one) for one in figures[:6]]
    assert all(caption and "Fractals are usually at" in caption[1] for caption in captions)
    assert "<th>good</th>" in page


def test_a_histogram_shows_the_part_where_clips_are(measured: SourceStats) -> None:
    lit = measured.figures["occupancy"]
    assert lit is not None
    for last, least, most in ((4, 15, 22), (BINS - 1, 99, 101)):
        shares = np.zeros(BINS)
        shares[last] = 1
        one = dataclasses.replace(lit, histogram=tuple(shares))
        made = dataclasses.replace(measured, figures=measured.figures | {"occupancy": one})
        first = render_page([made], CONFIG, {}, "")
        chart = first[first.index("<figure>") : first.index("share of the pixels")]
        ticks = [float(text) for text in re.findall(r">(\d+(?:\.\d+)?)</text>", chart)]
        assert least <= max(ticks) <= most


def test_a_figure_that_no_clip_has_has_no_histogram(measured: SourceStats) -> None:
    still = dataclasses.replace(measured, figures=measured.figures | {"motion": None})
    page = render_page([still], CONFIG, {}, "")
    assert GUIDES["motion"].text not in page
    assert GUIDES["path of the centre"].text in page


def test_what_is_said_of_a_row_finds_its_row(measured: SourceStats) -> None:
    shares = dict.fromkeys(VIEWS, 0.5)
    probed = dataclasses.replace(measured, probe=ProbeResult(shares, {view: [0.5] for view in VIEWS}, 0.5, 4))
    said, labels = measured_how(CONFIG), {row.label for row in rows([probed])}
    assert said.keys() | GUIDES.keys() <= labels
    page = render_page([probed], CONFIG, {}, "")
    assert all(html.escape(text) in page for text in said.values())
