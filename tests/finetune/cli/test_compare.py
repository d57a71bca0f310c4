"""`finetune compare` as a user would run it."""

import json
import shutil
from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from tests.finetune.helpers import command, metrics


def folds_table(data: Path, path: Path) -> Path:
    videos = sorted(file for file in data.rglob("*.mp4"))
    lines = [f"{file.relative_to(data).as_posix()},{file.parent.name},{k % 3}" for k, file in enumerate(videos)]
    path.write_text("\n".join(["path,label,fold3", *lines]) + "\n")
    return path


def labels(comparison: Path) -> list[str]:
    saved = json.loads((comparison / "comparison.json").read_text())
    return [entry["label"] for entry in saved["initialisations"]]


def test_compare_runs_reuses_and_gathers(
    data: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = folds_table(data, tmp_path / "folds.csv")
    out = tmp_path / "out"
    args: list[object] = ["compare", "--target", "folder", "--data", data, "--csv", table, "--out", out]
    args += ["--fold-column", "fold3", "--init", "scratch", f"ours={weights}", "--seeds", 0, "--folds", 0]
    assert command(*args, cache=tmp_path / "c") == 0
    first = (out / "ours" / "split-0_seed-0" / "metrics.json").stat().st_mtime_ns
    assert metrics(out / "scratch" / "split-0_seed-0")["videos"]["test"] == 4
    capsys.readouterr()
    assert command(*args, 1, cache=tmp_path / "c") == 0  # a second fold: only that is run
    assert (out / "ours" / "split-0_seed-0" / "metrics.json").stat().st_mtime_ns == first
    shown = capsys.readouterr().out
    assert "| scratch " in shown
    assert "±" in shown
    assert (out / "comparison.md").read_text() in shown
    saved = json.loads((out / "comparison.json").read_text())
    assert [(entry["label"], entry["top1"]["n"]) for entry in saved["initialisations"]] == [
        ("scratch", 2),
        ("ours", 2),
    ]

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("nothing was left to run")

    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", never)
    assert command(*args, 1, cache=tmp_path / "c") == 0
    assert command(*args, 1, "--lr", 0.5, cache=tmp_path / "c") == 2
    assert "begun with other settings (lr: 0.001, not 0.5)" in capsys.readouterr().err
    gathered = [
        "compare",
        "--runs",
        f"theirs={out / 'ours'}",
        f"{out / 'scratch'}",
        "--out",
        f"{tmp_path / 'g'}",
    ]
    assert main(gathered) == 0
    assert labels(tmp_path / "g") == ["theirs", "scratch"]
    assert main(["compare", "--runs", str(out), "--out", str(tmp_path / "h")]) == 0
    assert labels(tmp_path / "h") == ["scratch", "ours"]


def test_compare_notices_that_weights_changed(data: Path, weights: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(weights, mine)
    args = ["compare", "--target", "folder", "--data", data, "--init", mine, "--out", tmp_path / "out"]
    assert command(*args, cache=tmp_path / "c") == 0
    card = Card("r3d_10", 5, 2, 16, 2, None, None, 2, 1)
    save_weights(mine / "weights.safetensors", build_model("r3d_10", 5, seed=2), card)
    assert command(*args, cache=tmp_path / "c") == 2
