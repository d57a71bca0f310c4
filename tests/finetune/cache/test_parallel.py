import threading
import time
from collections.abc import Iterator

import pytest

from fractalvid.finetune.cache.parallel import as_done, in_order


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_every_item_comes_with_its_result(threads: int) -> None:
    assert sorted(as_done(lambda n: n * n, range(20), threads=threads)) == [(n, n * n) for n in range(20)]


def test_no_more_than_said_is_under_way() -> None:
    taken, lock, running, most = 0, threading.Lock(), 0, 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(12):
            taken += 1
            yield number

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return number

    for done, _ in enumerate(as_done(work, items(), threads=2, ahead=3)):
        assert taken <= done + 3
    assert taken == 12
    assert most <= 2


def test_an_error_ends_it_and_what_has_not_begun_never_does() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 2:
            raise ValueError("two")

    with pytest.raises(ValueError, match="two"):
        list(as_done(work, range(1000), threads=1, ahead=2))
    assert len(begun) <= 4


def test_who_stops_taking_stops_the_work() -> None:
    begun: list[int] = []
    results = as_done(begun.append, range(1000), threads=1, ahead=2)
    next(results)
    results.close()
    assert len(begun) <= 4


@pytest.mark.parametrize("threads", [1, 3])
def test_few_results_wait(threads: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    for done, result in enumerate(in_order(lambda number: number * number, items(), threads=threads)):
        assert result == done * done
        assert len(asked) - done <= threads + 1
    assert len(asked) == 20
