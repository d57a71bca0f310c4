"""Kernels compiled in a second process: this one waits for what the other has begun, and finds it in the cache."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fractalvid.kernels.compiled import ahead
from fractalvid.kernels.cpu import ahead as wishes

SCRIPT = """
import time
from fractalvid.kernels.compiled import ahead
from fractalvid.kernels.compiled.compile import COMPILED
from fractalvid.kernels.cpu import points
ahead.start(["points", "loop:0:fused"])
deadline = time.monotonic() + 120
while not ahead._second.begun and time.monotonic() < deadline:
    time.sleep(0.01)
points.compile_all()
print(COMPILED)
"""


def test_what_the_other_compiled_is_in_the_cache(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    # The other had begun with this one, so this process waited for it, whatever came of those after it.
    assert "('_on_grid', True)" in done.stdout, done.stdout


def test_the_other_ends_when_nobody_listens(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", ahead.MODULE, *["points"] * 3]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(120) is not None
    assert process.stderr.read() == ""


def test_it_is_not_started_where_it_cannot_help(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(ahead, "start", asked.append)
    monkeypatch.setattr(wishes, "_kept", lambda name: False)
    monkeypatch.setattr(wishes, "CAN_KEEP", True)
    monkeypatch.setattr(wishes, "available_cores", lambda: 1)
    wishes.begin(["bent"], summed=False, coloured=False)
    assert not asked
    monkeypatch.setattr(wishes, "available_cores", lambda: 2)
    monkeypatch.setattr(wishes, "CAN_KEEP", False)
    wishes.begin(["bent"], summed=False, coloured=False)
    assert not asked
    monkeypatch.setattr(wishes, "CAN_KEEP", True)
    wishes.begin(["bent"], summed=False, coloured=True)
    wishes.begin(["bent"], summed=True, coloured=False)
    assert asked == [
        ["task:ColourRenderTask:1:fused", "points", "loop:14:fused", "loop:0:fused"],
        [
            *["task:RenderTask:1:fused", "points", "task:RenderTask:3:summed"],
            *["loop:14:fused", "loop:14:summed", "loop:0:fused", "loop:0:summed"],
        ],
    ]


def test_waiting_ends_with_the_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", "print('begun a')"], stdout=subprocess.PIPE, text=True)
    second = ahead._Second(process)
    second.listen()
    monkeypatch.setattr(ahead, "_second", second)
    assert second.begun == {"a"}
    assert not ahead.wait_for("a")  # it died over it: compile it here
    assert not ahead.wait_for("b")


def test_only_the_other_process_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead.report(ahead.BEGUN, "x")  # nowhere
    stream = io.StringIO()
    monkeypatch.setattr(ahead, "_reports", stream)
    ahead.report(ahead.DONE, "x")
    assert stream.getvalue() == "done x\n"
