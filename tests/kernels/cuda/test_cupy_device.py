"""The way to the GPU: with a CuPy that is none, which runs the kernels on the processor; and, marked gpu, with one."""

import dataclasses
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fractalvid.kernels import Jobs, accumulate, backends, growth, orbit, render
from fractalvid.kernels.cuda import cupy_device, front
from fractalvid.kernels.cuda.device import to_device
from fractalvid.kernels.cuda.source import Module
from tests.kernels.conftest import system, view
from tests.kernels.cuda.host_device import HostDevice

NO_GPU = cupy_device.missing()
needs_gpu = [pytest.mark.gpu, pytest.mark.skipif(NO_GPU is not None, reason=str(NO_GPU))]
ATTRIBUTES = {
    "ComputeCapabilityMajor": 9,
    "ComputeCapabilityMinor": 0,
    "MultiProcessorCount": 132,
    "MaxSharedMemoryPerBlockOptin": 227 * 1024,
}


class FakeKernel:
    """A kernel that the host runs."""

    def __init__(self, device: HostDevice, module: Module, name: str) -> None:
        self.device, self.module, self.name = device, module, name
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid: Any, block: Any, arguments: Any, *, shared_mem: int) -> None:
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        self.device.launch(self.module, self.name, grid, block[0], shared_mem, arguments)


class FakeCupy(ModuleType):
    """NumPy, and of CuPy what is used besides."""

    def __init__(self, host: HostDevice, **attributes: int) -> None:
        super().__init__("cupy")
        self.compiled: list[str] = []
        self.entered: list[int] = []
        there = ATTRIBUTES | attributes
        capability = {75: there["ComputeCapabilityMajor"], 76: there["ComputeCapabilityMinor"]}
        self.cuda = SimpleNamespace(
            Device=lambda index: FakeCurrent(self.entered, index, there),
            runtime=SimpleNamespace(
                getDeviceCount=lambda: 1,
                getDeviceProperties=lambda index: {"name": b"A GPU"},
                deviceGetAttribute=lambda attribute, index: capability[attribute],
            ),
            get_current_stream=lambda: FakeStream(),
        )
        self.host = host

    def asarray(self, array: Any) -> Any:
        return array.kept if isinstance(array, Elsewhere) else np.asarray(array)

    def RawModule(self, code: str, options: tuple[str, ...], backend: str) -> Any:
        assert (options, backend) == (("-std=c++17",), "nvrtc")
        self.compiled.append(code)
        module = next(m for m in _made if m.source() == code)
        return SimpleNamespace(get_function=lambda name: FakeKernel(self.host, module, name))

    def asnumpy(self, array: Any) -> Any:
        return np.array(array)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class FakeCurrent:
    """A GPU that is made the current one; which were is noted."""

    def __init__(self, entered: list[int], index: int, attributes: dict[str, int]) -> None:
        self.entered, self.index, self.attributes = entered, index, attributes

    def __enter__(self) -> "FakeCurrent":
        self.entered.append(self.index)
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Elsewhere:
    """An array in a GPU's memory, which NumPy does not take."""

    def __init__(self, kept: Any) -> None:
        self.kept, self.shape, self.dtype = kept, kept.shape, kept.dtype
        self.__cuda_array_interface__: dict[str, Any] = {}

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")


class FakeStream:
    def __enter__(self) -> "FakeStream":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        pass


_made: list[Module] = []


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCupy]:
    """CuPy and a GPU, as far as anybody can see."""
    fake = FakeCupy(HostDevice())
    made = Module.source

    def source(module: Module) -> str:
        if module not in _made:
            _made.append(module)
        return made(module)

    monkeypatch.setattr(Module, "source", source)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    # Where there is a GPU, others may have begun with it.
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: False)
    _forget()
    yield fake
    _forget()


def _forget() -> None:
    cupy_device.missing.cache_clear()
    cupy_device._made.cache_clear()
    _made.clear()


def jobs_of(variation: int = 0) -> Jobs:
    maps, weights = system(4, seed=3)
    return Jobs.of([maps] * 2, [weights], seed=[1, 2], variation=variation, projection=view((24, 32)))


EXPOSURE = np.array([[64, 20]] * 2, np.float32)


def test_every_kernel_on_a_gpu_of_numpys(cupy: FakeCupy) -> None:
    jobs = jobs_of()
    assert backends() == ("cpu", "cuda", "reference")
    assert np.allclose(orbit(jobs, 300, backend="cuda"), orbit(jobs, 300), atol=1e-5)
    assert np.allclose(growth(jobs, backend="cuda"), growth(jobs), atol=1e-5)
    done, wanted = (accumulate(jobs, size=(24, 32), points=4000, backend=b) for b in ("cuda", "cpu"))
    assert np.abs(done.counts.astype(int) - wanted.counts).sum() <= 4
    assert done.colour is None
    exposures: list[Any] = [EXPOSURE, "max"]
    for exposure in exposures:
        options: dict[str, Any] = {"size": (24, 32), "points": 4000, "exposure": exposure, "clip": [0, 1]}
        ours, cpu = render(jobs, backend="cuda", **options), render(jobs, **options)
        assert ours.shape == cpu.shape
        assert (np.abs(ours.astype(int) - cpu) <= 2).mean() > 0.99
    coloured = dataclasses.replace(jobs, colour=np.tile(np.linspace(0, 1, 4, dtype=np.float32), (2, 1)))
    palette = np.random.default_rng(0).integers(0, 256, (2, 256, 3), np.uint8)
    ours, cpu = (
        render(coloured, size=(24, 32), points=4000, exposure=EXPOSURE, palette=palette, backend=backend)
        for backend in ("cuda", "cpu")
    )
    assert (np.abs(ours.astype(int) - cpu) <= 3).mean() > 0.99


