import time

import pytest
import torch

from fractalvid.pretrain.machine import stopwatch
from fractalvid.pretrain.machine.stopwatch import Stopwatch


def test_times_add_up_by_name_and_are_told_once() -> None:
    watch = Stopwatch(torch.device("cpu"))
    for name in ("forward", "backward", "forward"):
        with watch.time(name):
            time.sleep(0.01)
    taken = watch.take()
    assert set(taken) == {"forward", "backward"}
    assert taken["forward"] >= 0.02
    assert watch.take() == {}


class Event:
    """A mark in a queue of a device that works when it is told to."""

    done, made = 0, 0

    def record(self) -> None:
        Event.made += 1
        self.number = Event.made

    def query(self) -> bool:
        return self.number <= Event.done

    def elapsed_time(self, end: "Event") -> float:
        return 1000.0 * (end.number - self.number)


def test_what_a_gpu_has_not_finished_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "_event", Event)
    watch = Stopwatch(torch.device("cuda"))
    for name in ("forward", "backward"):
        with watch.time(name):
            pass
    Event.done = 3  # in the midst of backward
    assert watch.take() == {"forward": 1.0}
    with watch.time("forward"):
        pass
    Event.done = 6
    assert watch.take() == {"backward": 1.0, "forward": 1.0}
    assert watch.take() == {}
