"""Clips made by the device's code, its kernels run on the processor: the CPU's classes, views, motion and pictures."""

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import (
    BackgroundConfig,
    CurriculumConfig,
    EmulationConfig,
    GroupConfig,
    TimingConfig,
)
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.instances import draw_instances, maps_at, weights_at
from fractalvid.fractals.look import Fault, look_at
from fractalvid.gpu import fit
from fractalvid.gpu import layers as device_layers
from fractalvid.gpu.bank import DeviceBank
from fractalvid.kernels.cuda import cupy_device
from fractalvid.kinds import sample_bank
from fractalvid.stream import Batch, FractalStream, StreamConfig, fractal_stream, validation
from fractalvid.stream import device as device_stream
from fractalvid.stream.device import DeviceRenderer
from fractalvid.utils.errors import UserError, run_cli
from tests.kernels.cuda.host_device import HostDevice

LINEAR = ClassConfig(linear_share=1.0)
SMALL = StreamConfig(clip_len=3, size=32, points=3000)


def device_bank(bank: ClassBank) -> DeviceBank:
    return DeviceBank(HostDevice(), bank)


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that are asked for a GPU render with its code, on the processor."""
    monkeypatch.setattr(device_stream, "MAX_BATCHES", 2)
    for module in (fractal_stream, validation):
        monkeypatch.setattr(module, "available_device", lambda device: torch.device(device))
    monkeypatch.setattr(device_stream, "kernel_device", lambda device: HostDevice())
    renderer = device_stream.DeviceRenderer

    def on_cpu(device: Any, _: torch.device, *rest: Any, **options: Any) -> DeviceRenderer:
        return renderer(device, torch.device("cpu"), *rest, **options)

    monkeypatch.setattr(device_stream, "DeviceRenderer", on_cpu)


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
    at = device_bank(bank).grid_times(times)
    class_maps = device_bank(bank).class_maps(classes, at)
    assert np.allclose(class_maps, bank.maps_at(classes, times), atol=1e-6)
    maps, weights = device_bank(bank).instance_maps(class_maps, classes, own, at)
    assert np.allclose(maps, maps_at(bank, cpu, times), atol=1e-6)
    assert np.allclose(weights, weights_at(bank, cpu, maps), atol=1e-6)
    varied, wanted = device_bank(bank).variations_at(classes, at), bank.variations_at(classes, times)
    if "amount" in wanted:
        assert all(np.array_equal(varied[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    "config", [ClassConfig(linear_share=1.0, attempts=2, max_rate=-0.3), ClassConfig(linear_share=1.0, still=0.3)]
)
def test_fits_are_the_cpus(config: ClassConfig) -> None:
    """Attempts, damping, views and exposure, where much is unbounded, and where much is called motionless."""
    bank = ClassBank.sample(4, seed=5, config=config)
    classes, ids = np.arange(4), np.arange(4) + 5
    own, cpu = fit.fit_on_device(device_bank(bank), classes, ids), fit_fractals(bank, classes, ids)
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
    own, cpu = fit._look(device_bank(bank), np.arange(3), points), look_at(bank, np.arange(3), points)
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
    assert renderer.batches_at_once(2, 1) == device_stream.MAX_BATCHES
    one = list(itertools.islice(stream, 3))
    monkeypatch.setattr(device_stream, "CHUNK_BYTES", 1)
    assert renderer.batches_at_once(2, 1) == 1
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


def test_in_a_command_that_line_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    def command(_: list[str]) -> None:
        warnings.warn("something of another package", RuntimeWarning, stacklevel=1)
        device_stream.available_device("cuda:99")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.warns(RuntimeWarning) as others:
            assert run_cli("pretrain", command, []) == 0
    assert capsys.readouterr().err == "note: cuda:99 is not there; the stream stays on the CPU\n"
    assert [str(other.message) for other in others] == ["something of another package"]


def test_which_gpu_is_settled_when_a_stream_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that reads the stream may have another current one."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    asked: list[int] = []
    monkeypatch.setattr(cupy_device, "find", asked.append)
    bank = ClassBank.sample(3, seed=1)
    for device, index in (("cuda", 1), ("cuda:0", 0)):
        stream = FractalStream(bank, batch_size=2, config=SMALL, seed=0, device=device)
        assert stream.device == torch.device("cuda", index)
        assert FractalStream.validation(bank, num_clips=2, batch_size=2, device=device).device == stream.device
        assert stream._renderer is None and asked.pop() == index


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:x"])
def test_devices_that_are_none(device: str) -> None:
    with pytest.raises(UserError, match="cpu, cuda or cuda:N"):
        FractalStream(ClassBank.sample(3, seed=1), batch_size=2, seed=0, device=device)


EVERYTHING = replace(
    PRESETS["full"],
    curriculum=CurriculumConfig(samples=0, share=0.9),
    background=replace(PRESETS["full"].background, pool=5),
    group=GroupConfig(p=0.5, copies=2),
    timing=TimingConfig(p=0.5, repeat=0.3, skip=0.2),
)


@pytest.mark.parametrize("colour", [None, ColourConfig(drift=1.0)])
@pytest.mark.usefixtures("rendering")
def test_emulated_batches_are_the_cpus(colour: ColourConfig | None) -> None:
    """Copies, stills, backgrounds that move, dropped frames, everything photometric: the same in both views."""
    bank = ClassBank.sample(5, seed=1, config=LINEAR)
    config = StreamConfig(
        clip_len=3, size=32, points=3000, colour=colour, masks=True, mean=0.4, std=0.2, emulate=EVERYTHING
    )
    options: dict[str, Any] = {"batch_size": 12, "config": config, "seed": 3, "views": 2, "threads": 1}
    index = np.arange(12) + 120
    own, wanted = (FractalStream(bank, device=device, **options).at(index) for device in ("cuda", "cpu"))
    assert own.next_index == wanted.next_index == 132
    for name in ("clip_id", "target", "background_id"):
        assert torch.equal(getattr(own, name), getattr(wanted, name))
    for name in ("video", "video2"):
        mine, theirs = getattr(own, name), getattr(wanted, name)
        assert mine.shape == theirs.shape and mine.stride(1) == theirs.stride(1)
        # What stretches greys makes a level several.
        assert ((mine - theirs).abs() > 3 / 255 / 0.2).float().mean() < 0.01
    for name in ("mask", "mask2"):
        assert 0.02 < getattr(own, name).float().mean() < 0.9
        assert (getattr(own, name) != getattr(wanted, name)).float().mean() < 0.01
    assert own.background_id is not None
    assert (own.background_id == -1).any() and (own.background_id >= 0).any()


@pytest.mark.usefixtures("rendering")
def test_a_chunk_has_room_for_the_fits_of_all_that_stands_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = ClassBank.sample(3, seed=1, config=LINEAR)
    plain, filmed = (
        FractalStream(bank, batch_size=1, config=SMALL, seed=3, emulate=emulate, device="cuda")._renderer
        for emulate in (None, EVERYTHING)
    )
    assert plain is not None and filmed is not None
    orbits, pixels = 20 * 1024 * 2 * 4, 3 * 32**2
    for renderer, views, fits in ((plain, 1, 1), (plain, 2, 1), (filmed, 1, 3), (filmed, 2, 5)):
        room = fits * orbits + views * pixels
        monkeypatch.setattr(device_stream, "CHUNK_BYTES", 2 * room)
        assert renderer.batches_at_once(1, views) == 2
        monkeypatch.setattr(device_stream, "CHUNK_BYTES", 2 * room - 1)
        assert renderer.batches_at_once(1, views) == 1


@pytest.mark.usefixtures("rendering")
def test_emulated_batches_do_not_depend_on_what_is_made_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on what is kept of backgrounds: the same where all are forgotten, and where some are emulated at a time."""
    bank = ClassBank.sample(5, seed=1, config=LINEAR)
    options: dict[str, Any] = {"batch_size": 2, "seed": 3, "device": "cuda"}
    options["config"] = replace(SMALL, masks=True, emulate=EVERYTHING)
    stream = FractalStream(bank, **options)
    together = list(itertools.islice(stream, 3))
    known = stream._renderer
    assert known is not None and known.batches_at_once(2, 1) == device_stream.MAX_BATCHES == 2
    assert len(known._backgrounds) == 5
    monkeypatch.setattr(device_stream, "EMULATION_BYTES", 1)
    one_by_one = FractalStream(bank, **options)
    assert one_by_one._renderer is not None and one_by_one._renderer.batches_at_once(2, 1) == 2
    for first, second in zip(together, one_by_one, strict=False):
        assert torch.equal(first.video, second.video)
    monkeypatch.setattr(device_stream, "CHUNK_BYTES", 1)
    monkeypatch.setattr(device_layers, "MOST_KEPT", 3)
    apart = FractalStream(bank, **options)
    forgetful = apart._renderer
    assert forgetful is not None and forgetful.batches_at_once(2, 1) == 1
    for first, second in zip(together, apart, strict=False):
        assert first.mask is not None and second.mask is not None
        assert torch.equal(first.video, second.video) and torch.equal(first.mask, second.mask)
        assert 0 < len(forgetful._backgrounds) <= 4


