"""`finetune --debias`: what it trains with, that it goes on, and what it refuses before training."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from fractalvid.finetune.debias.source import DebiasedClips
from fractalvid.finetune.run import train as training
from fractalvid.pretrain.engine import CHECKPOINT
from fractalvid.pretrain.objectives.debias import DebiasBatch
from fractalvid.pretrain.weights import load_tensors
from tests.finetune.debias.helpers import beside_set, figure, put_mask
from tests.finetune.helpers import command, metrics


def run(data: Path, out: Path, *words: object, cache: Path) -> int:
    return command("--target", "folder", "--data", data, "--out", out, *words, cache=cache)


def debiased(tmp_path: Path, data: Path) -> list[object]:
    scenes, masks = beside_set(data, tmp_path)
    return ["--debias", 0.5, "--scenes", scenes, "--masks", masks]


def test_a_debiased_run_learns_both_and_goes_on_as_if_nothing_had_been(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, cache = debiased(tmp_path, data), tmp_path / "cache"
    assert run(data, tmp_path / "whole", *words, cache=cache) == 0
    log = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert all({"scene_loss", "scene_accuracy", "masked_entropy"} <= row.keys() for row in log if "loss" in row)
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["debias"] == 0.5 and len(config["beside_digest"]) == 32

    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 1)
    original = DebiasedClips.__iter__

    def some(source: DebiasedClips) -> Iterator[DebiasBatch]:
        yield from islice(original(source), 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DebiasedClips, "__iter__", some)
        assert run(data, tmp_path / "parts", *words, cache=cache) != 0
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    assert run(data, tmp_path / "parts", *words, "--resume", cache=cache) == 0
    whole, parts = (load_tensors(tmp_path / name / "weights.safetensors") for name in ("whole", "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)
    assert metrics(tmp_path / "parts")["top1"] == metrics(tmp_path / "whole")["top1"]


def test_what_is_off_leaves_no_trace(data: Path, tmp_path: Path) -> None:
    assert run(data, tmp_path / "a", cache=tmp_path / "cache") == 0
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert not {"debias", "scenes", "masks", "beside_digest"} & config.keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--debias 0.5", "--debias needs --scenes, --masks or both"),
        ("--scenes {scenes}", "--scenes is for --debias"),
        ("--masks {masks}", "--masks is for --debias"),
        ("--debias -1 --masks {masks}", "--debias is -1"),
        ("--debias 0.5 --masks {masks} --mode linear", "--debias goes neither with --mode linear"),
        ("--debias 0.5 --masks {masks} --mixup 0.2", "nor with --mixup"),
        ("--debias 0.5 --masks {masks}/train", "has no mask of 8 of 8 videos"),
        ("--debias 0.5 --masks {masks}/none", "is no folder"),
        ("--debias 0.5 --scenes {masks}/none", "none"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    words: str, message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes, masks = beside_set(data, tmp_path)
    args = words.format(scenes=scenes, masks=masks).split()
    assert run(data, tmp_path / "out", *args, cache=tmp_path / "cache") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and message in said
    assert not (tmp_path / "out").exists()


def test_masks_that_changed_do_not_go_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = debiased(tmp_path, data)
    monkeypatch.setattr(training, "train", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(data, tmp_path / "out", *words, cache=tmp_path / "cache")
    put_mask(tmp_path / "masks", "train/dark/0.mp4", ~figure(6))
    assert run(data, tmp_path / "out", *words, "--resume", cache=tmp_path / "cache") == 2
    assert "what --scenes and --masks hold changed" in capsys.readouterr().err
