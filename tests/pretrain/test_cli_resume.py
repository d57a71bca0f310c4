"""Runs of `pretrain` that go on: as uninterrupted ones, and with what they began with."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.pretrain.weights.cards import load_card
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import equal_state, run, saved_model

GO_ON = "pretrain --resume"


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--steps", "6", "--mixup", "0.4", "--cutmix", "1.0")
    assert run(tmp_path / "whole", *options) == 0
    parts = tmp_path / "parts"
    step = Update.step

    def fails(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        assert isinstance(self.objective, Supervised)
        assert (self.objective.config.mixup, self.objective.config.cutmix) == (0.4, 1.0)
        if batch.next_index > 16:
            raise UserError("power failure")
        return step(self, batch, lr)

    with monkeypatch.context() as patch:
        patch.setattr(Update, "step", fails)
        assert run(parts, *options, "--checkpoint-every", "2") == 2
    assert torch.load(parts / "checkpoint.pt", weights_only=True)["step"] == 4
    assert main(["--resume", "--no-progress", "--out", str(parts)]) == 0  # its own settings hold
    assert equal_state(saved_model(parts), saved_model(tmp_path / "whole"))
    assert load_card(parts).metrics == load_card(tmp_path / "whole").metrics


def test_a_finished_run_says_so_and_what_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "2", "--val-clips", "0") == 0
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.err == f"the run in {out} is finished, after 2 steps; to go on with it: {GO_ON} --out {out} --steps 4\n"
    assert told.out.splitlines()[1].startswith(f"weights: {out / 'weights.safetensors'}; fine-tune from them")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files
    (out / "weights.safetensors").unlink()  # killed between the last checkpoint and its weights
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 0
    assert (out / "weights.safetensors").read_bytes() == files["weights.safetensors"]


def test_a_larger_budget_goes_on_as_a_longer_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rates: list[float] = []
    step = Update.step

    def noted(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        rates.append(lr)
        if batch.next_index == die_at:
            raise UserError("power failure")
        return step(self, batch, lr)

    monkeypatch.setattr(Update, "step", noted)
    die_at = 0
    options = ("--val-clips", "0", "--emulate", "paper", "--warmup", "0", "--checkpoint-every", "3", "--log-every", "1")
    assert run(tmp_path / "long", "--steps", "6", *options) == 0
    long = rates[:]
    assert run(tmp_path / "whole", "--steps", "2", *options) == 0
    first = (tmp_path / "whole" / "weights.safetensors").read_bytes()
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    resume = ["--resume", "--no-progress", "--out"]
    rates.clear()
    capsys.readouterr()
    assert main([*resume, str(tmp_path / "whole"), "--steps", "6"]) == 0
    assert rates == long[2:]
    told = capsys.readouterr().err
    assert f"goes on from step 2 to 6 instead of 2: with the learning rate of a run of 6 steps, {long[2]:.3g}" in told
    assert (tmp_path / "whole" / "weights-2.safetensors").read_bytes() == first
    assert load_card(tmp_path / "whole" / "weights-2.json").config["engine"]["steps"] == 2
    config = load_card(tmp_path / "whole").config
    assert (config["engine"]["steps"], config["extended_at"]) == (6, [2])
    assert config["stream"]["emulate"]["curriculum"]["samples"] == round(0.6 * 2 * 4)  # samples stay what they were

    die_at = 20
    assert main([*resume, str(tmp_path / "parts"), "--epochs", "8", "--epoch-clips", "3"]) == 2
    assert "epoch_clips differ" in capsys.readouterr().err
    assert main([*resume, str(tmp_path / "parts"), "--epochs", "8"]) == 2  # of 3 classes: 6 steps of 4 clips
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    die_at = 0
    assert run(tmp_path / "parts", "--epochs", "8", *options, "--resume") == 0  # the same command goes on, too
    assert equal_state(saved_model(tmp_path / "parts"), saved_model(tmp_path / "whole"))


def test_pretraining_says_what_it_begins_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "theirs.ckpt"
    theirs = build_model("r3d_10", 7, seed=1).state_dict()
    torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in theirs.items()}}, file)
    assert run(tmp_path / "run", "--steps", "1", "--val-clips", "0", "--init", str(file)) == 0
    told = capsys.readouterr().err
    assert f"begins with {file} (r3d_10): 72 of 74 tensors loaded from state_dict model.; newly" in told
    assert "not used: fc.weight, fc.bias; this run's clips stay in [0, 1]\n" in told
    assert run(tmp_path / "other", "--steps", "1", "--init", f"{file}:s3d") == 2
    assert "error: --init " in capsys.readouterr().err


def test_a_run_that_died_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        assert run(tmp_path / name, "--steps", "2") == 0
    for path in (tmp_path / "parts").iterdir():
        if path.name != "config.json":
            path.unlink()
    assert main(["--resume", "--no-progress", "--out", str(tmp_path / "parts")]) == 0
    assert equal_state(saved_model(tmp_path / "parts"), saved_model(tmp_path / "whole"))


def test_folders_and_changed_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "2", "--val-clips", "0") == 0
    before = (out / "weights.safetensors").read_bytes()
    capsys.readouterr()
    for options, told in [
        (["--steps", "2", "--val-clips", "0"], "holds a run already"),
        (["--steps", "3", "--val-clips", "5", "--resume"], "val_clips differ"),
        (["--steps", "1", "--val-clips", "0", "--resume"], "has done 2 steps already, and steps 1 comes to 1: give"),
        (
            ["--steps", "2", "--val-clips", "0", "--lr", "0.1", "--size", "48", "--resume"],
            "stream.size, optim.lr",
        ),
    ]:
        assert run(out, *options) == 2
        error = capsys.readouterr().err
        assert error.startswith("pretrain: error: ")
        assert error.count("\n") == 1
        assert told in error
    assert (out / "weights.safetensors").read_bytes() == before


def test_a_resumed_run_keeps_its_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, bank = tmp_path / "run", tmp_path / "bank.npz"
    ClassBank.sample(3, seed=0).save(bank)
    assert run(out, "--steps", "2", "--val-clips", "0", "--bank", str(bank)) == 0
    ClassBank.sample(3, seed=5).save(tmp_path / "other.npz")
    ClassBank.sample(4, seed=0).save(tmp_path / "larger.npz")
    bank.rename(tmp_path / "moved.npz")
    resume = ["--resume", "--no-progress", "--out", str(out)]
    for options, told in [
        (["--classes", "7"], "has 3 classes, not 7"),
        (["--bank", str(tmp_path / "other.npz")], "seed 5, not 0"),
        (["--bank", str(tmp_path / "larger.npz")], "4 classes, not 3"),
        (["--bank", str(tmp_path / "absent.npz")], "absent.npz"),
    ]:
        capsys.readouterr()
        assert main([*resume, *options]) == 2, options
        assert told in capsys.readouterr().err
    assert main([*resume, "--bank", str(tmp_path / "moved.npz")]) == 0
    assert main(resume) == 0


def test_a_full_disk_at_the_start_leaves_the_command_to_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: ClassBank, path: Path) -> None:
        raise UserError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(ClassBank, "save", full)
        assert run(tmp_path / "run", "--steps", "2", "--val-clips", "0") == 2
    assert "no space left" in capsys.readouterr().err
    assert run(tmp_path / "run", "--steps", "2", "--val-clips", "0") == 0


@pytest.mark.parametrize("share", [0.0, 0.5, None], ids=["empty", "truncated", "foreign"])
def test_a_broken_checkpoint_is_one_line_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: float | None
) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "1", "--val-clips", "0") == 0
    checkpoint = out / "checkpoint.pt"
    data = b"not a checkpoint" if share is None else checkpoint.read_bytes()[: int(share * checkpoint.stat().st_size)]
    checkpoint.write_bytes(data)
    capsys.readouterr()
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("pretrain: error: the checkpoint")
    assert "can't be read: truncated, or not written by this program; delete it" in error
    assert checkpoint.read_bytes() == data


@pytest.mark.parametrize(("known", "name"), [({}, "fp32"), ({"amx_bf16": True}, "bf16")])
def test_the_arithmetic_is_kept(
    known: dict[str, bool], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: known, raising=False)
    out = tmp_path / "run"
    assert run(out, "--steps", "2", "--val-clips", "0") == 0
    assert load_card(out).precision == torch.load(out / "checkpoint.pt", weights_only=True)["precision"] == name
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {} if known else {"amx_bf16": True}, raising=False)
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 0
    assert load_card(out).precision == name


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--resume"], "--resume needs --out, the folder of the run to go on with"),
        (["--resume", "--seed", "3"], "--resume needs --out"),
        (["--resume=yes", "--out", "x"], "--resume takes no value; see pretrain --help"),
        (["--resume", "--steps", "3"], "there is no run in runs/r3d_18-seed0 to resume"),
        (["--recipe="], "there is no recipe ''"),
    ],
)
def test_what_to_resume_has_to_be_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    error = capsys.readouterr().err
    assert error.startswith("pretrain: error: ")
    assert error.count("\n") == 1
    assert told in error
