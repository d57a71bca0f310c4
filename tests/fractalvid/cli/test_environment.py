"""Commands start whatever environment they inherit: a notebook's, a container's, one without UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernels.compiled.unwritable import ROOT

NOTEBOOK = {"MPLBACKEND": "module://nosuch_package.backend_inline"}
NO_UTF_8 = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NARROW = {"COLUMNS": "20"}
TILDE = {"XDG_CACHE_HOME": "~/caches", "NUMBA_CACHE_DIR": "~/compiled"}

# What a user has whom the system does not know, as in a container: no HOME, and no entry in passwd.
_UNKNOWN_USER = """
import os, sys, pwd
os.environ.pop("HOME", None)
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
"""
_MAIN = """
from fractalvid.cli.main import main
main()
"""


def run(
    code: str, *arguments: str, folder: Path, environment: dict[str, str], without: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run code in a process in `folder`."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    own = {"PYTHONPATH": str(ROOT), "HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=kept | own | environment,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("environment", [NOTEBOOK, NO_UTF_8, NARROW, TILDE], ids=["notebook", "ascii", "narrow", "~"])
@pytest.mark.parametrize("arguments", [["doctor"], ["generate", "--help"], ["finetune", "--list"]], ids=" ".join)
def test_commands_start_in_it(environment: dict[str, str], arguments: list[str], tmp_path: Path) -> None:
    done = run(_MAIN, *arguments, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout
    assert not (tmp_path / "~").exists()


def test_what_is_not_ascii_is_printed_where_output_is(tmp_path: Path) -> None:
    done = run(_MAIN, "verify", "für Elise", folder=tmp_path, environment=NO_UTF_8)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "Elise" in done.stderr


def test_charts_are_drawn_whatever_backend_is_named(tmp_path: Path) -> None:
    code = """
from fractalvid.pages import look, new_figure, svg
with look():
    assert "<svg" in svg(new_figure(1, 1))
import os
assert os.environ["MPLBACKEND"].startswith("module")
"""
    done = run(code, folder=tmp_path, environment=NOTEBOOK)
    assert (done.returncode, done.stderr) == (0, "")


def test_charts_follow_no_settings_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.facecolor: red\n", encoding="utf-8")
    code = """
from fractalvid.pages import look, new_figure
with look():
    import matplotlib
    assert not matplotlib.rcParams["text.usetex"] and new_figure(1, 1).get_facecolor() == (1, 1, 1, 1)
"""
    done = run(code, folder=tmp_path, environment={"MATPLOTLIBRC": str(tmp_path)})
    assert done.returncode == 0, done.stderr


def test_a_backend_that_is_there_stays_the_users(tmp_path: Path) -> None:
    code = """
from fractalvid.pages import new_figure
new_figure(1, 1)
import matplotlib
assert matplotlib.get_backend().lower() == "svg"
"""
    done = run(code, folder=tmp_path, environment={"MPLBACKEND": "svg"})
    assert done.returncode == 0, done.stderr


def test_kernels_run_though_jit_is_disabled(tmp_path: Path) -> None:
    code = """
import sys
from fractalvid.kernels.compiled.random import philox4x32
from fractalvid.kernels.compiled.threads import run_all
from fractalvid.kernels.cpu.points import share_within
import numpy as np
assert share_within(np.zeros((1, 4, 2), np.float32), 1.0) == 1
import numba
print(numba.njit(run_all) is run_all, philox4x32([1, 2], [3, 4, 5, 6]).tolist())
"""
    plain, disabled = (
        run(code, folder=tmp_path, environment=environment) for environment in ({}, {"NUMBA_DISABLE_JIT": "1"})
    )
    assert (plain.returncode, disabled.returncode) == (0, 0), disabled.stderr
    assert disabled.stdout == plain.stdout.replace("False", "True")


@pytest.mark.parametrize("arguments", [["doctor"], ["pretrain", "--list"], ["finetune", "--list"]], ids=" ".join)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no passwd")
def test_a_user_without_home_and_name(arguments: list[str], tmp_path: Path) -> None:
    done = run(_UNKNOWN_USER + _MAIN, *arguments, folder=tmp_path, environment={}, without=("XDG_CACHE_HOME",))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "~").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no passwd")
def test_folders_of_caches_are_never_named_by_a_tilde(tmp_path: Path) -> None:
    code = """
from fractalvid.kernels.compiled import cache
from fractalvid.video.index import default_cache_dir
from numba import config
for folder in (default_cache_dir(), cache.users_folder(), *cache.numba_folders(), config.CACHE_DIR):
    print(folder)
"""
    known = run(code, folder=tmp_path, environment=TILDE)
    assert known.returncode == 0, known.stderr
    home = tmp_path / "home"
    assert known.stdout.splitlines()[:2] == [str(home / "caches" / "fractalvid"), str(home / "compiled")]
    assert known.stdout.splitlines()[-1] == str(home / "compiled")
    unknown = run(_UNKNOWN_USER + code, folder=tmp_path, environment=TILDE)
    assert unknown.returncode == 0, unknown.stderr
    assert not any(line.startswith("~") for line in unknown.stdout.splitlines())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(("stream", "arguments"), [("stdout", ["--help"]), ("stderr", ["dance"])])
def test_a_full_disk_behind_a_stream(stream: str, arguments: list[str]) -> None:
    streams: dict[str, int | None] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with open("/dev/full", "wb") as full:
        streams[stream] = full.fileno()
        command = [sys.executable, "-m", "fractalvid", *arguments]
        done = subprocess.run(command, **streams, stdin=subprocess.DEVNULL, cwd=ROOT)  # type: ignore[call-overload]
    assert done.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no shell that closes streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    command = f"{sys.executable} -m fractalvid verify --help {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, cwd=ROOT, text=True)
    assert (done.returncode, done.stderr) == (0, "")
