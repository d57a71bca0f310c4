"""A `Device` without a GPU: the CUDA sources compiled as C++, and run one block after the other."""

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
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from fractalvid.kernels.cpu import walkers
from fractalvid.kernels.cuda.source import Module

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
    """A `Device` on the processor. `backwards` runs the threads of a block in the other order."""

    xp: ModuleType = np
    blocks = 7
    """Fewer than most tests have jobs, so that blocks take several."""

    def __init__(self, *, shared_bytes: int = 227 * 1024, backwards: bool = False) -> None:
        self.shared_bytes = shared_bytes
        self.backwards = backwards
        self.launched: list[tuple[Module, str, tuple[int, int], int, int]] = []

    def launch(
        self, module: Module, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        assert shared <= self.shared_bytes
        assert kernel in module.kernels()
        assert block <= (module.block if kernel not in ("tone_boxes",) else 1024)
        self.launched.append((module, kernel, grid, block, shared))
        launchers = "\n".join(f"LAUNCHER({name})" for name in module.kernels())
        header = HEADER.read_text(encoding="utf-8").replace("#pragma once", "")
        library = compiled("\n".join([header, module.source(), launchers]))
        _check_types(kernel, _parameters(library, kernel), arguments)
        shape = (ctypes.c_uint * 5)(*grid, block, shared, self.backwards)
        kept = [_value(argument) for argument in arguments]
        values = (ctypes.c_void_p * len(kept))(*(ctypes.addressof(value) for value in kept))
        code = getattr(library, f"launch_{kernel}")(shape, values)
        assert code == 0, f"{kernel}: {WRONG[code]}"

    def stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def scattering(self) -> NDArray[np.uint32]:
        return walkers.SCATTERINGS


_TYPES = {"f": "float32", "d": "float64", "i": "int32", "j": "uint32", "a": "int8", "h": "uint8", "b": "bool"}
_TYPES |= dict.fromkeys("lx", "int64") | dict.fromkeys("my", "uint64")
"""Types by the letters that C++ compilers name them with; `long` and `long long` are one here."""


def _parameters(library: ctypes.CDLL, kernel: str) -> list[str]:
    """The types of a kernel's parameters by the compiler's names: `i` an int, `PKf` a pointer to const float."""
    named = getattr(library, f"parameters_{kernel}")
    named.restype = ctypes.c_char_p
    text: str = named().decode()
    return text.split()


def _check_types(kernel: str, parameters: Sequence[str], arguments: Sequence[Any]) -> None:
    """Arguments are the kernel's in number and type: on a GPU nobody would notice."""
    assert len(parameters) == len(arguments), f"{kernel} takes {len(parameters)} arguments, not {len(arguments)}"
    for place, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
        is_null = parameter.startswith("P") and argument.dtype == np.uint64 and argument.ndim == 0 and argument == 0
        fits = (isinstance(argument, np.ndarray) == parameter.startswith("P")) and (
            argument.dtype == _TYPES[parameter[-1]]
        )
        assert is_null or fits, f"{kernel}: argument {place} is {parameter}, and {argument.dtype} was given"


def _value(argument: Any) -> Any:
    """An argument as a kernel takes it: arrays by their address, numbers as they are."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    assert isinstance(argument, np.generic)
    return (ctypes.c_char * argument.nbytes).from_buffer_copy(argument.tobytes())


class Waits(Exception):
    """The host looked at what only the device knows, or mixed its own arrays with the device's."""


class DeviceArray(NDArrayOperatorsMixin):
    """An array as CuPy has them: the host knows its shape and type, and would have to wait for what is in it."""

    __array_priority__ = 1000
    _SAFE = frozenset({"shape", "ndim", "size", "dtype", "nbytes"})
    _GIVES_ARRAYS = frozenset({"T", "astype", "reshape", "view", "copy", "all", "any", "sum", "max", "min"})

    def __init__(self, kept: Any) -> None:
        self.kept = np.asarray(kept)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> "DeviceArray":
        if out is not None:
            options["out"] = _unwrapped(out)
        return DeviceArray(getattr(ufunc, method)(*map(_unwrapped, inputs), **options))

    def __getattr__(self, name: str) -> Any:
        if name in self._SAFE:
            return getattr(self.kept, name)
        if name not in self._GIVES_ARRAYS:
            raise Waits(name)
        return _wrapping(getattr(self.kept, name))

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: Any) -> "DeviceArray":
        return DeviceArray(self.kept[_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.kept[_index(index)] = _unwrapped(value)

    def _waits(self, *_: Any) -> Any:
        raise Waits("a value of the device's was asked for")

    __bool__ = __int__ = __float__ = __index__ = __array__ = __contains__ = item = tolist = nonzero = _waits


class DeviceNumpy(ModuleType):
    """NumPy's functions for such arrays, but for those whose result has a size that only the device knows."""

    _WAITING = frozenset(
        {"nonzero", "flatnonzero", "argwhere", "unique", "compress", "extract", "array_equal", "allclose"}
    )

    def __init__(self) -> None:
        super().__init__("device_numpy")

    def asarray(self, values: Any, dtype: Any = None) -> DeviceArray:
        """The way of arrays from the host."""
        return DeviceArray(np.array(values.kept if isinstance(values, DeviceArray) else values, dtype))

    def where(self, condition: Any, first: Any, second: Any) -> DeviceArray:
        """With three arguments only."""
        return DeviceArray(np.where(*map(_unwrapped, (condition, first, second))))

    def __getattr__(self, name: str) -> Any:
        if name in self._WAITING:
            raise Waits(name)
        return _wrapping(getattr(np, name))


class StrictDevice(HostDevice):
    """The same with arrays that raise `Waits` where a GPU would have to be waited for."""

    xp: ModuleType = DeviceNumpy()

    def launch(
        self, module: Module, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        super().launch(module, kernel, grid, block, shared, [_unwrapped(argument) for argument in arguments])

    def scattering(self) -> Any:
        return DeviceArray(super().scattering())


def _wrapping(member: Any) -> Any:
    """What gives arrays of NumPy's, giving such of the device's."""
    if isinstance(member, np.ndarray):
        return DeviceArray(member)
    if not callable(member) or isinstance(member, type):
        return member

    def call(*arguments: Any, **options: Any) -> Any:
        done = member(*map(_unwrapped, arguments), **{name: _unwrapped(value) for name, value in options.items()})
        return DeviceArray(done) if isinstance(done, np.ndarray | np.generic) else done

    return call


def _unwrapped(value: Any) -> Any:
    """A device's array as NumPy's; one that is the host's has no business here."""
    if isinstance(value, np.ndarray):
        raise Waits("an array of the host's among those of the device")
    if isinstance(value, tuple | list):
        return type(value)(_unwrapped(part) for part in value)
    return value.kept if isinstance(value, DeviceArray) else value


def _index(index: Any) -> Any:
    """An index: numbers, slices, and the device's arrays of whole numbers."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, list) or (isinstance(part, DeviceArray) and part.dtype == np.bool_):
            raise Waits("an index by a list or a mask")
    return tuple(_unwrapped(part) for part in parts)
