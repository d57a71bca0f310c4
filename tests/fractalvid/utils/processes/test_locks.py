"""One process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.locks import exclusive_lock, waiting_lock

ADD_ONE = """
import sys, time
from pathlib import Path
from fractalvid.utils.processes.locks import waiting_lock
file = Path(sys.argv[1])
for _ in range(20):
    with waiting_lock(file.with_name("lock")):
        number = int(file.read_text())
        time.sleep(0.002)
        file.write_text(str(number + 1))
"""


def test_what_is_held_is_refused_until_it_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with exclusive_lock(lock, "busy"), pytest.raises(UserError, match=r"^busy$"), exclusive_lock(lock, "busy"):
        pass
    with exclusive_lock(lock, "busy"):
        pass


def test_an_error_inside_frees_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive_lock(tmp_path / "lock", "busy"):
        print(1 // 0)
    with exclusive_lock(tmp_path / "lock", "busy"):
        pass


def test_processes_take_turns(tmp_path: Path) -> None:
    file = tmp_path / "number"
    file.write_text("0")
    both = [subprocess.Popen([sys.executable, "-c", ADD_ONE, str(file)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert file.read_text() == "40"


def test_without_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: FileLock) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(FileLock, "_acquire", unknown)
    with waiting_lock(tmp_path / "lock"):
        pass
