"""How many threads draw clips, and with how many the network computes, where nobody says."""

from dataclasses import replace

import pytest

from fractalvid.pretrain.run import PretrainConfig, render_threads, torch_threads
from fractalvid.pretrain.run import threads as module


def on(device: str, precision: str = "bf16", **options: int) -> PretrainConfig:
    config = PretrainConfig()
    return replace(config, engine=replace(config.engine, device=device, precision=precision, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("cores", "half"), [(1, 1), (2, 1), (8, 4), (9, 4)])
def test_half_of_the_cores_draw_beside_a_network_on_the_cpu(
    cores: int, half: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: cores)
    assert render_threads(on("cpu")) == half
    monkeypatch.setattr(module, "local_world_size", lambda: 2)
    assert render_threads(on("cpu")) == max(1, cores // 4)
    monkeypatch.setattr(module, "_trains_on_cpu", lambda config: False)
    assert render_threads(on("cpu")) == max(1, cores // 2)
    assert render_threads(replace(on("cpu"), threads=7)) == 7


def test_a_network_on_amx_leaves_the_others_to_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 8)
    monkeypatch.setattr(module, "has_amx", lambda: True)
    assert torch_threads(on("cpu")) == 4
    assert torch_threads(on("cpu", "fp32")) is None
    assert torch_threads(on("cpu", torch_threads=3)) == 3
    assert torch_threads(replace(on("cpu"), data="clips")) is None  # type: ignore[arg-type]
    monkeypatch.setattr(module, "has_amx", lambda: False)
    assert torch_threads(on("cpu")) is None
