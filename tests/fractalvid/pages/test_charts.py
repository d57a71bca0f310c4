"""Charts of reports, with names that matplotlib's own font lacks."""

import io
import warnings

import pytest
from matplotlib.figure import Figure

from fractalvid.pages.charts import look, save, svg


def chart(title: str) -> Figure:
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.add_subplot().set(title=title)
    return figure


def test_text_of_any_script_stays_text_without_a_warning() -> None:
    with warnings.catch_warnings(), look():
        warnings.simplefilter("error")
        assert "跳舞" in svg(chart("跳舞"))
        save(chart("打招呼"), io.BytesIO(), format="png")


def test_other_warnings_are_shown() -> None:
    class Warned(Figure):
        def savefig(self, *args: object, **options: object) -> None:
            warnings.warn("the layout was not applied", stacklevel=2)

    with pytest.warns(UserWarning, match="the layout"):
        save(Warned(), io.BytesIO(), format="png")