def test_palettes_may_lie_on_the_gpu_and_anyhow(cupy: FakeCupy) -> None:
    coloured = dataclasses.replace(jobs_of(), colour=np.tile(np.linspace(0, 1, 4, dtype=np.float32), (2, 1)))
    palette = np.random.default_rng(0).integers(0, 256, (2, 3, 256), np.uint8).transpose(0, 2, 1)
    curve = np.arange(256, dtype=np.uint8)[::-1]
    options: dict[str, Any] = {"size": (24, 32), "points": 4000, "exposure": EXPOSURE, "backend": "cuda"}
    here = render(coloured, palette=palette, curve=curve, **options)
    options |= {"palette": Elsewhere(palette), "curve": Elsewhere(curve)}
    assert np.array_equal(render(coloured, **options), here)
    wrong: Any = Elsewhere(curve[1:])
    with pytest.raises(ValueError, match=r"curve must be uint8 \(256,\)"):
        render(coloured, **(options | {"curve": wrong}))


def test_an_array_that_is_not_contiguous_is_refused(cupy: FakeCupy) -> None:
    device, times = cupy_device.device(), np.zeros((4, 6))
    with pytest.raises(AssertionError, match="points: an array is not contiguous"):
        device.launch(Module("points"), "points", (1, 1), 32, 0, (times[:, ::2],))


def test_work_is_done_where_it_belongs(cupy: FakeCupy) -> None:
    """The GPU is the current one for all that arrays go through, not for kernels alone."""
    cupy.cuda.runtime.getDeviceCount = lambda: 2
    second = cupy_device.find(1)
    assert second is not None
    cupy.entered.clear()
    with second.stream():
        assert cupy.entered == [1]
    cupy.entered.clear()
    front.orbit(second, jobs_of(), 20, 8)
    assert set(cupy.entered) == {1}


def test_kernels_are_compiled_once_and_given_room(cupy: FakeCupy) -> None:
    device = cupy_device.device()
    assert device.shared_bytes == 227 * 1024
    for size in (16, 128, 64):
        accumulate(jobs_of(), size=size, points=100, backend="cuda")
    assert len(cupy.compiled) == 1
    ((module, name),) = device._kernels
    assert name == module.name == "accumulate"
    assert device._shared[module, name] > 128 * 128 * 4
    accumulate(jobs_of(4), size=16, points=100, backend="cuda")
    assert len(cupy.compiled) == 2


