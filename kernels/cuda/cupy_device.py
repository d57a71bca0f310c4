"""The GPU through CuPy: sources compiled by NVRTC when first used, and launched on PyTorch's current stream.

The only module that imports CuPy, and only when a GPU is asked for. Arrays are CuPy's; they share memory with PyTorch's
tensors through DLPack (`torch.from_dlpack`, `cupy.from_dlpack`), so nothing is copied.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from fractalvid.kernels.cpu import walkers
from fractalvid.kernels.cuda.source import Module

INSTALL = "pip install 'fractalvid[cuda13]', or [cuda12] for older drivers"
LEAST_CAPABILITY = (8, 0)
_CAPABILITY_ATTRIBUTES = (75, 76)
"""CUDA's numbers of the attributes ComputeCapabilityMajor and -Minor (cudaDeviceAttr)."""
_DEFAULT_SHARED = 48 * 1024
"""Bytes of shared memory that a block may have unasked."""
BLOCKS_EACH = 32
"""The most blocks that a multiprocessor of any GPU runs at a time."""


class CupyDevice:
    """A GPU, see `fractalvid.kernels.cuda.device.Device`. Make it with `device`."""

    def __init__(self, cupy: ModuleType, index: int) -> None:
        """Read the device's properties."""
        with cupy.cuda.Device(index) as chosen:
            attributes = chosen.attributes
            self._scattering = cupy.asarray(walkers.SCATTERINGS)
            cupy.cuda.get_current_stream().synchronize()  # once: whatever stream reads it later
        self.xp = cupy
        self.index = index
        self.name: str = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
        self.capability = (int(attributes["ComputeCapabilityMajor"]), int(attributes["ComputeCapabilityMinor"]))
        self.multiprocessors = int(attributes["MultiProcessorCount"])
        self.shared_bytes = int(attributes["MaxSharedMemoryPerBlockOptin"])
        self.blocks = BLOCKS_EACH * self.multiprocessors
        self._kernels: dict[tuple[Module, str], Any] = {}
        self._shared: dict[tuple[Module, str], int] = {}

    def launch(
        self, module: Module, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """Queue a kernel on the current stream, compiled first where it is new. Waits for nothing."""
        # CuPy passes the address of a strided array without a word.
        assert all(argument.flags.c_contiguous for argument in arguments), f"{kernel}: an array is not contiguous"
        key = (module, kernel)
        with self.stream():
            if key not in self._kernels:
                self._kernels[key] = self._compiled(module).get_function(kernel)
            function = self._kernels[key]
            if shared > self._shared.get(key, _DEFAULT_SHARED):
                function.max_dynamic_shared_size_bytes = shared
                self._shared[key] = shared
            function(grid, (block,), tuple(arguments), shared_mem=shared)

    @contextmanager
    def stream(self) -> Iterator[Any]:
        """Make this GPU and its current stream CuPy's: CuPy takes no stream of a GPU that is not the current one."""
        with self.xp.cuda.Device(self.index), self._current() as stream:
            yield stream

    def _current(self) -> Any:
        """The current stream: PyTorch's where PyTorch has been imported, for CuPy's allocations and operations too."""
        torch = sys.modules.get("torch")
        # This is asked for every kernel, so it must be fast. Until PyTorch initialises CUDA, its stream is the default.
        if torch is None or not torch.cuda.is_initialized():
            return self.xp.cuda.get_current_stream()
        return self._external_stream(torch.cuda.current_stream(self.index).cuda_stream)

    @cache  # noqa: B019 (PyTorch's streams live as long as the process, too)
    def _external_stream(self, address: int) -> Any:
        """PyTorch's stream at that address as CuPy's, while this GPU is the current one."""
        streams = self.xp.cuda
        if hasattr(streams.Stream, "from_external"):  # CuPy 14 has it, and warns of the other
            return streams.Stream.from_external(_Address(address))
        return streams.ExternalStream(address, self.index)

    def scattering(self) -> Any:
        """The fixed permutations of columns of `fractalvid.kernels.cpu.walkers`."""
        return self._scattering

    @cache  # noqa: B019 (devices live as long as the process)
    def _compiled(self, module: Module) -> Any:
        """A module, from CuPy's cache on disk where it is known there."""
        return self.xp.RawModule(code=module.source(), options=("-std=c++17",), backend="nvrtc")


class _Address:
    """A stream of another library, by CUDA's protocol `__cuda_stream__`."""

    def __init__(self, address: int) -> None:
        self.address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        """The protocol's version, and where the stream is."""
        return 0, self.address


@cache
def missing(index: int = 0) -> str | None:
    """Why the GPU of that number can't be used here, in one line; None where it can. Nothing is put on any GPU."""
    try:
        import cupy
    except ImportError:
        return f"no GPU is used: CuPy is not installed ({INSTALL})"
    except Exception as error:
        return f"no GPU is used: CuPy does not load ({_first_line(error)})"
    try:
        runtime = cupy.cuda.runtime
        count = int(runtime.getDeviceCount())
        if count < 1:
            return "no GPU is used: CUDA sees none"
        if index >= count:
            return f"no GPU is used: CUDA sees {count}, numbered from 0, and none is number {index}"
        major, minor = (int(runtime.deviceGetAttribute(attribute, index)) for attribute in _CAPABILITY_ATTRIBUTES)
    except Exception as error:
        return f"no GPU is used: CUDA does not start ({_first_line(error)})"
    if (major, minor) < LEAST_CAPABILITY:
        return f"no GPU is used: its compute capability is {major}.{minor}, and 8.0 is the least"
    return None


def device(index: int = 0) -> CupyDevice:
    """The GPU of that number, always the same object. Ask `missing` about it first."""
    return _made(index)


@cache
def _made(index: int) -> CupyDevice:
    import cupy

    return CupyDevice(cupy, index)


def find(index: int = 0) -> CupyDevice | None:
    """The GPU of that number, or None after one line that says why there is none."""
    found = device_or_reason(index)
    if isinstance(found, CupyDevice):
        return found
    warnings.warn(f"{found}; the CPU works instead", RuntimeWarning, stacklevel=2)
    return None


def device_or_reason(index: int = 0) -> CupyDevice | str:
    """The GPU of that number, or one line that says why it can't be used: `missing`, or it fails to start."""
    reason = missing(index)
    if reason is not None:
        return reason
    try:
        return device(index)
    except Exception as error:
        return f"no GPU is used: number {index} does not start ({_first_line(error)})"


def is_on_gpu(array: Any) -> bool:
    """Whether an array lies in the memory of a GPU."""
    return not isinstance(array, np.ndarray) and hasattr(array, "__cuda_array_interface__")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
