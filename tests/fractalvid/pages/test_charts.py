"""Charts of reports, with names that matplotlib's own font lacks."""

import io
import re
import warnings

import pytest
from matplotlib.figure import Figure

from fractalvid.pages.charts import look, plain, save, svg


def chart(title: str) -> Figure:
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.add_subplot().set(title=title)
    return figure


def test_text_of_any_script_stays_text_without_a_warning() -> None:
    with warnings.catch_warnings(), look():
        warnings.simplefilter("error")
        assert "跳舞" in svg(chart("跳舞"))
        save(chart("打招呼"), io.BytesIO(), format="png")


@pytest.mark.parametrize("name", ["_run", "__init__", "$5 or $6", "_$x$", "run_1"])
def test_every_name_is_in_the_legend_as_it_is(name: str) -> None:
    with look():
        figure = Figure(figsize=(3, 2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], label=plain(name))
        axes.legend()
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg(figure))
    assert name in [text.lstrip("\u200b") for text in texts]


def test_other_warnings_are_shown() -> None:
    class Warned(Figure):
        def savefig(self, *args: object, **options: object) -> None:
            warnings.warn("the layout was not applied", stacklevel=2)

    with pytest.warns(UserWarning, match="the layout"):
        save(Warned(), io.BytesIO(), format="png")
