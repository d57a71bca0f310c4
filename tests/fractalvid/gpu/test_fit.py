"""The device's fit: the CPU's rule, attempt by attempt, with no more work, and nobody waits for it; palettes there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fractalvid.core.camera import camera_matrices, identity_camera
from fractalvid.core.colour import ColourConfig, draw_palettes, palettes_of
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.look import Fault
from fractalvid.gpu import fit
from fractalvid.gpu.bank import DeviceBank
from fractalvid.gpu.render import render_on_device
from fractalvid.kernels.cuda import cupy_device, game
from fractalvid.kernels.cuda.device import Device
from fractalvid.stream import FractalStream, StreamConfig, validation
from fractalvid.stream.device import DeviceRenderer
from tests.kernels.cuda.host_device import DeviceArray, DeviceNumpy, HostDevice, StrictDevice, Waits

STRICT = ClassConfig(linear_share=1.0, attempts=3, max_rate=-0.2, still=0.4)
"""Where much is unbounded, and much is called motionless."""
THROWN = ClassConfig(linear_share=0.0, variations=("spherical", "julian"), max_summed=2, per_map=True, rows="x")


def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clips each round of the fit works at, in the order of the rounds; growth begins a round."""
    counts: list[int] = []
    growth = game.growth

    def counted(*arguments: Any, where: Any, **options: Any) -> Any:
        counts.append(int(where.sum()))
        return growth(*arguments, where=where, **options)

    monkeypatch.setattr(game, "growth", counted)
    return counts


