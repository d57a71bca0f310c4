"""The one loop: a command is disturbed, given again, and what it leaves compared with an undisturbed run's."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from filelock import FileLock, Timeout

from tests.faults.child import Job, members, start
from tests.faults.disk import At, Point, Recorder, die, watch
from tests.faults.power import Disk
from tests.faults.scenarios import Compared, Scenario
from tests.finetune.helpers import folder_set

PATIENCE = 120.0
"""Seconds after which a command counts as hung."""
_LINGER = 10.0
"""Seconds that processes have to notice that the one which started them is gone."""


@dataclass(frozen=True)
class Undisturbed:
    """What a command does where nothing happens to it.

    Attributes:
        seconds: how long it took.
        operations: how much it asked of the disk (`disk.OPERATIONS`).
        left: what has to be equal.
        size: of what it leaves, in whole pages of 4 KiB.
    """

    seconds: float
    operations: int
    left: Compared
    size: int


@dataclass(frozen=True)
class Kill:
    """A kill: at a share of the undisturbed run's time, or before an operation or at a named point of its disk's."""

    when: float | int | Point

    def __str__(self) -> str:
        """For people."""
        if isinstance(self.when, Point):
            side = "after" if self.when.after else "before"
            return f"{side} {self.when.operation} {self.when.nth} of {self.when.pattern}"
        return f"at {self.when:.0%} of its time" if isinstance(self.when, float) else f"before operation {self.when}"


class Bench:
    """Runs commands in folders of their own below `root`, beside the videos that they read."""

    def __init__(self, root: Path) -> None:
        """Make the videos."""
        self.root = root
        folder_set(root / "videos", train=3, test=2)
        self._known: dict[str, Undisturbed] = {}
        self._number = 0

    def folder(self, scenario: Scenario) -> Path:
        """A new folder with what has to be done before the command."""
        self._number += 1
        folder = self.root / f"{self._number:04d}"
        self.fill(scenario, folder)
        return folder

    def fill(self, scenario: Scenario, folder: Path) -> None:
        """Put into a folder, which may be there, what has to be done before the command."""
        ready = self.root / f"ready {scenario.name}"
        if not ready.exists():
            for name in ("tmp", "cache"):
                (ready / name).mkdir(parents=True)
            for words in scenario.before:
                finish(Job(words, ready, scenario.settings))
        shutil.copytree(ready, folder, dirs_exist_ok=True)

    def undisturbed(self, scenario: Scenario) -> Undisturbed:
        """The command where nothing happens to it."""
        if scenario.name not in self._known:
            # The first one fills caches of compiled code, and its time is nobody's.
            finish(self._job(scenario, self.folder(scenario)))
            folder, log = self.folder(scenario), self.root / f"operations {scenario.name}"
            started = time.monotonic()
            finish(self._job(scenario, folder, partial(_record, log)))
            seconds, operations = time.monotonic() - started, len(log.read_text().splitlines())
            check_tidy(folder)
            outcome = folder / scenario.outcome
            self._known[scenario.name] = Undisturbed(seconds, operations, scenario.compare(outcome), _size(outcome))
            shutil.rmtree(folder)
        return self._known[scenario.name]

    def drawn_kills(self, scenario: Scenario, number: int, moments: Random) -> list[Kill]:
        """Kills at random: by turns at a share of the time, and before one of the operations on the disk."""
        known = self.undisturbed(scenario)
        return [
            Kill(moments.uniform(0.02, 0.98) if n % 2 else moments.randrange(known.operations)) for n in range(number)
        ]

    def kill(self, scenario: Scenario, kill: Kill) -> None:
        """Kill the command, then complete it."""
        known, folder = self.undisturbed(scenario), self.folder(scenario)
        if isinstance(kill.when, float):
            process = start(self._job(scenario, folder))
            process.join(kill.when * known.seconds)
            process.kill()
        else:
            process = start(self._job(scenario, folder, partial(_die_at, kill.when)))
        _wait(process)
        # Those at a share of the time may come too late; those at a named point must be felt.
        assert process.exitcode == -9 or not isinstance(kill.when, Point), f"{scenario.name} was not killed {kill}"
        self.complete(scenario, folder)

    def lose_power(self, scenario: Scenario, number: int, moments: Random) -> None:
        """Make the disks that a loss of power leaves at so many moments, and complete the command on each."""
        known, folder = self.undisturbed(scenario), self.folder(scenario)
        images = folder.with_name(f"{folder.name} images")
        at = frozenset(moments.sample(range(known.operations), number))
        finish(self._job(scenario, folder, partial(_follow, folder, images, at)))
        for image in sorted(images.iterdir()):
            self._number += 1
            left = image.rename(self.root / f"{self._number:04d}")
            for name in ("tmp", "cache"):
                (left / name).mkdir(exist_ok=True)
            self.complete(scenario, left)

    def try_to_run(self, scenario: Scenario, folder: Path, disturb: Callable[[], object] | None = None) -> str:
        """Run a command that may fail, but only with one line; returns that, or nothing where it has not failed."""
        return self.ended(self.start(scenario, folder, disturb), folder)

    def start(self, scenario: Scenario, folder: Path, disturb: Callable[[], object] | None = None) -> ForkServerProcess:
        """Start the command, with something that is done in its process before."""
        return start(self._job(scenario, folder, disturb))

    def ended(self, process: ForkServerProcess, folder: Path) -> str:
        """What a command that may fail has said of that; nothing where it has not failed."""
        code, said = self.over(process, folder)
        assert code in (0, 2), f"it ended with {code}: {said}"
        assert "Traceback" not in said, said
        errors = [line for line in said.splitlines() if "error: " in line]
        assert len(errors) == (code == 2), said
        return "".join(errors)

    def over(self, process: ForkServerProcess, folder: Path) -> tuple[int | None, str]:
        """Wait for a command: its exit code, and all that it has said."""
        _wait(process)
        return process.exitcode, folder.with_name(f"{folder.name}.txt").read_text()

    def complete(self, scenario: Scenario, folder: Path) -> None:
        """Give the same command again, and compare what it leaves with an undisturbed run's."""
        known = self.undisturbed(scenario)
        finish(self._job(scenario, folder))
        check_tidy(folder)
        left = scenario.compare(folder / scenario.outcome)
        differing = sorted(k for k in left.keys() | known.left.keys() if left.get(k) != known.left.get(k))
        assert not differing, f"{scenario.name} left other {differing}"
        shutil.rmtree(folder, ignore_errors=True)  # a mounted one stays

    def _job(self, scenario: Scenario, folder: Path, disturb: Callable[[], object] | None = None) -> Job:
        return Job(scenario.words_in(folder), folder, scenario.settings, disturb)