@pytest.mark.usefixtures("rendering")
@pytest.mark.parametrize("emulate", [None, EVERYTHING])
def test_all_of_a_chunk_is_made_on_its_own_stream(
    emulate: EmulationConfig | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is queued elsewhere does not wait for what it reads."""
    bank = ClassBank.sample(3, seed=1, config=LINEAR)
    stream = FractalStream(bank, batch_size=2, config=SMALL, seed=3, emulate=emulate, device="cuda")
    renderer = stream._renderer
    assert renderer is not None
    aside, open_, outside = renderer._aside, [False], []

    @contextmanager
    def noted() -> Iterator[None]:
        with aside():
            open_[0] = True
            yield
            open_[0] = False

    class Outside(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if not open_[0]:
                outside.append(func._schema.name)
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr(renderer, "_aside", noted)
    with Outside():  # type: ignore[no-untyped-call]
        renderer._queued(device_stream.Chunk(stream._drawn(np.arange(2)), (2,)))
    assert outside == []


@pytest.mark.usefixtures("rendering")
def test_what_is_known_of_backgrounds_is_not_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []

    def counting(bank: DeviceBank, class_id: Any, instance_id: Any) -> Any:
        fitted.append(len(class_id))
        return fit.fit_on_device(bank, class_id, instance_id)

    monkeypatch.setattr(device_layers, "fit_on_device", counting)
    bank = ClassBank.sample(5, seed=1, config=LINEAR)
    few = replace(EVERYTHING, background=BackgroundConfig(p=1, pool=2))
    stream = FractalStream(bank, batch_size=5, config=SMALL, seed=3, emulate=few, device="cuda")
    for first in (0, 5):
        stream.at(np.arange(first, first + 5))
    assert fitted == [5 + 2, 5], "figures and the pool, then figures alone"


@pytest.mark.usefixtures("rendering")
@pytest.mark.parametrize("emulate", [None, "paper"])
def test_what_is_not_rendered_there_is_said(emulate: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = sample_bank(3, kind="perlin", seed=1)
    moved: list[torch.device] = []

    def note(batch: Batch, device: torch.device) -> Batch:
        moved.append(device)
        return batch

    monkeypatch.setattr(Batch, "to", note)
    stream = FractalStream(bank, batch_size=2, config=SMALL, seed=0, device="cuda", emulate=emulate)
    with pytest.warns(RuntimeWarning, match=r"rendered on the CPU, and copied to cuda"):
        next(iter(stream))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(stream))
    assert moved == [torch.device("cuda")] * 2
