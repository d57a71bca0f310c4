"""A small bank that many tests share, and what a refused command leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fractalvid.fractals.bank import ClassBank
from tests.fractalvid.command import fractalvid


@pytest.fixture(scope="session")
def bank() -> ClassBank:
    """Twelve classes of the default configuration."""
    return ClassBank.sample(12, seed=3)


@pytest.fixture
def refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """`refuses(said, *arguments)`: the command, in `tmp_path`, ends with exit code 2, one line, and no new file."""

    def files() -> list[Path]:
        return sorted(path for path in tmp_path.rglob("*") if path.is_file())

    def check(said: str, *arguments: object) -> None:
        before = files()
        assert fractalvid(*arguments) == 2
        # Some mistakes show when a progress bar stands there already.
        (line,) = (line for line in capsys.readouterr().err.splitlines() if line and "clip/s]" not in line)
        assert line.startswith("fractalvid: error: ")
        assert said in line
        assert files() == before

    monkeypatch.chdir(tmp_path)
    return check