def _size(folder: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def _record(log: Path) -> None:
    watch(Recorder(log))


def _die_at(point: Point | int) -> None:
    watch(At(point, die))


def _follow(root: Path, images: Path, moments: frozenset[int]) -> None:
    watch(Disk(root, images, moments))


def finish(job: Job) -> None:
    """Run a command that has to succeed."""
    process = start(job)
    _wait(process)
    assert process.exitcode == 0, f"{job.words} ended with {process.exitcode}: {job.said.read_text()}"


def _wait(process: ForkServerProcess) -> None:
    """Wait for a command and for all that it has started, none of which may outlive it."""
    process.join(PATIENCE)
    hung = process.exitcode is None
    if hung:
        process.kill()
        process.join()
    assert process.pid is not None
    deadline = time.monotonic() + _LINGER
    while orphans := members(process.pid):
        assert time.monotonic() < deadline, f"{len(orphans)} processes outlive the command"
        time.sleep(0.02)
    assert not hung, f"no end after {PATIENCE:g} s"


def check_tidy(folder: Path) -> None:
    """No temporary files, and no lock that anybody holds."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    left = [name for name in names if name.endswith((".tmp", ".part")) or "/.merged" in name]
    left += [name for name in names if name.startswith("tmp/")]
    assert not left, f"temporary files were left: {left}"
    for lock in (path for path in folder.rglob("*") if path.name in (".lock", "lock")):
        try:
            FileLock(lock).acquire(blocking=False).lock.release()
        except Timeout:
            raise AssertionError(f"{lock} is held") from None
