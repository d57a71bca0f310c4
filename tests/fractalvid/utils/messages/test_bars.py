"""Progress bars in a log are whole lines, and few of them."""

import sys

import pytest
from tqdm import tqdm

from fractalvid.utils.messages.bars import bar_options


def test_in_a_log_only_the_end_of_a_short_bar_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in tqdm(range(3), unit="video", **bar_options()):
        tqdm.write("finetune: a.mp4: there is no such file", file=sys.stderr)
    *said, bar = capsys.readouterr().err.splitlines()
    assert said == ["finetune: a.mp4: there is no such file"] * 3
    assert bar.startswith("100%|") and "3/3 [" in bar and "\r" not in bar


def test_a_long_bar_is_a_line_every_half_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 0.0
    monkeypatch.setattr("fractalvid.utils.messages.bars.time.monotonic", lambda: clock)
    file = bar_options()["file"]
    for clock in range(100):
        file.write(f"\r {clock}%")
    file.write("\n")
    assert capsys.readouterr().err.split() == ["30%", "60%", "90%", "99%"]


def test_a_bar_that_goes_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with tqdm(total=2, leave=False, **bar_options()) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""


def test_a_terminal_has_the_usual_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert bar_options() == {}
