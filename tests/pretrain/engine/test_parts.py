"""The smaller parts: prefetching, metrics, atomic files, command lines."""

import threading
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from fractalvid.cli.parsing import parse
from fractalvid.pretrain.engine.batches import Prefetcher, to_device
from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.machine.devices import PrecisionName, resolve_device
from fractalvid.pretrain.machine.precision import resolve_precision, resumed_precision
from fractalvid.pretrain.monitors.classification import classification_metrics
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text, write_with
from tests.pretrain.helpers import Clips, Coloured


def test_prefetching_keeps_the_order() -> None:
    with Prefetcher(Coloured(length=20), depth=3) as batches:
        assert [batch.next_index for batch in batches] == list(range(1, 21))
        with pytest.raises(StopIteration):
            next(batches)


def test_prefetching_stops_with_its_context() -> None:
    before = threading.active_count()
    with Prefetcher(Coloured(), depth=2) as batches:
        next(batches)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_prefetching_runs_ahead_and_measures_waiting() -> None:
    class Slow(Coloured):
        def batch(self, index: int, next_index: int) -> Clips:
            time.sleep(0.05)
            return super().batch(index, next_index)

    with Prefetcher(Slow(), depth=4) as batches:
        next(batches)
        assert batches.waited > 0.02
        deadline = time.monotonic() + 30
        while batches._queue.qsize() < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert batches._queue.qsize() == 4


def test_moving_to_the_cpu_is_free_and_other_devices_get_everything() -> None:
    batch = Coloured().batch(0, 1)
    assert to_device(batch, torch.device("cpu")) is batch
    moved = to_device(batch, torch.device("meta"))
    assert moved.video.device.type == moved.target.device.type == "meta"
    assert moved.next_index == 1


class Fixed(nn.Module):
    """Answers with the logits it finds in the video."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        return video[:, 0, 0, 0]


def test_metrics_against_a_count_by_hand() -> None:
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4], [1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 9], [6, 5, 4, 3, 2, 1]])
    target = torch.tensor([0, 0, 5, 1])  # first, sixth, first, second
    video = logits[:, None, None, None]
    whole = [Clips(video, target, 0)]
    parts = [
        Clips(video[:3], target[:3], 0),
        Clips(video[3:], target[3:], 0),
    ]  # uneven batches weigh by clips
    for batches in (whole, parts):
        metrics = classification_metrics(Fixed(), batches)
        assert metrics["top1"] == 0.5
        assert metrics["top5"] == 0.75
        expected = nn.functional.cross_entropy(logits, target).item()
        assert metrics["loss"] == pytest.approx(expected, rel=1e-6)
    assert classification_metrics(Fixed(), []) == {}


def test_metrics_with_fewer_than_five_classes() -> None:
    video = torch.tensor([[1.0, 2.0], [2.0, 1.0]])[:, None, None, None]
    metrics = classification_metrics(Fixed(), [Clips(video, torch.tensor([1, 1]), 0)])
    assert (metrics["top1"], metrics["top5"]) == (0.5, 1.0)


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_text(path, "old")

    def fails(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]  # a binary file
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        write_with(path, fails)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_precision_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for known, dtype in (
        ({}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda known=known: known, raising=False)
        assert resolve_precision("auto", cpu).dtype == dtype
    assert resolve_precision("bf16", cpu).dtype == torch.bfloat16
    assert resolve_device("auto").type in ("cpu", "cuda")


def test_auto_goes_on_in_what_a_run_began_in(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    kinds: tuple[PrecisionName, ...] = ("fp32", "bf16")
    for known, auto in (({}, "fp32"), ({"avx512_bf16": True}, "bf16")):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda known=known: known, raising=False)
        assert resolve_precision("auto", cpu).name == auto
        for kept in kinds:
            assert resumed_precision("auto", cpu, kept).name == kept
        assert resumed_precision("auto", cpu, "fp16").name == auto  # of a GPU
        assert resumed_precision("bf16", cpu, "fp32").name == "bf16"
    assert resumed_precision("auto", torch.device("cuda", 0), "fp16").name == "fp16"


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.pretrain.machine.devices.world_size", lambda: 4)
    monkeypatch.setattr("fractalvid.pretrain.machine.devices.local_rank", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 1)
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="'cuda:0' is one for all 4 processes"):
        resolve_device("cuda:0")
    monkeypatch.setattr("fractalvid.pretrain.machine.devices.local_rank", lambda: 2)
    with pytest.raises(UserError, match="process 2 of this machine has no GPU: torch sees 2"):
        resolve_device("auto")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--step", "5"], "did you mean --steps"),
        (["--steps", "x"], "--steps"),
        (["--hours", "soon"], "'soon' is no time"),
        (["--precision", "fp8"], "'bf16'"),
        (["--steps"], "--steps"),
        (["surplus"], "surplus"),
    ],
)
def test_wrong_arguments_are_one_line(args: list[str], told: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(LoopConfig, args, program="train", default=LoopConfig(), description="Train.")
    text = str(caught.value)
    assert told in text
    assert "\n" not in text
    assert "│" not in text


def test_right_arguments_are_taken() -> None:
    config = parse(LoopConfig, ["--hours", "20m"], program="x", default=LoopConfig(), description="")
    assert config.hours == pytest.approx(1 / 3)
