"""What the bar shows while nothing moves it."""

import pytest

from fractalvid.pretrain.engine.progress import ProgressBar


def test_the_bar_names_what_is_done_meanwhile(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = ProgressBar(done=0, total=8, show=True)
    bar.update(4, 8, loss=1.0)
    capsys.readouterr()
    with bar.during("validating"):
        assert "validating:" in capsys.readouterr().err
    assert "validating" not in capsys.readouterr().err.rsplit("\r", 1)[-1]
    bar.close()
