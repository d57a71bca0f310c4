"""Workers that crash, as an encoder may, and that run out of memory."""

import os
import resource
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.faults.bench import PATIENCE, Bench
from tests.faults.child import members
from tests.faults.scenarios import SETS

PROCESSES = next(scenario for scenario in SETS if "processes" in scenario.name)


def workers_of(process: ForkServerProcess) -> list[int]:
    """The worker processes of a command, once there are some."""
    assert process.pid is not None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = [one for one in members(process.pid) if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("no workers")


def test_a_worker_that_crashes(bench: Bench) -> None:
    folder = bench.folder(PROCESSES)
    process = bench.start(PROCESSES, folder)
    os.kill(workers_of(process)[0], signal.SIGSEGV)
    assert "a worker was killed" in bench.ended(process, folder)
    bench.complete(PROCESSES, folder)


def test_a_worker_that_runs_out_of_memory(bench: Bench) -> None:
    folder = bench.folder(PROCESSES)
    process = bench.start(PROCESSES, folder)
    worker = workers_of(process)[0]
    _wait_for(folder / "set" / "clips")
    has = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(worker, resource.RLIMIT_AS, (has, has))
    bench.ended(process, folder)  # the encoder may name it otherwise, or be killed by it
    bench.complete(PROCESSES, folder)


def _wait_for(folder: Path) -> None:
    """Wait until there is something in a folder."""
    deadline = time.monotonic() + PATIENCE
    while not (folder.is_dir() and any(folder.iterdir())):
        assert time.monotonic() < deadline, f"nothing in {folder}"
        time.sleep(0.01)
