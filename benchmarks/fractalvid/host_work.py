"""What the host does for a batch that is rendered on a GPU, counted where there is none.

A `FractalStream` queues its chunks as for a GPU: PyTorch's tensors have a device and no data (`FakeTensorMode`), the
kernels' launcher does nothing, and the array library is NumPy under another name. Nobody looks at values there, so
what is queued is what a GPU would be given. For a batch,

- calls are counted: launches of PyTorch (each operation of its dispatcher whose result lies on the device and is no
  view), its uploads from pinned memory, operations of the array library (CuPy on a GPU) that are no views, and launches
  of our own kernels;
- what works on the drawn numbers, in NumPy, is measured: the functions of `HOST`, on this thread, the median of
  `CHUNKS` chunks.

The total adds what is assumed a call, the Python around it included (`ASSUMED`): typical times and nobody's
measurement. `benchmarks.gpu` measures the whole on a GPU.

    python -m benchmarks.fractalvid.host_work
"""

import functools
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.common import command_line, write
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate import layers, warp
from fractalvid.emulate.geometry import Homographies
from fractalvid.emulate.parameters import Emulation
from fractalvid.emulate.photometric import compression, light, noise
from fractalvid.fractals.bank import ClassBank
from fractalvid.gpu import layers as device_layers
from fractalvid.kernels.cpu import walkers
from fractalvid.stream import FractalStream, StreamConfig, fractal_stream, render
from fractalvid.stream import device as device_stream

CUDA = torch.device("cuda:0")
ASSUMED = {"torch": 5.0, "uploads": 10.0, "arrays": 8.0, "kernels": 8.0}
"""Microseconds of the host a call."""
MEMORY = 80 * 2**30
"""Of the GPU that is not there, in bytes: an H100's."""
BATCH, CHUNKS = 32, 9
PRESETS = (None, "light", "paper", "full")
SHAPES = (StreamConfig(clip_len=8, size=112), StreamConfig(clip_len=19, size=256, points=934_400))


HOST: tuple[tuple[Any, str], ...] = (
    (FractalStream, "_drawn"),
    (Emulation, "select"),
    (Homographies, "foreground"),
    *((layers, name) for name in ("homographies", "in_pixels", "sample_times", "picture_motion", "follow_camera")),
    *((module, "camera_matrices") for module in (device_stream, render)),
    (device_stream, "_behind"),
    *((light, "drift"), (warp, "_inverse"), (compression, "quantisation_steps"), (device_layers, "_keys")),
)
"""Where work on drawn numbers begins; none of these knows the device."""

CALLS: Counter[tuple[str, str]] = Counter()
"""By kind and name."""


class HostTime:
    """Seconds of this thread inside of functions of the host."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.seconds, self._depth = 0.0, 0

    def of(self, function: Any) -> Any:
        """The function, timed unless it is called by another one."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            begin = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.thread_time() - begin

        return timed


class DeviceArray(np.ndarray[Any, Any]):
    """NumPy's arrays, whose operations are counted."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """A ufunc is a launch."""
        CALLS["arrays", ufunc.__name__] += 1
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        done = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return _there(done) if out is None else out[0]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """So is any other function."""
        return _call(func, *args, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        """Gathers are; slices are not."""
        parts = index if isinstance(index, tuple) else (index,)
        CALLS["arrays", "gather"] += any(isinstance(part, np.ndarray) for part in parts)
        return _there(_plain(self)[tuple(map(_plain, parts))])

    def __setitem__(self, index: Any, value: Any) -> None:
        """Writes are."""
        parts = index if isinstance(index, tuple) else (index,)
        CALLS["arrays", "write"] += 1
        _plain(self)[tuple(map(_plain, parts))] = _plain(value)

    def astype(self, *args: Any, **kwargs: Any) -> Any:
        """A copy."""
        CALLS["arrays", "astype"] += 1
        return _there(_plain(self).astype(*args, **kwargs))

    def copy(self, *args: Any) -> Any:
        """A copy."""
        CALLS["arrays", "copy"] += 1
        return _there(_plain(self).copy())

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """A copy where it is no view."""
        made = _plain(self).reshape(*shape, **options)
        CALLS["arrays", "reshape"] += not np.may_share_memory(made, _plain(self))
        return _there(made)


class DeviceNumpy(ModuleType):
    """NumPy's functions, as those of a device's library."""

    VIEWS = frozenset({"broadcast_to", "moveaxis", "reshape"})

    def __init__(self) -> None:
        """Only a name."""
        super().__init__("device_numpy")

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """An upload, of what is the host's."""
        if isinstance(values, DeviceArray):
            return values if dtype in (None, values.dtype) else values.astype(dtype)
        CALLS["arrays", "upload"] += 1
        return _there(np.array(values, dtype))

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        """Memory from a pool, which is no operation; zeros, so that what is never written is defined."""
        return _there(np.zeros(shape, dtype))

    def __getattr__(self, name: str) -> Any:
        """Any function of NumPy's."""
        found = getattr(np, name)
        return (lambda *args, **kwargs: _call(found, *args, **kwargs)) if callable(found) else found


def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    name = function.__name__
    free = name in DeviceNumpy.VIEWS or (name == "ascontiguousarray" and args[0].flags.c_contiguous)
    CALLS["arrays", name] += not free
    return _there(function(*map(_plain, args), **{name: _plain(value) for name, value in kwargs.items()}))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.view(np.ndarray) if isinstance(value, DeviceArray) else value


