"""The GPU through CuPy: sources compiled by NVRTC when first used, and launched on PyTorch's current stream.

The only module that imports CuPy, and only when a GPU is asked for. Arrays are CuPy's; they share memory with PyTorch's
tensors through DLPack (`torch.from_dlpack`, `cupy.from_dlpack`), so nothing is copied.
"""

import sys
import warnings
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from kernels import walkers
from kernels.source import Module

INSTALL = "pip install 'fractalvid[cuda13]', or [cuda12] for older drivers"
LEAST_CAPABILITY = (8, 0)
_DEFAULT_SHARED = 48 * 1024
"""What a block may have of shared memory without asking for more."""


class CupyDevice:
    """A GPU, see `kernels.launch.Device`. Make it with `device`."""

    def __init__(self, cupy: ModuleType, index: int) -> None:
        """Read the device's properties."""
        with cupy.cuda.Device(index) as chosen:
            attributes = chosen.attributes
            self._scattering = cupy.asarray(walkers._SCATTER)
            cupy.cuda.get_current_stream().synchronize()  # once: whatever stream reads it later
        self.xp = cupy
        self.index = index
        self.name: str = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
        self.capability = (int(attributes["ComputeCapabilityMajor"]), int(attributes["ComputeCapabilityMinor"]))
        self.multiprocessors = int(attributes["MultiProcessorCount"])
        self.shared_bytes = int(attributes["MaxSharedMemoryPerBlockOptin"])
        self._kernels: dict[tuple[Module, str], Any] = {}
        self._room: dict[tuple[Module, str], int] = {}

    def launch(
        self, module: Module, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """Queue a kernel on the current stream, compiled first where it is new. Waits for nothing."""
        key = (module, kernel)
        if key not in self._kernels:
            self._kernels[key] = self._compiled(module).get_function(kernel)
        function = self._kernels[key]
        with self.xp.cuda.Device(self.index), self.stream():
            if shared > self._room.get(key, _DEFAULT_SHARED):
                function.max_dynamic_shared_size_bytes = shared
                self._room[key] = shared
            function(grid, (block,), tuple(arguments), shared_mem=shared)

    def stream(self) -> Any:
        """The current stream: PyTorch's where PyTorch has been imported, for CuPy's allocations and operations too."""
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_available():
            return self.xp.cuda.get_current_stream()
        return self.xp.cuda.ExternalStream(torch.cuda.current_stream(self.index).cuda_stream, self.index)

    def scattering(self) -> Any:
        """The fixed permutations of columns of `kernels.walkers`."""
        return self._scattering

    @cache  # noqa: B019 (devices live as long as the process)
    def _compiled(self, module: Module) -> Any:
        """A module, from CuPy's cache on disk where it is known there."""
        return self.xp.RawModule(code=module.source(), options=("-std=c++17",), backend="nvrtc")


@cache
def missing() -> str | None:
    """Why no GPU can be used here, in one line; None where one can."""
    try:
        import cupy
    except ImportError:
        return f"no GPU is used: CuPy is not installed ({INSTALL})"
    except Exception as error:
        return f"no GPU is used: CuPy does not load ({_line(error)})"
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
        if count < 1:
            return "no GPU is used: CUDA sees none"
        major, minor = device(0).capability
    except Exception as error:
        return f"no GPU is used: CUDA does not start ({_line(error)})"
    if (major, minor) < LEAST_CAPABILITY:
        return f"no GPU is used: its compute capability is {major}.{minor}, and 8.0 is the least"
    return None


def device(index: int = 0) -> CupyDevice:
    """The GPU of that number, always the same object. Ask `missing` first."""
    return _made(index)


@cache
def _made(index: int) -> CupyDevice:
    import cupy

    return CupyDevice(cupy, index)


def find(index: int = 0) -> CupyDevice | None:
    """The GPU of that number, or None after one line that says why there is none."""
    reason = missing()
    if reason is None:
        return device(index)
    warnings.warn(f"{reason}; the CPU works instead", RuntimeWarning, stacklevel=2)
    return None


def is_on_gpu(array: Any) -> bool:
    """Whether an array lies in the memory of a GPU."""
    return not isinstance(array, np.ndarray) and hasattr(array, "__cuda_array_interface__")


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
