"""Work in parts: every sample once, on as many threads as there is work for. Work ahead: one item, and no more."""

import threading
from collections.abc import Iterator

import pytest

from fractalvid.stream.threads import in_parts, one_ahead


@pytest.mark.parametrize(
    ("count", "threads", "parts"), [(32, 2, 2), (32, 8, 8), (32, 64, 8), (9, 8, 3), (4, 8, 1), (1, 1, 1)]
)
def test_parts_of_at_least_four_are_dealt_to_the_threads_there_are(count: int, threads: int, parts: int) -> None:
    seen: list[tuple[slice, int]] = []
    lock = threading.Lock()

    def work(rows: slice, own: int) -> None:
        with lock:
            seen.append((rows, own))

    in_parts(work, count, threads)
    assert len(seen) == parts
    rows = sorted(row for part, _ in seen for row in range(part.start, part.stop))
    assert rows == list(range(count))
    assert sum(own for _, own in seen) <= threads


def test_errors_of_a_part_are_raised() -> None:
    def work(rows: slice, own: int) -> None:
        if rows.start:
            raise ValueError("second part")

    with pytest.raises(ValueError, match="second part"):
        in_parts(work, 16, 2)


def test_items_come_in_order_with_what_was_made_of_them() -> None:
    assert list(one_ahead(lambda item: item**2, range(5))) == [(n, n**2) for n in range(5)]
    assert list(one_ahead(str, [])) == []
    assert list(one_ahead(str, [7])) == [(7, "7")]


def test_one_item_is_ahead_and_no_more() -> None:
    drawn = list[int]()

    def items() -> Iterator[int]:
        for number in range(9):
            drawn.append(number)
            yield number

    made = one_ahead(str, items())
    assert (next(made), drawn) == ((0, "0"), [0, 1])
    assert (next(made), drawn) == ((1, "1"), [0, 1, 2])


def test_the_thread_ends_with_the_iterator() -> None:
    names, go = list[str](), threading.Event()

    def work(item: int) -> int:
        names.append(threading.current_thread().name)
        if item:
            go.wait(10)
        return item

    made = one_ahead(work, range(9))
    next(made)
    thread = next(each for each in threading.enumerate() if each.name == names[0])
    made.close()  # does not wait for what is under way
    assert thread.is_alive()
    go.set()
    thread.join(10)
    assert not thread.is_alive()
    assert set(names) == {thread.name}
