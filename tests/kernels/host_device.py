"""A device for `kernels.launch` without a GPU: the CUDA sources compiled as C++, run a block after the other."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import walkers
from kernels.source import KERNELS, Module

HEADER = Path(__file__).with_name("host_cuda.h")
WRONG = {1: "a barrier that not all threads come to", 2: "a write beyond the block's shared memory"}


def compiler() -> str:
    """The system's C++ compiler; a test that asks for one where there is none is skipped."""
    found = shutil.which("g++") or shutil.which("clang++")
    if found is None:
        pytest.skip("no C++ compiler (g++ or clang++) to build the device code with")
    return found


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="fractalvid-cuda-")
    _folder_kept.append(folder)
    return Path(folder.name)


_folder_kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def compiled(text: str) -> ctypes.CDLL:
    """A shared library of C++ source text; multiply and add may fuse there, as on a GPU."""
    program = compiler()
    number = len(list(_folder().glob("*.cpp")))
    source, library = _folder() / f"{number}.cpp", _folder() / f"{number}.so"
    source.write_text(text, encoding="utf-8")
    command = [
        program,
        "-std=c++17",
        "-O1",
        "-march=native",
        "-ffp-contract=fast",
        "-U_FORTIFY_SOURCE",
        "-fPIC",
        "-shared",
        "-w",
    ]
    done = subprocess.run([*command, str(source), "-o", str(library)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return ctypes.CDLL(str(library))


class HostDevice:
    """A `kernels.launch.Device` on the processor. `backwards` runs the threads of a block in the other order."""

    xp: ModuleType = np

    def __init__(self, *, shared_bytes: int = 227 * 1024, backwards: bool = False) -> None:
        self.shared_bytes = shared_bytes
        self.backwards = backwards
        self.launched: list[tuple[Module, str, tuple[int, int], int, int]] = []

    def launch(
        self, module: Module, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        assert shared <= self.shared_bytes
        assert kernel in KERNELS[module.name]
        assert block <= (module.block if kernel not in ("tone_boxes",) else 1024)
        self.launched.append((module, kernel, grid, block, shared))
        launchers = "\n".join(f"LAUNCHER({name})" for name in KERNELS[module.name])
        header = HEADER.read_text(encoding="utf-8").replace("#pragma once", "")
        library = compiled("\n".join([header, module.source(), launchers]))
        shape = (ctypes.c_uint * 5)(*grid, block, shared, self.backwards)
        kept = [_value(argument) for argument in arguments]
        values = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(value) for value in kept))
        code = getattr(library, f"launch_{kernel}")(shape, values)
        assert code == 0, f"{kernel}: {WRONG[code]}"

    def stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def scattering(self) -> NDArray[np.uint32]:
        return walkers._SCATTER


def _value(argument: Any) -> Any:
    """An argument as a kernel takes it: arrays by their address, numbers as they are."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    assert isinstance(argument, np.generic)
    return (ctypes.c_char * argument.nbytes).from_buffer_copy(argument.tobytes())
