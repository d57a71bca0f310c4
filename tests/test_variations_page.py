"""The page of the variations says what the table says."""

import re

from PIL import Image

from benchmarks.kernels.variations_page import DOCS, page
from fractalvid.kernels.variations import VARIATIONS

TEXT = (DOCS / "variations.md").read_text(encoding="utf-8")


def test_the_page_is_the_one_made_from_the_table() -> None:
    assert page() == TEXT, "run python -m benchmarks.kernels.variations_page"


def test_it_lists_exactly_the_rows_of_the_table() -> None:
    listed = re.findall(r"^\| (\d+) \| \*?(\w+?)\*?(?: \\\*)? \| (.+?) \| (.*?) \|$", TEXT, re.M)
    assert [(int(number), name) for number, name, _, _ in listed] == [(k, row.name) for k, row in VARIATIONS.items()]
    for (_, _, formula, own), row in zip(listed, VARIATIONS.values(), strict=True):
        assert formula.replace("\\|", "|") in row.formula
        assert own.count(" to ") == len(row.params)


def test_its_picture_is_there_and_small() -> None:
    path = DOCS / "variations.png"
    assert "](variations.png)" in TEXT
    assert path.stat().st_size < 300_000
    with Image.open(path) as image:
        assert image.width < 1000
