"""Where a run renders its clips, held-out ones included."""

from typing import Any

import pytest
import torch

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.monitors.config import MonitorConfig
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.pretrain.run.validation import build_validation
from fractalvid.stream import FractalStream, StreamConfig


@pytest.mark.parametrize(
    ("there", "asked", "used"), [(True, "cuda", "cuda"), (True, "cpu", "cpu"), (False, "cuda", "cpu")]
)
def test_held_out_clips_are_rendered_where_the_stream_is(
    there: bool, asked: Any, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def validation(*_: Any, device: torch.device | str, **options: Any) -> Any:
        seen.append(torch.device(device).type)
        return []

    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(there))
    monkeypatch.setattr(FractalStream, "validation", staticmethod(validation))
    bank = ClassBank.sample(2, seed=0)
    config = PretrainConfig(
        classes=2,
        val_clips=2,
        render_on=asked,
        stream=StreamConfig(clip_len=2, size=16),
        monitor=MonitorConfig(("knn",)),
    )
    assert build_validation(bank, config) is not None
    assert seen == [used, used]
