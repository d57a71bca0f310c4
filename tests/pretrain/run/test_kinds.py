"""Pre-training on the other kinds of classes: one option, and a bank of any kind."""

import json
from pathlib import Path

import pytest

from fractalvid.kinds import load_bank, sample_bank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.weights.cards import load_card

SMALL = [
    *("--arch", "r3d_10", "--batch-size", "4", "--clip-len", "4", "--size", "32", "--val-clips", "3", "--steps", "2"),
    *("--device", "cpu", "--threads", "1", "--no-tensorboard", "--no-progress"),
]


def run(out: Path, *options: str) -> int:
    return main([*SMALL, "--out", str(out), *options])


def test_a_kind_is_one_option_and_goes_on_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--kind", "perlin", "--classes", "3") == 0
    assert load_bank(out / "classes.npz").kind == "perlin"
    assert json.loads((out / "config.json").read_text())["config"]["kind"] == "perlin"
    assert load_card(out).config["kind"] == "perlin"
    assert "3 classes of perlin" in capsys.readouterr().err
    resume = ["--resume", "--no-progress", "--out", str(out)]
    assert main([*resume, "--kind", "shapes"]) == 2
    assert "is on perlin, not shapes" in capsys.readouterr().err
    assert main(resume) == 0


def test_a_banks_own_kind_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "classes.npz"
    sample_bank(3, kind="octopus", seed=1).save(path)
    assert run(tmp_path / "a", "--bank", str(path), "--kind", "shapes") == 2
    assert "is of kind octopus, not shapes" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert run(tmp_path / "a", "--bank", str(path)) == 0
    assert load_card(tmp_path / "a").config["kind"] == "octopus"


def test_an_unknown_kind_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "a", "--kind", "waves") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "waves" in error
