"""Processes and threads: the compile cache, forks after a render, two threads at once."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from fractalvid.kernels import Jobs, accumulate
from tests.kernels.conftest import system, view

_PROBE = """
import json, sys
from fractalvid.kernels import Jobs, accumulate
from fractalvid.kernels.compiled.compile import COMPILED
jobs = Jobs.of([[[0.5, 0, 1, 0, 0.5, 1]]] * 2, [[1.0]], seed=[1, 2], variation=[4, 17])
accumulate(jobs, size=8, points=10)
mixed = Jobs.of([[[0.5, 0, 1, 0, 0.5, 1]] * 3], [[0.3, 0.3, 0.4]], seed=[1], variation=[[[13], [4], [35]]])
accumulate(mixed, size=8, points=10)
print(json.dumps([[name, hits] for name, hits in COMPILED]))
"""

_IMPORT = """
import importlib, pkgutil
from numba.core import event
with event.install_recorder("numba:compile") as compiled:
    for package in map(importlib.import_module, ("fractalvid",)):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
from fractalvid.kernels.compiled.compile import COMPILED
from fractalvid.kernels.cpu.points import share_within
import numpy as np
assert not compiled.buffer and not COMPILED, "importing compiles"
with event.install_recorder("numba:compile") as compiled:
    assert share_within(np.zeros((1, 4, 2), np.float32), 1.0) == 1
assert compiled.buffer and COMPILED == [("_share_within", False)], "the test would not notice"
"""


def _jobs(count: int = 4) -> Jobs:
    maps, weights = system(5, seed=1)
    return Jobs.of([maps] * count, [weights], seed=np.arange(count), projection=view((32, 32)))


def test_a_second_process_hits_the_compile_cache(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = []
    for _ in range(2):
        output = subprocess.run([sys.executable, "-c", _PROBE], env=environment, capture_output=True, check=True).stdout
        runs.append(json.loads(output))
    first, second = runs
    assert {name for name, _ in first} >= {"fused_horseshoe", "fused_popcorn", "summed_gaussian_blur", "_accumulate"}
    assert not any(cached for _, cached in first)
    assert all(cached for _, cached in second)
    files = sorted(path.name for path in tmp_path.rglob("*.nbc"))
    subprocess.run([sys.executable, "-c", _PROBE], env=environment, capture_output=True, check=True)
    assert sorted(path.name for path in tmp_path.rglob("*.nbc")) == files


def test_importing_compiles_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _IMPORT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_COMMAND = """
from fractalvid.utils.errors import run_cli
from fractalvid.kernels.cpu.points import share_within
from fractalvid.kernels.compiled.progress import expect
import numpy as np
def main(arguments):
    expect(["_share_within", "another"])
    share_within(np.zeros((1, 4, 2), np.float32), 1.0)
run_cli("x", main)
"""


def test_a_command_says_that_it_compiles_once(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stderr
        for code in (_COMMAND, _COMMAND)
    ]
    assert said[0].strip() == "compiling kernels for this machine, once: 0 of 2 are there"
    assert said[1] == ""


def test_a_library_compiles_quietly(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    code = _COMMAND.replace('run_cli("x", main)', "main([])")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert list(tmp_path.rglob("*.nbc"))


def _in_child(queue: Any) -> None:
    queue.put(accumulate(_jobs(), size=32, points=200_000, threads=2).counts)


def test_a_fork_after_a_render_works() -> None:
    before = accumulate(_jobs(), size=32, points=200_000, threads=2).counts
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    after = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert np.array_equal(before, after)


def test_two_threads_may_render_at_once() -> None:
    expected = accumulate(_jobs(), size=32, points=100_000).counts
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(accumulate(_jobs(), size=32, points=100_000, threads=2).counts))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4
    assert all(np.array_equal(expected, counts) for counts in results)
