"""Sections one after the other, each in a process of its own with a deadline, so that no hang takes the rest.

A section may take its share of the time, and what those before it have left over. The process of a section ends itself
when its time is up (`benchmarks.gpu.child`); if not even that works, it is killed, with all that it started.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.common import RESULTS
from benchmarks.gpu.report import Row, rows_of

GRACE = 2.0
"""Seconds from a section's deadline until it is killed."""
POLL = 0.05
KEPT_LINES, KEPT_BYTES = 30, 20_000
"""What is kept of what a section that did not get to its end has said last."""
State = Literal["done", "cut off", "failed", "left out"]


@dataclass(frozen=True)
class Section:
    """A part of the benchmark.

    Attributes:
        name: by which it is asked for.
        target: its function, as MODULE:FUNCTION; it takes a `Report` and the number of the GPU.
        share: of all the time. A section with 0 has what others leave.
        least: seconds without which it is not begun.
    """

    name: str
    target: str
    share: float
    least: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of a section.

    Attributes:
        name: of the section.
        state: whether it came to its end.
        limit: seconds that it had.
        seconds: those that it took.
        spare: whether it only had what others left.
        rows: what it has measured.
        last_lines: what it said last, where it did not come to its end.
    """

    name: str
    state: State
    limit: float
    seconds: float = 0.0
    spare: bool = False
    rows: list[Row] = field(default_factory=list)
    last_lines: list[str] = field(default_factory=list)

    def described(self) -> str:
        """The state in words."""
        match self.state:
            case "left out":
                return f"left out: {self.limit:.0f} s are too few"
            case "cut off":
                return f"cut off after {self.limit:.0f} s, its time; what it had measured by then stands here"
        return f"{self.state} after {self.seconds:.0f} s of {self.limit:.0f}"


class Files(NamedTuple):
    """Where a section's rows go, and what it says."""

    rows: Path
    log: Path


def run_all(
    sections: Sequence[Section],
    seconds: float,
    *,
    index: int = 0,
    save: Callable[[list[Outcome]], None],
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Run sections in that order, within so many seconds and `GRACE`.

    Args:
        sections: what to run.
        seconds: for all of them together.
        index: the number of the GPU.
        save: is given all outcomes so far after each section.
        say: is given a line for whatever is new.
    """
    end = time.monotonic() + seconds
    outcomes: list[Outcome] = []
    for number, section in enumerate(sections):
        limit = end - time.monotonic() - seconds * _share(sections, sections[number + 1 :])
        say(f"== {section.name}: at most {max(limit, 0):.0f} s")
        outcomes.append(_run_one(section, limit, index, say))
        say(f"== {section.name}: {outcomes[-1].described()}")
        save(outcomes)
    return outcomes


def _share(sections: Sequence[Section], part: Sequence[Section]) -> float:
    """The share of the time that a part of the sections has."""
    whole = sum(section.share for section in sections)
    return sum(section.share for section in part) / whole if whole else 0.0


def _run_one(section: Section, limit: float, index: int, say: Callable[[str], None]) -> Outcome:
    if limit <= section.least:
        return Outcome(section.name, "left out", max(limit, 0.0), spare=section.share == 0)
    with tempfile.TemporaryDirectory(prefix="fractalvid-gpu-") as folder:
        files = Files(Path(folder) / "rows", Path(folder) / "log")
        begin = time.monotonic()
        code = _watched(section, files, limit, index, say)
        seconds = time.monotonic() - begin
        state: State = "done" if code == 0 else "cut off" if seconds >= limit else "failed"
        kept = [] if state == "done" else _last_lines(files.log)
        for line in kept:
            say(f"   | {line}")
        return Outcome(section.name, state, limit, seconds, section.share == 0, rows_of(files.rows), kept)


def _watched(section: Section, files: Files, limit: float, index: int, say: Callable[[str], None]) -> int | None:
    """The exit code of a section's process, None where it had to be killed; its rows are said as they come."""
    command = [sys.executable, "-m", "benchmarks.gpu.child", section.target, str(files.rows), str(limit), str(index)]
    deadline = time.monotonic() + limit + GRACE
    with files.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=RESULTS.parents[1], start_new_session=True
        )
    said = 0
    try:
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL)
            said += _say_rows(rows_of(files.rows)[said:], say)
        _say_rows(rows_of(files.rows)[said:], say)
        return process.returncode
    finally:
        _kill(process)


def _say_rows(rows: Sequence[Row], say: Callable[[str], None]) -> int:
    for row in rows:
        say(f"{row['what']}: {row['shown']}")
    return len(rows)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started. One that waits inside a driver ends later: nobody waits for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def _last_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - KEPT_BYTES))
        return file.read().decode(errors="replace").splitlines()[-KEPT_LINES:]
