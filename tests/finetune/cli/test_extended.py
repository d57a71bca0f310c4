"""A fine-tuning goes on for more epochs than it began with, or says why not."""

import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.clips.loader import ClipBatch, TrainLoader
from fractalvid.finetune.run import train
from fractalvid.pretrain.optim import OptimConfig, planned_lr
from fractalvid.pretrain.weights import load_card
from tests.finetune.helpers import SMALL, metrics


def finetune(data: Path, out: Path, *more: object) -> int:
    words = ["--target", "folder", "--data", data, "--out", out, "--cache-dir", out.parent / "c", *SMALL.split()]
    return main([str(word) for word in (*words, "--batch-size", 4, "--no-progress", "--device", "cpu", *more)])


def stop_at(patch: pytest.MonkeyPatch, batch: int) -> None:
    """Let training stop when it takes this batch, counted from 1."""
    real, seen = TrainLoader._finish, list[int]()

    def finish(self: TrainLoader, pending: Any) -> ClipBatch:
        seen.append(1)
        if len(seen) == batch:
            raise RuntimeError("the plug was pulled")
        return real(self, pending)

    patch.setattr(TrainLoader, "_finish", finish)


def config(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "config.json").read_text())
    return loaded


def test_a_finished_run_that_kept_its_checkpoint_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert finetune(data, out, "--epochs", 2, "--keep-checkpoint") == 0
    before = (out / "weights.safetensors").read_bytes()
    assert (out / "checkpoint.pt").exists() and "extended_at" not in config(out)
    capsys.readouterr()
    assert finetune(data, out, "--epochs", 2, "--resume") == 0
    assert "is finished; --resume with more --epochs goes on with it" in capsys.readouterr().err
    assert (out / "weights.safetensors").read_bytes() == before
    for other in (("--lr", 1), ("--warmup-epochs", 1), ("--seed", 3)):
        assert finetune(data, out, "--epochs", 4, "--resume", *other) == 2
        assert f"begun with other settings ({other[0].strip('-').replace('-', '_')}" in capsys.readouterr().err
    assert (out / "metrics.json").exists() and (out / "checkpoint.pt").exists()

    assert finetune(data, out, "--epochs", 4, "--resume") == 0
    optim = OptimConfig(lr=1e-3, weight_decay=0.02, warmup=0.4 / 4, final_lr=1e-5)
    rates = [planned_lr(optim, 4, step, 8) for step in range(8)]
    told = f"from step 4 to 8, 4 epochs instead of 2: with the learning rate of a run of 8 steps, {rates[4]:.3g} now"
    shown = capsys.readouterr()
    assert told in shown.out + shown.err
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    seen = {row["step"]: row["lr"] for row in rows if row["kind"] == "train"}
    assert max(seen) == 8 and seen[8] == pytest.approx(rates[7]) and seen[6] == pytest.approx(rates[5])
    assert (metrics(out)["epochs"], metrics(out)["steps"]) == (4, 8)
    assert (config(out)["extended_at"], config(out)["epochs"], config(out)["warmup_epochs"]) == ([4], 4, 0.4)
    assert load_card(out).config["extended_at"] == [4]
    assert (out / "weights-2.safetensors").read_bytes() == before != (out / "weights.safetensors").read_bytes()
    assert {"weights-2.json", "metrics-2.json"} <= {path.name for path in out.iterdir()}
    assert not (out / "checkpoint.pt").exists()


@pytest.mark.parametrize(("words", "warmup"), [((), 0.4), (("--recipe", "small_cpu", "--batch-size", 4), 0.2)])
def test_an_extended_run_keeps_its_first_warm_up_when_it_goes_on(
    words: tuple[object, ...],
    warmup: float,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """That of a recipe is scaled with --epochs, without being asked for."""
    out = tmp_path / "run"
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 1)
    assert finetune(data, out, *words, "--epochs", 2, "--keep-checkpoint") == 0
    assert finetune(data, out, *words, "--epochs", 30, "--warmup-epochs", 3.5, "--resume") == 2
    told = capsys.readouterr().err
    assert f"{out} was begun with other settings (warmup_epochs: {warmup}, not 3.5)" in told
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(RuntimeError, match="plug"):
            finetune(data, out, *words, "--epochs", 4, "--resume")
    for epochs in (4, 5):
        kept = ["--keep-checkpoint"] * (epochs == 4)
        assert finetune(data, out, *words, "--epochs", epochs, "--resume", *kept) == 0
        assert (metrics(out)["epochs"], config(out)["warmup_epochs"]) == (epochs, pytest.approx(warmup))
    assert config(out)["extended_from"] == [2, 4]


def test_a_finished_run_without_its_checkpoint_says_what_to_do(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert finetune(data, out, "--epochs", 1) == 0
    for epochs, code, are in ((1, 0, "is finished"), (3, 2, "holds a finished run")):
        assert finetune(data, out, "--epochs", epochs, "--resume") == code
        told = capsys.readouterr().err
        assert f"{are}; it kept no checkpoint (--keep-checkpoint) to go on from" in told
        assert f"as with --init {out} and another --out" in told
    assert finetune(data, tmp_path / "more", "--epochs", 1, "--init", out) == 0


def test_an_unfinished_run_goes_on_for_more_epochs_or_fewer(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 1)
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        with pytest.raises(RuntimeError, match="plug"):
            finetune(data, out, "--epochs", 5)
    assert finetune(data, out, "--epochs", 1, "--resume") == 2
    assert "has done 2 steps already, and --epochs 1 comes to 2: give more" in capsys.readouterr().err
    assert config(out)["epochs"] == 5
    assert finetune(data, out, "--epochs", 2, "--resume") == 0
    assert (metrics(out)["steps"], config(out)["extended_at"], config(out)["warmup_epochs"]) == (4, [2], 1.0)
