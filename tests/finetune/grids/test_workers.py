import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from fractalvid.finetune.grids import Failure, Place, deal, find_places
from fractalvid.finetune.grids.workers import attempt
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError

TWO = (Place("cpu", 1), Place("cpu", 1))


@dataclass(frozen=True)
class Opened:
    """What each process does: a task is a word; files say what was done."""

    folder: Path

    def __call__(self, place: Place) -> Callable[[str], None]:
        return partial(do, self.folder)


def do(folder: Path, task: str) -> None:
    if task == "dies":
        os._exit(3)
    if task == "diverges":
        raise UserError("training has diverged")
    if task == "breaks":
        raise ValueError("a\nb")
    if task == "lasts":
        wait(folder)
    (folder / task).touch()


def wait(folder: Path) -> None:
    """A training that is told to stop: it saves, and ends."""
    (folder / "begun").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / "saved").touch()
        raise


def refuse(place: Place) -> Callable[[str], None]:
    raise UserError("there are no videos")


def test_what_fails_is_told_and_ends_nothing(tmp_path: Path) -> None:
    told: dict[str, Failure | None] = {}
    tasks = ["one", "dies", "diverges", "breaks", "two"]
    deal(tasks, Opened(tmp_path), TWO, told.__setitem__)
    reasons = {task: failure and failure.reason for task, failure in told.items()}
    assert reasons == {
        "one": None,
        "dies": "its process has ended with exit code 3",
        "diverges": "training has diverged",
        "breaks": "ValueError: a",
        "two": None,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


def test_ctrl_c_has_every_process_save(tmp_path: Path) -> None:
    def ended(task: str, failure: Failure | None) -> None:
        until(tmp_path / "begun")
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        deal(["lasts", "one", "two"], Opened(tmp_path), TWO, ended)
    assert (tmp_path / "saved").exists()
    assert not (tmp_path / "two").exists()


def until(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(path)


def test_what_cannot_be_opened_is_refused() -> None:
    with pytest.raises(UserError, match="there are no videos"):
        deal(["one", "two"], refuse, TWO, lambda *_: None)


def test_one_place_needs_no_other_process(tmp_path: Path) -> None:
    told = []
    deal(["one", "diverges"], Opened(tmp_path), TWO[:1], lambda task, failure: told.append((task, failure)))
    assert told == [("one", None), ("diverges", Failure("training has diverged"))]
    deal([], refuse, TWO, lambda *_: None)


def test_a_task_that_is_left_alone_has_all_of_the_machine() -> None:
    seen: list[Place] = []

    def opened(place: Place) -> Callable[[str], None]:
        seen.append(place)
        return lambda task: None

    deal(["one"], opened, TWO, lambda *_: None)
    assert seen == [Place("cpu")]


def test_a_fault_of_the_program_keeps_its_trace(tmp_path: Path) -> None:
    failure = attempt(partial(do, tmp_path), "breaks")
    assert failure is not None and "in do" in failure.trace
    with pytest.raises(KeyboardInterrupt):
        attempt(interrupt, "one")


def interrupt(task: str) -> None:
    raise KeyboardInterrupt


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.finetune.grids.workers.available_cores", lambda: 8)
    assert find_places("cpu", None) == (Place("cpu"),)
    assert find_places("cpu", 3) == (Place("cpu", 2, 1 / 3),) * 3
    with pytest.raises(UserError, match="--jobs must be"):
        find_places("cpu", 0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [place.device for place in find_places("auto", None)] == ["cuda:0", "cuda:1"]
    assert [place.device for place in find_places("cuda", 3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert find_places("cuda:1", None) == (Place("cuda:1"),)
    half = Place("cpu", 2, 0.5).machine(Machine(cache_gb=4.0))
    assert (half.threads, half.cache_gb) == (2, 2.0)
    assert Place("cpu").machine(Machine(threads=5)).threads == 5
