"""What a fork has anew, whatever the threads of the process that it comes from were about."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fractalvid.stream import threads
from fractalvid.utils import npz
from fractalvid.utils.processes.forks import per_process
from fractalvid.video import pictures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")


def holds_in_a_fork(check: Callable[[], bool]) -> bool:
    process = os.fork()
    if process == 0:  # no assert here: it would end as a second pytest
        signal.alarm(60)
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_fork_has_its_own_and_this_process_keeps_its_own() -> None:
    things = per_process(list[int])
    things().append(3)
    assert holds_in_a_fork(lambda: things() == [] and things() is things())
    assert things() == [3]


@pytest.mark.parametrize("lock", [npz._parser, pictures._lock, threads._lock])
def test_a_lock_that_a_thread_held_is_open(lock: Callable[[], threading.Lock]) -> None:
    with lock():
        assert holds_in_a_fork(lambda: lock().acquire(timeout=5))
        assert lock().locked()
    assert not lock().locked()


def test_threads_of_samples_are_made_anew() -> None:
    def work() -> bool:
        done = list[int]()
        threads.in_parts(lambda rows, _: done.extend(range(8)[rows]), 8, 2)
        return sorted(done) == list(range(8))

    with ThreadPoolExecutor(1) as other:
        assert other.submit(work).result()
    assert holds_in_a_fork(work)
