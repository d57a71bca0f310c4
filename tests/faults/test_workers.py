"""Workers that crash, as an encoder may."""

import os
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.faults.bench import PATIENCE, Bench
from tests.faults.child import members
from tests.faults.scenarios import SETS

PROCESSES = next(scenario for scenario in SETS if "processes" in scenario.name)


def _workers(process: ForkServerProcess) -> list[int]:
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
    os.kill(_workers(process)[0], signal.SIGSEGV)
    assert "a worker was killed" in bench.ended(process, folder)
    bench.complete(PROCESSES, folder)
