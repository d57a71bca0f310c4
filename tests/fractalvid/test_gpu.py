"""Clips made by the device's code, its kernels run on the processor: the CPU's classes, views, motion and pictures."""

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fractalvid import stream as streams
from fractalvid import view
from fractalvid.acceptance import Fault
from fractalvid.classes import ClassBank, ClassConfig
from fractalvid.colour import ColourConfig
from fractalvid.errors import UserError
from fractalvid.gpu import fit
from fractalvid.gpu import stream as device_stream
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.stream import DeviceRenderer
from fractalvid.instances import draw_instances, maps_at, weights_at
from fractalvid.kinds import sample_bank
from fractalvid.samples import Batch, StreamConfig
from fractalvid.stream import FractalStream
from fractalvid.view import native_times
from kernels import gpu
from tests.kernels.host_device import HostDevice

LINEAR = ClassConfig(linear_share=1.0)
SMALL = StreamConfig(clip_len=3, size=32, points=3000)


def device_bank(bank: ClassBank) -> DeviceBank:
    return DeviceBank(HostDevice(), bank)


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that are asked for a GPU render with its code, on the processor."""
    monkeypatch.setattr(device_stream, "MOST_BATCHES", 2)
    monkeypatch.setattr(streams, "_checked_device", lambda device: torch.device(device))
    monkeypatch.setattr(streams, "render_device", lambda device: HostDevice())
    renderer = device_stream.DeviceRenderer

    def on_cpu(device: Any, _: torch.device, *rest: Any) -> DeviceRenderer:
        return renderer(device, torch.device("cpu"), *rest)

    monkeypatch.setattr(streams, "DeviceRenderer", on_cpu)


@pytest.mark.parametrize(
    "config",
    [ClassConfig(), ClassConfig(interpolation="naive"), ClassConfig(variations=("julian", "pdj"), max_summed=2)],
)
def test_instances_and_maps_are_the_cpus(config: ClassConfig) -> None:
    bank = ClassBank.sample(9, seed=4, config=config)
    classes, ids, attempt = np.arange(9), np.arange(9) * 2**28, np.arange(9) % 3
    own, cpu = device_bank(bank).draw_instances(classes, ids, attempt), draw_instances(bank, classes, ids, attempt)
    assert np.array_equal(own.offset, cpu.offset), "the same random words"
    assert np.allclose(own.factor, cpu.factor, atol=1e-6)
    times = np.linspace(0, 17, 27).reshape(9, 3)
    maps = device_bank(bank).maps_at(own, times)
    assert np.allclose(maps, maps_at(bank, cpu, times), atol=1e-6)
    weights = device_bank(bank).weights_at(classes, maps)
    assert np.allclose(weights, weights_at(bank, cpu, maps), atol=1e-6)
    varied, wanted = device_bank(bank).variations_at(classes, times), bank.variations_at(classes, times)
    if "amount" in wanted:
        assert all(np.array_equal(varied[name], wanted[name]) for name in wanted)
    assert np.array_equal(device_bank(bank).native_times(classes), native_times(bank, classes))


@pytest.mark.parametrize(
    "config", [ClassConfig(linear_share=1.0, attempts=2, max_rate=-0.3), ClassConfig(linear_share=1.0, still=0.3)]
)
def test_fits_are_the_cpus(config: ClassConfig) -> None:
    """Attempts, damping, views and exposure, where much is unbounded, and where much is called motionless."""
    bank = ClassBank.sample(4, seed=5, config=config)
    classes, ids = np.arange(4), np.arange(4) + 5
    own, cpu = fit.fit_clips(device_bank(bank), classes, ids), view.fit_clips(bank, classes, ids)
    assert np.array_equal(own.attempt, cpu.instances.attempt)
    assert (cpu.instances.attempt > 0).any()
    assert (cpu.damping < 1).any() if config.max_rate == -0.3 else cpu.rejected[:, Fault.STILL].any()
    # What was damped to the threshold lies on either side of it by rounding.
    assert np.mean(np.abs(own.damping - cpu.damping) < 1e-4) > 0.8
    alike = (np.abs(own.damping - cpu.damping) < 1e-4).all(axis=1)
    assert alike.any()
    assert np.array_equal(own.seed, cpu.seed)
    span = (cpu.box[:, 2:] - cpu.box[:, :2]).max()
    assert np.abs(own.box - cpu.box)[alike].max() < 1e-3 * span
    assert np.abs(own.white - cpu.white)[alike].max() <= 1


def test_views_of_variations_that_throw_points_far() -> None:
    bank = ClassBank.sample(
        3, seed=2, config=ClassConfig(linear_share=0.0, variations=("spherical",), equal_scales=True)
    )
    points = np.random.default_rng(0).standard_cauchy((3, 20, 1024, 2)).astype(np.float32)
    own, cpu = fit._look(device_bank(bank), np.arange(3), points), view._look(bank, np.arange(3), points, None)
    assert np.allclose(own.box, cpu.box, rtol=1e-5)
    assert np.array_equal(own.white, cpu.white)
    assert np.array_equal(own.fault, cpu.fault)


@pytest.mark.parametrize("colour", [None, ColourConfig(drift=1.0)])
@pytest.mark.usefixtures("rendering")
def test_batches_are_the_cpus(colour: ColourConfig | None) -> None:
    """The same samples in the same order, two views and masks included, and nearly the same pixels."""
    bank = ClassBank.sample(5, seed=1, config=LINEAR)
    config = StreamConfig(clip_len=3, size=32, points=3000, colour=colour, masks=True, mean=0.4, std=0.2)
    options: dict[str, Any] = {"batch_size": 2, "config": config, "seed": 3, "views": 2, "threads": 1}
    ours, cpu = FractalStream(bank, device="cuda", **options), FractalStream(bank, **options)
    for own, wanted in itertools.islice(zip(ours, cpu, strict=True), 3):
        assert own.next_index == wanted.next_index
        assert torch.equal(own.clip_id, wanted.clip_id) and torch.equal(own.target, wanted.target)
        for name in ("video", "video2"):
            mine, theirs = getattr(own, name), getattr(wanted, name)
            assert mine.shape == theirs.shape and mine.stride(1) == theirs.stride(1)
            assert ((mine - theirs).abs() > 3 / 255 / 0.2).float().mean() < 0.01
        for name in ("mask", "mask2"):
            assert (getattr(own, name) != getattr(wanted, name)).float().mean() < 0.01
    ours.load_state_dict({"next_index": 4})
    again = next(iter(ours))
    assert torch.equal(again.video, own.video) and again.next_index == own.next_index == 6
    assert ours.state_dict() == {"next_index": 6}
    assert torch.equal(ours.at(np.arange(4, 6)).video, own.video)


@pytest.mark.usefixtures("rendering")
def test_batches_do_not_depend_on_their_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = ClassBank.sample(5, seed=1, config=LINEAR)
    stream = FractalStream(bank, batch_size=2, config=SMALL, seed=3, rank=1, world_size=2, device="cuda")
    renderer = stream._renderer
    assert renderer is not None
    assert renderer.chunk(2, 1) == device_stream.MOST_BATCHES
    one = list(itertools.islice(stream, 3))
    monkeypatch.setattr(device_stream, "CHUNK_BYTES", 1)
    assert renderer.chunk(2, 1) == 1
    for first, second in zip(one, stream, strict=False):
        assert torch.equal(first.video, second.video) and first.next_index == second.next_index


@pytest.mark.usefixtures("rendering")
def test_a_stream_on_a_gpu_has_no_workers() -> None:
    stream = FractalStream(ClassBank.sample(3, seed=1), batch_size=2, config=SMALL, seed=0, device="cuda")
    with pytest.raises(UserError, match="num_workers=0"):
        next(iter(DataLoader(stream, batch_size=None, num_workers=1)))


def test_without_a_gpu_one_line_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    bank = ClassBank.sample(3, seed=1)
    with pytest.warns(RuntimeWarning, match="cuda is not there; the stream stays on the CPU"):
        stream = FractalStream(bank, batch_size=2, config=SMALL, seed=0, device="cuda")
    plain = FractalStream(bank, batch_size=2, config=SMALL, seed=0)
    assert torch.equal(next(iter(stream)).video, next(iter(plain)).video)


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:x"])
def test_devices_that_are_none(device: str) -> None:
    with pytest.raises(UserError, match="cpu, cuda or cuda:N"):
        FractalStream(ClassBank.sample(3, seed=1), batch_size=2, seed=0, device=device)


@pytest.mark.usefixtures("rendering")
@pytest.mark.parametrize("emulated", [False, True])
def test_what_is_not_rendered_there_is_said(emulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    bank: Any = ClassBank.sample(3, seed=1) if emulated else sample_bank("perlin", 3, seed=1)
    moved: list[torch.device] = []

    def note(batch: Batch, device: torch.device) -> Batch:
        moved.append(device)
        return batch

    monkeypatch.setattr(Batch, "to", note)
    stream = FractalStream(
        bank, batch_size=2, config=SMALL, seed=0, device="cuda", emulate="paper" if emulated else None
    )
    with pytest.warns(RuntimeWarning, match=r"rendered on the CPU, and copied to cuda"):
        next(iter(stream))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(stream))
    assert moved == [torch.device("cuda")] * 2


@pytest.mark.gpu
@pytest.mark.skipif(gpu.missing() is not None or not torch.cuda.is_available(), reason=str(gpu.missing()))
class TestOnAGpu:
    """Never run where these lines were written: there was no GPU. `pytest -m gpu` runs them."""

    def test_batches_are_the_cpus(self) -> None:
        bank = ClassBank.sample(20, seed=1, config=LINEAR)
        config = StreamConfig(points=20_000, masks=True, mean=0.4, std=0.2)
        options: dict[str, Any] = {"batch_size": 8, "config": config, "seed": 3, "views": 2}
        ours, cpu = FractalStream(bank, device="cuda", **options), FractalStream(bank, **options)
        for own, wanted in itertools.islice(zip(ours, cpu, strict=True), 12):
            assert own.video.device.type == own.target.device.type == "cuda"
            assert own.next_index == wanted.next_index
            assert torch.equal(own.clip_id.cpu(), wanted.clip_id)
            for name in ("video", "video2"):
                apart = (getattr(own, name).cpu() - getattr(wanted, name)).abs()
                assert (apart > 3 / 255 / 0.2).float().mean() < 0.02

    def test_memory_is_not_used_again_too_early(self) -> None:
        """Batches that wait behind a long computation are those of a stream that nothing waits for."""
        bank = ClassBank.sample(20, seed=1)
        options: dict[str, Any] = {"batch_size": 16, "config": StreamConfig(points=20_000), "seed": 3, "device": "cuda"}
        work = torch.randn(4096, 4096, device="cuda")
        busy, sums = iter(FractalStream(bank, **options)), []
        for _ in range(40):
            work = work @ work / 64
            sums.append(next(busy).video.sum(dtype=torch.float64))
        quiet = []
        for batch in itertools.islice(FractalStream(bank, **options), 40):
            torch.cuda.synchronize()
            quiet.append(batch.video.sum(dtype=torch.float64))
        assert torch.equal(torch.stack(sums), torch.stack(quiet))

    def test_every_mix_of_variations_and_colour(self) -> None:
        config = ClassConfig(linear_share=0.0, variations=("julia", "pdj", "blur", "swirl"), max_summed=2, per_map=True)
        bank = ClassBank.sample(6, seed=2, config=config)
        shown = StreamConfig(size=64, points=20_000, colour=ColourConfig())
        video = next(iter(FractalStream(bank, batch_size=6, config=shown, seed=0, device="cuda"))).video
        assert torch.isfinite(video).all()
        assert (video.amax(dim=(1, 2, 3, 4)) > 0.3).all()
