"""Streams on a real GPU: the CPU's batches, nobody waits, and no memory is used again too early."""

import itertools
from typing import Any

import pytest
import torch

from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import EmulationConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.kernels.cuda import cupy_device
from fractalvid.stream import FractalStream, StreamConfig
from tests.fractalvid.gpu.test_gpu import EVERYTHING, LINEAR


@pytest.mark.gpu
@pytest.mark.skipif(
    cupy_device.missing() is not None or not torch.cuda.is_available(), reason=str(cupy_device.missing())
)
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
            assert torch.equal(own.target.cpu(), wanted.target)
            for name in ("video", "video2"):
                apart = (getattr(own, name).cpu() - getattr(wanted, name)).abs()
                assert (apart > 3 / 255 / 0.2).float().mean() < 0.02

    @pytest.mark.parametrize("emulate", [None, "full"])
    def test_memory_is_not_used_again_too_early(self, emulate: str | None) -> None:
        """Batches that wait behind a long computation are those of a stream that nothing waits for."""
        bank = ClassBank.sample(20, seed=1)
        options: dict[str, Any] = {"batch_size": 16, "seed": 3, "emulate": emulate, "device": "cuda"}
        options["config"] = StreamConfig(points=20_000)
        work = torch.randn(4096, 4096, device="cuda")
        busy, sums, named = iter(FractalStream(bank, **options)), [], []
        for _ in range(40):
            work = work @ work / 64
            batch = next(busy)
            sums.append(batch.video.sum(dtype=torch.float64))
            named.append((batch.target - batch.clip_id[:, 0]).abs().sum() + (batch.target >= len(bank)).sum())
        assert not torch.stack(named).any()
        quiet = []
        for batch in itertools.islice(FractalStream(bank, **options), 40):
            torch.cuda.synchronize()
            quiet.append(batch.video.sum(dtype=torch.float64))
        assert torch.equal(torch.stack(sums), torch.stack(quiet))

    @pytest.mark.parametrize("colour", [None, ColourConfig()])
    def test_emulated_batches_are_the_cpus(self, colour: ColourConfig | None) -> None:
        """In distribution to rounding: a pixel that dynamics or an edge move is a few levels off, and few are."""
        bank = ClassBank.sample(20, seed=1, config=LINEAR)
        config = StreamConfig(points=20_000, masks=True, emulate=EVERYTHING, colour=colour)
        options: dict[str, Any] = {"batch_size": 16, "config": config, "seed": 3, "views": 2}
        ours, cpu = FractalStream(bank, device="cuda", **options), FractalStream(bank, **options)
        for own, wanted in itertools.islice(zip(ours, cpu, strict=True), 6):
            assert own.background_id is not None and wanted.background_id is not None
            assert own.background_id.device.type == "cuda"
            assert torch.equal(own.background_id.cpu(), wanted.background_id)
            for name in ("video", "video2"):
                apart = (getattr(own, name).cpu() - getattr(wanted, name)).abs()
                assert (apart > 4 / 255).float().mean() < 0.03
            for name in ("mask", "mask2"):
                assert (getattr(own, name).cpu() != getattr(wanted, name)).float().mean() < 0.02

    @pytest.mark.filterwarnings("ignore:Synchronization debug mode")
    @pytest.mark.filterwarnings("error")
    def test_emulation_waits_for_nothing(self) -> None:
        """PyTorch reports what synchronises, once kernels are compiled and tables made."""
        stream = FractalStream(
            ClassBank.sample(20, seed=1), batch_size=32, seed=3, emulate=EVERYTHING, views=2, device="cuda"
        )
        feed = iter(stream)
        next(feed)
        renderer = stream._renderer
        assert renderer is not None
        try:
            torch.cuda.set_sync_debug_mode("error")
            for _ in range(3 * renderer.batches_at_once(32, 2)):
                next(feed)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    @pytest.mark.parametrize("emulate", [None, EVERYTHING])
    def test_autocast_and_tf32_change_nothing(self, emulate: EmulationConfig | None) -> None:
        bank = ClassBank.sample(20, seed=1)
        options: dict[str, Any] = {"batch_size": 16, "seed": 3, "emulate": emulate, "device": "cuda"}
        plain = next(iter(FractalStream(bank, **options))).video
        before = torch.get_float32_matmul_precision()
        try:
            torch.set_float32_matmul_precision("high")
            with torch.autocast("cuda", torch.bfloat16):
                assert torch.equal(next(iter(FractalStream(bank, **options))).video, plain)
        finally:
            torch.set_float32_matmul_precision(before)

    def test_every_mix_of_variations_and_colour(self) -> None:
        config = ClassConfig(linear_share=0.0, variations=("julia", "pdj", "blur", "swirl"), max_summed=2, per_map=True)
        bank = ClassBank.sample(6, seed=2, config=config)
        shown = StreamConfig(size=64, points=20_000, colour=ColourConfig())
        video = next(iter(FractalStream(bank, batch_size=6, config=shown, seed=0, device="cuda"))).video
        assert torch.isfinite(video).all()
        assert (video.amax(dim=(1, 2, 3, 4)) > 0.3).all()