@pytest.mark.parametrize("at_once", [2, 9])
def test_attempts_are_those_of_the_rule_and_no_more(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that is bounded and whole, else the first bounded one, else the last; a round works at what is left."""
    monkeypatch.setattr(fit, "ATTEMPTS_AT_ONCE", at_once)
    bank = ClassBank.sample(4, seed=9, config=STRICT)
    classes, ids = np.arange(8) % 4, np.arange(8) // 4 + 3
    counts = tried(monkeypatch)
    own, cpu = fit.fit_on_device(DeviceBank(HostDevice(), bank), classes, ids), fit_fractals(bank, classes, ids)
    assert np.array_equal(own.attempt, cpu.instances.attempt)
    damped, still = (cpu.damping < 1).any(axis=1), cpu.rejected[:, Fault.STILL] > 0
    accepted, rejected = (cpu.fault == Fault.NONE) & ~damped, cpu.rejected.sum(axis=1)
    # All that can happen does.
    assert damped.any() and (accepted & (rejected == 0)).any()
    assert (accepted & still).any() and (~accepted & ~damped & still).any()
    rounds = STRICT.attempts + 1
    assert counts[:rounds] == [int((rejected >= number).sum()) for number in range(rounds)]
    assert counts[rounds] == (~accepted).sum()
    assert counts[rounds:] == sorted(counts[rounds:], reverse=True)


def test_clips_without_a_whole_attempt_are_those_of_the_first_bounded_one() -> None:
    """Kernels have gone on to later attempts by then: orbits and views are made once more, and are the same."""
    still = ClassConfig(linear_share=1.0, attempts=2, still=0.9)
    bank = ClassBank.sample(3, seed=5, config=still)
    own, cpu = (
        fit.fit_on_device(DeviceBank(HostDevice(), bank), *[np.arange(3)] * 2),
        fit_fractals(bank, *[np.arange(3)] * 2),
    )
    kept = (cpu.damping == 1).all(axis=1)
    assert kept.any() and (cpu.fault[kept] == Fault.STILL).all()
    assert np.array_equal(own.attempt, cpu.instances.attempt)
    assert np.array_equal(own.damping[kept], cpu.damping[kept])
    assert np.allclose(own.orbit[kept], cpu.orbit[kept], atol=1e-4)
    assert np.allclose(own.box[kept], cpu.box[kept], atol=1e-3)


def made(device: Device, bank: ClassBank, colour: ColourConfig | None) -> tuple[Any, Any]:
    """Fits and pictures of four clips."""
    there = DeviceBank(device, bank)
    classes, ids = np.arange(4) % len(bank), np.arange(4)
    fits = fit.fit_on_device(there, classes, ids)
    times = np.linspace([0] * 4, bank.native_frames[classes] - 1, 2, axis=1)
    camera = camera_matrices(identity_camera(4), 24)
    shown: dict[str, Any] = {"size": 24, "points": 2000, "camera": camera, "colour": colour}
    return fits, render_on_device(there, fits, times, **shown)


@pytest.mark.parametrize(("config", "colour"), [(STRICT, ColourConfig(vibrancy=0.5, drift=1)), (THROWN, None)])
def test_nothing_waits_for_the_device(config: ClassConfig, colour: ColourConfig | None) -> None:
    """No value of the device's is looked at from ids to pictures, palettes included, and no result depends on it."""
    bank = ClassBank.sample(2, seed=8, config=config)
    (strict, pictures), (plain, wanted) = (made(device, bank, colour) for device in (StrictDevice(), HostDevice()))
    for name in ("attempt", "damping", "box", "white", "orbit", "seed"):
        assert np.array_equal(getattr(strict, name).kept, getattr(plain, name)), name
    assert np.array_equal(pictures.kept, wanted)
    assert wanted.std() > 10


LONG = 20_000_000_000
"""Cycles of a pause, ten seconds or so: far more than the host needs to queue some clips."""

xp: Any = DeviceNumpy()
NUMBERS = DeviceArray(np.arange(3))


@pytest.mark.parametrize(
    "look",
    [
        lambda: bool(NUMBERS[0] > 1),
        lambda: int(NUMBERS.sum()),
        lambda: float(NUMBERS.max()),
        lambda: range(NUMBERS[1]),
        lambda: NUMBERS.item(),
        lambda: NUMBERS.tolist(),
        lambda: np.asarray(NUMBERS),
        lambda: NUMBERS.nonzero(),
        lambda: xp.nonzero(NUMBERS),
        lambda: xp.unique(NUMBERS),
        lambda: NUMBERS[NUMBERS > 1],
        lambda: NUMBERS[[0, 1]],
        lambda: NUMBERS[np.array([0, 1])],
        lambda: NUMBERS + np.arange(3),
        lambda: xp.maximum(NUMBERS, np.arange(3)),
    ],
)
def test_what_these_tests_call_waiting(look: Callable[[], Any]) -> None:
    with pytest.raises(Waits):
        look()


def test_what_is_no_waiting() -> None:
    assert (NUMBERS[NUMBERS] * 2 + 1)[1:].kept.tolist() == [3, 5]
    assert xp.where(NUMBERS > 1, NUMBERS, 7).kept.tolist() == [7, 7, 2]
    sums = xp.stack([NUMBERS, xp.asarray(np.ones(3))], axis=1)
    sums[:, 0] -= 1
    assert sums.sum(axis=1).kept.tolist() == [0, 1, 2]


class Rounded(DeviceNumpy):
    """Another library's sines and cosines, which differ by rounding."""

    def cos(self, values: Any) -> DeviceArray:
        return DeviceArray(np.nextafter(np.cos(values.kept), 2))

    def sin(self, values: Any) -> DeviceArray:
        return DeviceArray(np.nextafter(np.sin(values.kept), -2))


@pytest.mark.parametrize("config", [ColourConfig(drift=2), ColourConfig(gamma=3, vibrancy=0)])
def test_palettes_are_the_cpus(config: ColourConfig) -> None:
    bank = ClassBank.sample(2, seed=11)
    classes, ids = np.arange(300), np.arange(300) * 2**24
    cpu, device = draw_palettes(config, bank.seed, classes, ids), DeviceBank(StrictDevice(), bank)
    a, b = DeviceArray(ids), DeviceArray(classes)
    own = palettes_of(config, lambda field, count: device.uniforms(field, a, b, count), xp=Rounded())
    apart = np.abs(own.cycle.kept.astype(int) - cpu.cycle)  # type: ignore[attr-defined]
    assert apart.max() <= 1
    assert (apart > 0).sum() <= 5, "of half a million"
    share = np.tile(np.linspace(0, 1, 3), (300, 1))
    shown: Any = own.at(DeviceArray(share), xp=xp)
    assert np.abs(shown.kept.astype(int) - cpu.at(share)).max() <= 1
    assert np.allclose(own.drift.kept, cpu.drift) and np.array_equal(own.span.kept, cpu.span)  # type: ignore[attr-defined]


def test_held_out_clips_are_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whole batches and a smaller last one, shared out over processes; one with nothing to do does nothing."""

    def renderer(bank: Any, config: StreamConfig, device: torch.device) -> DeviceRenderer | None:
        there = DeviceRenderer(HostDevice(), torch.device("cpu"), bank, config)
        return None if device.type == "cpu" else there

    monkeypatch.setattr(validation, "available_device", torch.device)
    monkeypatch.setattr(validation, "device_renderer", renderer)
    bank = ClassBank.sample(2, seed=1, config=ClassConfig(linear_share=1.0))
    config = StreamConfig(clip_len=2, size=24, points=2000, masks=True, mean=0.4, std=0.2)
    options: dict[str, Any] = {"num_clips": 5, "batch_size": 2, "config": config, "world_size": 2, "threads": 1}
    for rank, sizes in enumerate([[2, 1], [2]]):
        own = list(FractalStream.validation(bank, device="cuda", rank=rank, **options))
        wanted = list(FractalStream.validation(bank, rank=rank, **options))
        assert [len(batch.target) for batch in own] == sizes
        for mine, theirs in zip(own, wanted, strict=True):
            assert torch.equal(mine.clip_id, theirs.clip_id) and mine.clip_id[:, 1].min() >= FIRST_VALIDATION_ID
            assert mine.next_index == theirs.next_index and mine.mask is not None
            assert ((mine.video - theirs.video).abs() > 3 / 255 / 0.2).float().mean() < 0.01
    assert list(FractalStream.validation(bank, device="cuda", rank=1, **(options | {"num_clips": 2}))) == []


@pytest.mark.gpu
@pytest.mark.skipif(cupy_device.missing() is not None, reason=str(cupy_device.missing()))
class TestOnAGpu:
    """Never run where these lines were written: there was no GPU. `pytest -m gpu` runs them."""

    @pytest.mark.parametrize(("config", "colour"), [(STRICT, ColourConfig(drift=1)), (THROWN, None)])
    def test_cupy_does_not_wait_either(self, config: ClassConfig, colour: ColourConfig | None) -> None:
        """All is queued behind something long before that is done, once kernels are compiled and tables made."""
        if not torch.cuda.is_available():
            pytest.skip("PyTorch sees no GPU")
        bank, device = ClassBank.sample(2, seed=8, config=config), cupy_device.device()
        torch.cuda.current_stream()  # from here on kernels follow PyTorch's stream
        with device.stream():
            kept = [made(device, bank, colour)]
            torch.cuda.synchronize()
            # Once more as it is measured, so that there is memory for it: asking for some would wait.
            torch.cuda._sleep(LONG // 100)  # type: ignore[no-untyped-call]
            kept.append(made(device, bank, colour))
            torch.cuda.synchronize()
            once = kept.pop()[1]
            torch.cuda._sleep(LONG)  # type: ignore[no-untyped-call]
            behind = torch.cuda.current_stream().record_event()
            _, again = made(device, bank, colour)
            assert not behind.query(), "somebody waited, or the host was slower than the pause"
            assert np.array_equal(once.get(), again.get())

    def test_attempts_are_those_of_the_rule(self) -> None:
        bank = ClassBank.sample(50, seed=8, config=STRICT)
        classes, ids = np.arange(200) % 50, np.arange(200) // 50
        own, cpu = (
            fit.fit_on_device(DeviceBank(cupy_device.device(), bank), classes, ids),
            fit_fractals(bank, classes, ids),
        )
        # What lies at a threshold falls on either side of it by rounding.
        assert (own.attempt.get() == cpu.instances.attempt).mean() > 0.97
