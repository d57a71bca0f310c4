"""Arrays of npz files: nothing is unpacked that was not announced, and nothing that is announced too large."""

import io
import threading
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np
import pytest
from numpy.lib import format as npy

from fractalvid.utils.npz import NpzError, open_npz


def archive(
    name: str, shape: tuple[int, ...], dtype: str, data: bytes, method: int = zipfile.ZIP_DEFLATED
) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened, opened.open(f"{name}.npy", "w") as member:
        npy.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
        member.write(data)
    return file


def test_threads_do_not_meet_in_the_parser_of_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, met = threading.Lock(), []
    original = npy.read_array_header_1_0

    def slowly(file: IO[bytes]) -> Any:
        met.append(not alone.acquire(blocking=False))
        time.sleep(0.01)
        if not met[-1]:
            alone.release()
        return original(file)

    monkeypatch.setattr(npy, "read_array_header_1_0", slowly)
    data = archive("a", (3,), "<f8", np.arange(3.0).tobytes()).getvalue()

    def read(_: int) -> Any:
        with open_npz(io.BytesIO(data)) as opened:
            return opened.read("a", most=100)

    with ThreadPoolExecutor(4) as pool:
        assert all(values.tolist() == [0, 1, 2] for values in pool.map(read, range(8)))
    assert len(met) == 16 and not any(met)


def test_arrays_come_back_as_they_were() -> None:
    arrays: dict[str, Any] = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.eye(3)[:2]),
        "c": np.array("text"),
    }
    arrays["empty"] = np.zeros((0, 3), np.int8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    with open_npz(file) as opened:
        for name, array in arrays.items():
            again = opened.read(name, most=1000)
            assert np.array_equal(again, array)
            assert again.dtype == array.dtype


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (archive("a", (2**40,), "<f8", bytes(8)), "more than"),
        (archive("a", (10,), "<f8", bytes(8)), "does not have the 80 bytes"),
        (archive("a", (1,), "<f8", bytes(2**28)), "does not have the 8 bytes"),
        (archive("a", (1,), "|O", b"cos\nsystem\n."), "objects"),
        (archive("a", (-1,), "<f8", b""), "shape"),
        (archive("a", (1,), "<f8", bytes(8), zipfile.ZIP_LZMA), "compressed"),
        (archive("b", (1,), "<f8", bytes(8)), "no array a"),
        (io.BytesIO(b"PK"), "damaged"),
    ],
)
def test_others_are_one_line_and_take_no_memory(file: io.BytesIO, said: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(NpzError, match=said), open_npz(file) as opened:
            opened.read("a", most=1000)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
