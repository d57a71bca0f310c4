"""Work in parts: every sample once, on as many threads as there is work for."""

import threading

import pytest

from fractalvid.stream.threads import in_parts


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
