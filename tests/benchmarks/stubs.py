"""Sections that stand for those of `benchmarks.gpu`: what can become of one, without a GPU and in no time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.report import GPU, Report

TEST_FILE = "FRACTALVID_STUB_TESTS"


def quick(report: Report, index: int) -> None:
    report.add(GPU, "Some GPU, 1 multiprocessor", name="Some GPU")
    report.add("speed", f"{index} a|s", "fast", speed=index)


def wrong(report: Report, index: int) -> None:
    report.add("counts", "other ones", ok=False)


def hangs(report: Report, index: int) -> None:
    report.add("before", "1")
    while True:
        time.sleep(60)


def crashes(report: Report, index: int) -> None:
    report.add("before", "1")
    print("\n".join(f"line {number}" for number in range(100)), flush=True)
    raise ValueError("nothing fits")


def dies(report: Report, index: int) -> None:
    report.add("before", "1")
    os.abort()


def stops(report: Report, index: int) -> None:
    """Not even its own clock ends this one, and it has started another."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    report.add("other", str(other.pid))
    os.kill(os.getpid(), signal.SIGSTOP)


def runs_tests(report: Report, index: int) -> None:
    from benchmarks.gpu.gpu_tests import run

    run(report, [Path(os.environ[TEST_FILE])])
