"""Processes that make a set's clips: the same bytes as threads, and nobody left behind or kept waiting."""

import gc
import hashlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

from fractalvid.core.constants import BANK_FILE
from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import SetConfig, generate, workers
from fractalvid.sets.manifest import ClipId, ManifestRow
from fractalvid.sets.workers import ClipMaker, open_workers, store_of
from fractalvid.utils.errors import UserError

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in Linux's /proc")

SLOW = """
from pathlib import Path
from fractalvid.sets import workers
from fractalvid.core.constants import BANK_FILE
from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import SetConfig, generate
if __name__ == "__main__":
    workers.CLIPS_FOR_PROCESSES = 1
    generate(ClassBank.sample(50, seed=3), Path("set"), SetConfig(clips=40, size=32, points=200_000), workers=2)
"""
"""A set that takes a minute or more."""


def digest(root: Path) -> dict[str, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".npz"]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    "config",
    [
        SetConfig(clips=5, size=32, points=2000),
        SetConfig(clips=5, size=32, points=2000, format="webdataset", shard_size=6, masks=True),
    ],
)
def test_processes_make_what_threads_make(config: SetConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = ClassBank.sample(4, seed=3)
    generate(bank, tmp_path / "threads", config, workers=2, progress=False)
    monkeypatch.setattr(workers, "CLIPS_FOR_PROCESSES", 1)
    assert generate(bank, tmp_path / "processes", config, workers=2, progress=False) == 0
    assert digest(tmp_path / "processes") == digest(tmp_path / "threads")


@pytest.fixture
def maker(tmp_path: Path) -> ClipMaker:
    bank, config = ClassBank.sample(2, seed=3), SetConfig(clips=1, size=32, points=2000)
    bank.save(tmp_path / BANK_FILE)
    return ClipMaker(bank, store_of(tmp_path, config, len(bank)), config)


def test_a_short_set_starts_no_process(maker: ClipMaker, tmp_path: Path) -> None:
    with open_workers(maker, tmp_path, workers=2, clips=workers.CLIPS_FOR_PROCESSES - 1) as crew:
        rows = crew.make([ClipId(0, 0), ClipId(1, 0)]).result()
        assert [row.clip for row in rows] == [(0, 0), (1, 0)]
        assert all(isinstance(row, ManifestRow) for row in rows)  # and not all the bytes, which processes would send
        assert not children(os.getpid())


def never_ending(out: Path, config: SetConfig, over: Connection) -> None:
    workers._start_process(out, config, over)
    time.sleep(300)


def test_a_process_ends_when_nobody_waits_for_it_any_more(maker: ClipMaker, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    over, end = context.Pipe(duplex=False)
    process = context.Process(target=never_ending, args=(tmp_path, maker.config, over))
    process.start()
    end.close()
    process.join(100)
    assert process.exitcode == 1


def test_a_process_that_is_killed_is_said_in_a_line(maker: ClipMaker, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="a worker was killed"),
        open_workers(maker, tmp_path, workers=2, clips=workers.CLIPS_FOR_PROCESSES) as crew,
    ):
        crew.make([ClipId(0, 0)]).result()
        for child in children(os.getpid()):
            os.kill(child, signal.SIGKILL)
        crew.make([ClipId(1, 0)]).result()


def end_within_a_message() -> None:
    """Be killed with half of what was made on its way."""
    queues = [thing for thing in gc.get_objects() if isinstance(thing, SimpleQueue)]
    (results,) = [queue for queue in queues if getattr(queue, "_wlock", None) is not None]
    results._wlock.acquire()  # type: ignore[attr-defined]
    os.write(results._writer.fileno(), (1000).to_bytes(4) + b"half")  # type: ignore[attr-defined]
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_within_a_message_is_said_in_a_line(maker: ClipMaker, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="a worker was killed"),
        open_workers(maker, tmp_path, workers=2, clips=workers.CLIPS_FOR_PROCESSES) as crew,
    ):
        crew.make([ClipId(0, 0)]).result()
        crew._pool.submit(end_within_a_message)
        crew.make([ClipId(1, 0)]).result()
        crew.make([ClipId(2, 0)]).result()
    assert not children(os.getpid())


def test_an_error_in_a_process_is_raised_here(maker: ClipMaker, tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("in the way")
    with (
        pytest.raises(OSError, match="clips"),
        open_workers(maker, tmp_path, workers=2, clips=workers.CLIPS_FOR_PROCESSES) as crew,
    ):
        crew.make([ClipId(0, 0)]).result()


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, -2)])
def test_no_process_outlives_the_command(how: signal.Signals, code: int, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    run = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: len(list(tmp_path.glob("set/clips/*/*.mp4"))) > 4)
    started = children(run.pid)
    assert len(started) >= 2
    os.killpg(run.pid, how) if how == signal.SIGINT else run.send_signal(how)  # Ctrl-C reaches the whole group
    _, said = run.communicate(timeout=60)
    assert run.returncode == code
    wait_for(lambda: not any(alive(child) for child in started))
    assert tracebacks(said) <= 1  # our own KeyboardInterrupt, and none of a worker's


def test_an_interrupt_while_processes_start_is_none_of_theirs(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    run = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: any(map(answers_interrupts, children(run.pid))))
    started = children(run.pid)
    os.killpg(run.pid, signal.SIGINT)  # they import for a second or more before they can ignore it
    _, said = run.communicate(timeout=60)
    assert run.returncode == -signal.SIGINT
    wait_for(lambda: not any(alive(child) for child in started))
    assert tracebacks(said) == 1, said  # our own


def test_an_interrupt_waits_whichever_thread_it_reaches() -> None:
    over, held = threading.Event(), False
    other = threading.Thread(target=over.wait)
    other.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), workers._interrupts_held():
            assert other.ident is not None
            signal.pthread_kill(other.ident, signal.SIGINT)
            time.sleep(0.2)
            held = True
        assert held
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        over.set()
        other.join()


def test_processes_ignore_interrupts_and_hold_nothing_back(maker: ClipMaker, tmp_path: Path) -> None:
    with open_workers(maker, tmp_path, workers=2, clips=workers.CLIPS_FOR_PROCESSES) as crew:
        crew.make([ClipId(0, 0)]).result()
        for child in children(os.getpid()):
            assert [has_interrupts(child, mask) for mask in ("SigBlk", "SigIgn")] == [False, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def tracebacks(said: str) -> int:
    """How many were printed; the errors that one came up beside, as inside of pathlib, are a part of it."""
    return said.count("Traceback") - said.count("During handling of the above exception")


def children(pid: int) -> list[int]:
    """Worker processes that a process started; multiprocessing has another one, for its own books."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def has_interrupts(pid: int, mask: str) -> bool:
    """Whether Ctrl-C's signal is in a mask of a process: SigBlk, SigIgn, or SigCgt for what it has a handler of."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(re.findall(rf"{mask}:\t(\w+)", status)[0], 16) & 1 << signal.SIGINT - 1)


def answers_interrupts(pid: int) -> bool:
    """Whether Python is up in a process, so that a signal would end in its traceback."""
    try:
        return has_interrupts(pid, "SigCgt")
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.02)
