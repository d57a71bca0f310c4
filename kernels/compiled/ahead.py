"""Kernels compiled in a second process, while this one compiles what it needs first.

Numba compiles one function at a time in a process. What both have compiled meets in the disk cache: this process waits
for a kernel that the other has begun, and compiles one that it has not. `kernels.cpu.ahead` is what the other runs.
"""

import atexit
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import IO, Any

BEGUN, DONE = "begun", "done"
MODULE = "fractalvid.kernels.cpu.ahead"


@dataclass
class _Second:
    """The other process, and what it has told of kernels, by key."""

    process: "subprocess.Popen[str]"
    begun: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    ended: bool = False
    news: Condition = field(default_factory=Condition)

    def listen(self) -> None:
        """Take its lines, to the last."""
        lines: Any = self.process.stdout
        for line in lines:
            what, _, key = line.strip().partition(" ")
            with self.news:
                (self.begun if what == BEGUN else self.done).add(key)
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()
        self.process.wait()


_second: _Second | None = None
_reports: IO[str] | None = None


def start(wishes: Sequence[str]) -> None:
    """Have the wishes of `kernels.cpu.ahead` compiled beside this process; once a process, later calls do nothing."""
    global _second
    if _second is not None or not wishes:
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, *wishes],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:  # no memory, no processes left: all is compiled here then
        return
    _second = _Second(process)
    atexit.register(process.kill)
    Thread(target=_second.listen, daemon=True).start()


def wait_for(key: str) -> bool:
    """Wait while the other process compiles this kernel; returns whether it did."""
    if _second is None:
        return False
    with _second.news:
        while key in _second.begun and key not in _second.done and not _second.ended:
            _second.news.wait()
        return key in _second.done


def report_to(stream: IO[str]) -> None:
    """In the other process: where it says what it compiles."""
    global _reports
    _reports = stream


def report(what: str, key: str) -> None:
    """Say that a kernel is `BEGUN` or `DONE`, in the other process only; it ends when nobody listens any more."""
    if _reports is not None:
        print(what, key, file=_reports, flush=True)