def _there(value: Any) -> Any:
    return np.asarray(value).view(DeviceArray)


class Device:
    """A `fractalvid.kernels.cuda.device.Device` that an H100 would be, and that does nothing."""

    xp: ModuleType = DeviceNumpy()
    shared_bytes = 227 * 1024
    blocks = 32 * 132

    def __init__(self) -> None:
        """Nothing is made but one table."""
        self._scattering = _there(walkers.SCATTERINGS)

    def launch(
        self, module: Any, kernel: str, grid: tuple[int, int], block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """Only counted."""
        CALLS["kernels", kernel] += 1

    def stream(self) -> Any:
        """There is one."""
        return nullcontext()

    def scattering(self) -> Any:
        """The table."""
        return self._scattering


class Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
    """Counts what PyTorch would queue."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count what lies on the device and is no view."""
        out = func(*args, **(kwargs or {}))
        there = any(leaf.device.type == "cuda" for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor))
        alias = next((one.alias_info for one in func._schema.returns), None)
        view = alias is not None and not alias.is_write
        name = func._schema.name.removeprefix("aten::")
        if there and not view and func.namespace == "aten" and not name.startswith(("empty", "new_empty")):
            came = name == "_to_copy" and args[0].device.type == "cpu"
            CALLS["uploads" if came else "torch", name] += 1
        return out


def _channels_first(frames: Any, colour: ColourConfig | None) -> torch.Tensor:
    """Stands for what takes over the memory of pictures."""
    pictures = torch.empty(frames.shape, dtype=torch.uint8, device=CUDA)
    return pictures[:, None] if colour is None else pictures.movedim(-1, 1).contiguous()


@contextmanager
def no_gpu() -> Iterator[HostTime]:
    """Inside, streams that are asked for a GPU render on one that does nothing."""
    spent = HostTime()
    patches: list[tuple[Any, str, Any]] = [
        (fractal_stream, "available_device", torch.device),
        (device_stream, "kernel_device", lambda _: Device()),
        (device_stream, "_side_stream", lambda _: None),
        (device_stream, "_working_room", lambda _: MEMORY // device_stream.EMULATION_PART),
        (device_stream, "channels_first", _channels_first),
        (layers, "channels_first", _channels_first),
        (torch.Tensor, "pin_memory", lambda tensor: tensor),
        *((where, name, spent.of(getattr(where, name))) for where, name in HOST),
    ]
    constants = (noise._quantiles, compression._transform)
    with ExitStack() as stack:
        for patched in patches:
            stack.enter_context(patch.object(*patched))
        stack.enter_context(np.errstate(all="ignore"))
        for made in constants:
            made.cache_clear()
            stack.callback(made.cache_clear)
        stack.enter_context(FakeTensorMode())
        for made in constants:
            made(CUDA)
        stack.enter_context(Launches())  # type: ignore[no-untyped-call]
        yield spent


@dataclass(frozen=True)
class Counted:
    """Of a batch: calls by kind, and milliseconds of NumPy; and how many batches a chunk has."""

    calls: dict[str, float]
    numpy: float
    batches: int

    @property
    def total(self) -> float:
        """Milliseconds, with what is assumed."""
        return self.numpy + sum(ASSUMED[kind] * number for kind, number in self.calls.items()) / 1e3


def count(bank: ClassBank, config: StreamConfig, preset: str | None, spent: HostTime) -> Counted:
    """The host's work for a batch of a stream, once it runs."""
    stream = FractalStream(bank, batch_size=BATCH, config=config, seed=0, emulate=preset, device="cuda:0")
    renderer = stream._renderer
    assert renderer is not None
    batches, feed, seconds = renderer.batches_at_once(BATCH, 1), iter(stream), []
    for _ in range(2 * batches):
        next(feed)
    CALLS.clear()
    for _ in range(CHUNKS):
        spent.seconds = 0.0
        for _ in range(batches):
            next(feed)
        seconds.append(spent.seconds)
    calls = {kind: sum(n for key, n in CALLS.items() if key[0] == kind) / (CHUNKS * batches) for kind in ASSUMED}
    return Counted(calls, 1e3 * statistics.median(seconds) / batches, batches)


def main() -> None:
    """Count and write."""
    command_line(__doc__).parse_args()
    bank, rows, data = ClassBank.sample(1000, seed=0), [], {}
    with no_gpu() as spent:
        for config, preset in itertools.product(SHAPES, PRESETS):
            done = count(bank, config, preset, spent)
            name = f"{config.clip_len} x {config.size}², {preset or 'plain'}"
            shown = [f"{done.calls[kind]:.0f}" for kind in ASSUMED]
            rows.append([name, str(done.batches), *shown, f"{done.numpy:.2f}", f"{done.total:.2f}"])
            data[name] = {"calls": done.calls, "numpy_ms": done.numpy, "total_ms": done.total}
            print(rows[-1], flush=True)
    header = ["stream", "batches a chunk", "PyTorch", "its uploads", "array library", "kernels"]
    assumed = ", ".join(f"{kind} {µs:g}" for kind, µs in ASSUMED.items())
    notes = f"""
For a batch of {BATCH} clips, counted without a GPU as the benchmark's docstring says. Assumed, in µs of the host a
call: {assumed}. The last column adds that to what was measured of NumPy.
"""
    header += ["NumPy, ms", "in all, ms (assumed)"]
    write("host_work", "Host work for a batch on a GPU", header, rows, data, notes)


if __name__ == "__main__":
    main()