@pytest.mark.parametrize("version", [13, 14])
def test_cupy_works_on_pytorchs_stream(version: int, cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once PyTorch has begun with CUDA; by CUDA's protocol for streams where CuPy knows it."""

    class Foreign(FakeStream):
        def __init__(self, address: int) -> None:
            self.ptr = address

    taken: list[tuple[int, ...]] = []

    def external(address: int, index: int) -> Foreign:
        taken.append((address, index))
        return Foreign(address)

    def by_protocol(other: Any) -> Foreign:
        taken.append(other.__cuda_stream__())
        return Foreign(taken[-1][1])

    cupy.cuda.ExternalStream = external
    cupy.cuda.Stream = SimpleNamespace(**({"from_external": by_protocol} if version == 14 else {}))
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.current_stream", lambda index: SimpleNamespace(cuda_stream=100 + index))
    device = cupy_device.device(2)
    for _ in range(2):
        with device.stream() as stream:
            assert stream.ptr == 102
    assert taken == [(102, 2) if version == 13 else (0, 102)], "once for each stream"


def test_what_cannot_be_drawn_is_refused_there_too(cupy: FakeCupy) -> None:
    flat = dataclasses.replace(jobs_of(), projection=np.zeros((2, 3, 3), np.float32))
    with pytest.raises(ValueError, match="invertible"):
        render(flat, size=8, points=10, exposure=EXPOSURE, backend="cuda")
    with pytest.raises(ValueError, match="unknown backend 'gpu'"):
        orbit(jobs_of(), 10, backend="gpu")  # type: ignore[arg-type]


def test_auto_means_where_the_arrays_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert front.find_device("auto", jobs_of()) is None
    elsewhere: Any = SimpleNamespace(__cuda_array_interface__={}, device=SimpleNamespace(id=3))
    there, gpus = dataclasses.replace(jobs_of(), maps=elsewhere), [object() for _ in range(4)]
    monkeypatch.setattr(cupy_device, "find", lambda index=0: gpus[index])
    assert front.find_device("auto", there) is gpus[3]
    assert front.find_device("cuda", there) is gpus[3]
    assert front.find_device("cuda", jobs_of()) is gpus[0]
    with pytest.raises(ValueError, match="lie in a GPU's memory"):
        front.find_device("cpu", there)


def test_without_cupy_one_line_says_so_and_the_cpu_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    _forget()
    assert backends() == ("cpu", "reference")
    with pytest.warns(RuntimeWarning, match="CuPy is not installed .*; the CPU works instead") as warned:
        got = orbit(jobs_of(), 50, backend="cuda")
    assert len(warned) == 1 and "\n" not in str(warned[0].message)
    assert np.array_equal(got, orbit(jobs_of(), 50))
    _forget()


def test_why_there_is_no_gpu(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cupy_device.missing() is None
    assert cupy_device.missing(1) == "no GPU is used: CUDA sees 1, numbered from 0, and none is number 1"
    assert not cupy.entered, "asking puts nothing on a GPU"
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy(HostDevice(), ComputeCapabilityMajor=7))
    _forget()
    assert cupy_device.missing() == "no GPU is used: its compute capability is 7.0, and 8.0 is the least"
    _forget()
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert cupy_device.missing() == "no GPU is used: CUDA sees none"
    _forget()

    def fails() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver: too old\nand more")

    cupy.cuda.runtime.getDeviceCount = fails
    assert cupy_device.missing() == "no GPU is used: CUDA does not start (cudaErrorInsufficientDriver: too old)"


def test_a_gpu_that_does_not_start_is_said_too(cupy: FakeCupy) -> None:
    def fails(index: int) -> Any:
        raise RuntimeError("cudaErrorDevicesUnavailable: busy\nand more")

    cupy.cuda.Device = fails
    assert cupy_device.missing() is None
    with pytest.warns(RuntimeWarning, match=r"number 0 does not start \(cudaErrorDevicesUnavailable: busy\); the CPU"):
        assert cupy_device.find() is None


@pytest.fixture
def device() -> cupy_device.CupyDevice:
    """The GPU."""
    return cupy_device.device()


class TestOnAGpu:
    """Never run where these lines were written: there was no GPU. `pytest -m gpu` runs them."""

    pytestmark = needs_gpu

    @pytest.mark.parametrize("variation", [0, 14, 16, 20, 27, 29])
    def test_counts_are_the_cpus(self, variation: int) -> None:
        jobs = jobs_of(variation)
        done, wanted = (accumulate(jobs, size=(24, 32), points=60_001, backend=b) for b in ("cuda", "cpu"))
        total = done.counts.sum(axis=(1, 2), dtype=np.int64) + done.outside + done.discarded
        assert total.tolist() == [60_001] * 2
        assert np.abs(done.counts.astype(int) - wanted.counts).sum() < 200

    def test_orbits_and_growth_are_the_cpus(self) -> None:
        jobs = jobs_of()
        assert np.allclose(orbit(jobs, 3000, backend="cuda"), orbit(jobs, 3000), atol=1e-4)
        assert np.allclose(growth(jobs, backend="cuda"), growth(jobs), atol=1e-4)

    @pytest.mark.parametrize("size", [(112, 112), (256, 256), (40, 3000)])
    def test_pictures_are_the_cpus_in_one_tile_and_in_several(self, size: tuple[int, int]) -> None:
        jobs = dataclasses.replace(jobs_of(), projection=np.tile(view(size), (2, 1, 1)))
        options: dict[str, Any] = {"size": size, "points": 300_000, "exposure": EXPOSURE}
        ours, cpu = render(jobs, backend="cuda", **options), render(jobs, **options)
        assert (np.abs(ours.astype(int) - cpu) <= 2).mean() > 0.99

    def test_the_same_bits_again(self) -> None:
        first, second = (accumulate(jobs_of(17), size=64, points=60_000, backend="cuda") for _ in range(2))
        assert np.array_equal(first.counts, second.counts)

    def test_arrays_stay_on_the_gpu(self, device: cupy_device.CupyDevice) -> None:
        jobs = to_device(device, jobs_of())
        images = render(jobs, size=16, points=1000, exposure=device.xp.asarray(EXPOSURE))
        assert cupy_device.is_on_gpu(images)
        assert cupy_device.is_on_gpu(accumulate(jobs, size=16, points=1000).counts)

    def test_kernels_follow_pytorchs_stream(self, device: cupy_device.CupyDevice) -> None:
        torch = pytest.importorskip("torch")
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            with device.stream() as stream:
                assert stream.ptr == side.cuda_stream
                jobs = to_device(device, jobs_of())
            done: Any = orbit(jobs, 500)
            tensor = torch.from_dlpack(done)
        side.synchronize()
        assert np.allclose(tensor.cpu().numpy(), orbit(jobs_of(), 500), atol=1e-4)
        assert tensor.data_ptr() == done.data.ptr, "memory is shared"
