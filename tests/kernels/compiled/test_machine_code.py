"""What the compiler made of the hot loops: no locked counts of references, and vectors of full width."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from llvmlite import binding
from numba.core.errors import TypingError

from fractalvid.kernels.compiled import compile as compiling
from fractalvid.kernels.compiled.pointers import at
from fractalvid.kernels.cpu import drivers, frames, row_loops

pytestmark = pytest.mark.skipif(not binding.get_host_cpu_features().get("avx2"), reason="no wide vectors here")

LINEAR, SINUSOIDAL = 0, 1
_LABEL = re.compile(r"^(\S*fractalvid\S*):\n(.*?)^\.Lfunc_end", re.MULTILINE | re.DOTALL)
_WIDE = r"%zmm\d" if binding.get_host_cpu_features().get("avx512f") else r"%[yz]mm\d"


def functions(function: Any, signature: Any) -> dict[str, str]:
    """Machine code by function, of a driver and what it calls; compiled anew, since kept code has no listing."""
    dispatcher = compiling._jitted(function, signature, **compiling.FLAGS)
    listing = "".join(dispatcher.inspect_asm().values())
    return {label: body for label, body in _LABEL.findall(listing) if not label.startswith(("_ZN7cpython", "cfunc"))}


@pytest.fixture(scope="module")
def counting() -> Iterator[dict[str, str]]:
    signature = drivers.signature_of(frames.CountTask, 1, fused=True)
    yield functions(drivers.DRIVERS[frames.CountTask][0], signature)


def body_of(code: dict[str, str], name: str) -> str:
    """The code of the one function whose label holds a name, with the length that mangling puts before it."""
    return next(body for label, body in code.items() if f"{len(name)}{name}B" in label)


def test_nothing_in_a_row_counts_references(counting: dict[str, str]) -> None:
    body = body_of(counting, "locate_and_count")
    assert "lock" not in body
    assert "NRT_" not in body


def test_points_are_located_in_full_width(counting: dict[str, str]) -> None:
    body = body_of(counting, "locate_and_count")
    conversions = re.findall(r"vcvttps2dq\s.*", body)
    assert any(re.search(_WIDE, line) for line in conversions), conversions
    assert "vpmovzxdq" not in body  # 64-bit indices, four a vector


def test_rows_are_not_asked_whether_they_overlap(counting: dict[str, str]) -> None:
    assert "setb" not in body_of(counting, "locate_and_count")


@pytest.mark.parametrize("number", [LINEAR, SINUSOIDAL])
@pytest.mark.parametrize("fused", [True, False])
def test_row_loops_run_in_full_width(number: int, fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def note(signature: Any, function: Any, as_pointer: bool) -> Any:
        assert as_pointer
        seen.update(functions(function, signature))
        return compiling._jitted(function, signature, **compiling.FLAGS).get_compile_result(signature)

    monkeypatch.setattr(row_loops, "driver", note)
    row_loops.row_loop.__wrapped__(number, fused)
    body = body_of(seen, row_loops.loop_name(number, fused))
    assert "lock" not in body
    wide = re.findall(r"v(?:fmadd\w+ps|mulps|addps)\s.*", body)
    assert any(re.search(_WIDE, line) for line in wide), wide
    if fused:
        assert "setb" not in body  # no checks whether pointers overlap


def test_pointers_are_of_contiguous_arrays_only() -> None:
    read = compiling._jitted(lambda array: at(array, 5)[0])
    assert read(np.arange(12.0).reshape(3, 4)) == 5
    assert read(np.arange(12, dtype=np.int32)) == 5
    with pytest.raises(TypingError, match="C-contiguous"):
        read(np.arange(12.0).reshape(3, 4).T)
