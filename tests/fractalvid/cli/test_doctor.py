"""The doctor finds what is there and what is not, and fails at nothing."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from fractalvid.cli.doctor import Finding, examine, summary
from fractalvid.cli.main import dispatch
from fractalvid.kernels.cuda import cupy_device
from fractalvid.utils.errors import run_cli
from fractalvid.video.index import default_cache_dir
from tests.kernels.compiled.unwritable import temporary, without_cache_folder

ROOT = Path(__file__).parents[3]


def by_name() -> dict[str, Finding]:
    return {finding.what: finding for finding in examine()}


def test_what_is_here() -> None:
    found = by_name()
    assert found["numba"].text == metadata.version("numba")
    assert metadata.version("torch") in found["PyTorch"].text
    assert found["packages"].state == "ok"
    assert str(ROOT) in found["packages"].text
    assert found["GPU"].state == "ok" if cupy_device.missing() is None else found["GPU"].state != "ok"
    assert {"Python", "processor", "cache", "data", "CuPy", "PyAV", "compilers"} < set(found)
    assert str(default_cache_dir()) in found["data"].line()


def test_the_command_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("fractalvid", dispatch, ["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 10
    assert lines[0] == "looking at this machine"
    assert lines[1].split()[:2] == ["ok", "Python"]
    assert all(line.split()[0] in ("ok", "note", "missing") for line in lines[1:-1])
    assert run_cli("fractalvid", dispatch, ["doctor", "--loudly"]) == 2


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    cache = by_name()["cache"]
    assert cache.state == "missing"
    assert "NUMBA_CACHE_DIR" in cache.line()
    assert "cache" in summary([cache])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new" / "cache"))
    assert by_name()["cache"].state == "ok"
    assert not (tmp_path / "new").exists(), "looking changes nothing"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    found = by_name()
    assert {name for name, finding in found.items() if finding.state == "missing"} >= {"numba", "PyTorch", "PyAV"}
    assert "pip install av" in found["PyAV"].line()
    assert found["CuPy"].state == "note"


def test_a_part_of_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "fractalvid.pretrain" else object())
    assert by_name()["packages"].state == "missing"
    assert "no pretrain in" in by_name()["packages"].text


def test_the_last_line() -> None:
    fine = Finding("Python", "ok", "3.11")
    assert "on the CPU" in summary([fine, Finding("GPU", "note", "none")])
    assert "with a GPU" in summary([fine, Finding("GPU", "ok", "one")])
    assert summary([fine, Finding("PyAV", "missing", "not installed")]) == "to be put right: PyAV"


def test_where_nothing_that_lasts_can_be_written(tmp_path: Path) -> None:
    environment = without_cache_folder(tmp_path)
    command = [sys.executable, "-m", "fractalvid", "doctor"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = next(line for line in done.stdout.splitlines() if line.split()[1] == "cache")
    folder = temporary(tmp_path)
    assert told.startswith("note")
    assert f"compiled kernels are kept in {folder}: set NUMBA_CACHE_DIR" in told


@pytest.mark.parametrize(("features", "said"), [({"avx2": True, "amx-tile": True}, "with AVX2, AMX"), ({}, "use")])
def test_what_the_processor_can_do(features: dict[str, bool], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.cli.doctor._features", lambda: features)
    monkeypatch.setattr("fractalvid.cli.doctor._cores", lambda: 4)
    found = by_name()
    assert found["processor"].text.endswith(said)
    assert "about 1320 clips a second" in found["speed"].text
    assert found["speed"].state == ("ok" if features else "note")
    assert "the first use compiles" in found["speed"].text
