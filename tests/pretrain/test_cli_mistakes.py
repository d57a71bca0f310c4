"""What `pretrain` refuses: in one line that says what and where, before anything is made."""

import subprocess
import sys
from pathlib import Path

import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.cli import main
from fractalvid.sets import SetConfig, generate
from tests.pretrain.helpers import SMALL, run


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--steps", "0"], "steps"),
        ([], "budget"),
        (["--steps", "2", "--hours", "1"], "one budget"),
        (["--hours", "soon"], "'soon' is no time"),
        (["--steps", "2", "--arch", "r3d18"], "did you mean r3d_18"),
        (["--steps", "2", "--arch", "resnet"], "no architecture is called 'resnet'. There are r3d_18"),
        (["--steps", "2", "--model", "r3d18"], "did you mean r3d_18"),
        (["--steps", "2", "--classes", "1"], "at least 2"),
        (["--steps", "2", "--batch-size", "0"], "batch-size"),
        (["--steps", "2", "--lr", "-1"], "lr"),
        (["--steps", "2", "--mixup", "-1"], "mixup is -1"),
        (["--steps", "2", "--cutmix", "inf"], "cutmix is inf"),
        (["--steps", "2", "--epochs", "2"], "both --steps and --epochs are given"),
        (["--epochs", "0"], "epochs is 0"),
        (["--epochs", "2", "--epoch-clips", "0"], "epoch-clips is 0"),
        (["--steps", "2", "--ema", "1"], "ema is 1"),
        (["--steps", "2", "--accumulate", "0"], "accumulate is 0"),
        (["--steps", "2", "--accumulate", "3"], "batch-size is 4; it must be a multiple of 3"),
        (["--steps", "2", "--accumulate", "4"], "BatchNorm needs 2"),
        (["--steps", "2", "--sync-bn"], "sync-bn needs CUDA"),
        (["--steps", "2", "--objective", "moco", "--mixup", "0.2"], "mixup"),
        (["--steps", "2", "--seed", "-1"], "seed"),
        (["--steps", "2", "--seed", str(2**64)], "below 2^64"),
        (["--steps", "2", "--val-clips", "-1"], "val-clips"),
        (["--steps", "2", "--threads", "0"], "threads"),
        (["--steps", "2", "--clip-len", "0"], "clip"),
        (["--steps", "2", "--size", "0"], "size"),
        (["--steps", "2", "--device", "cuda:77"], "cuda:77"),
        (["--steps", "2", "--precision", "fp16"], "fp16"),
        (["--steps", "2", "--bank", "/nowhere/x.npz"], "/nowhere/x.npz"),
        (["--steps", "2", "--recipe", "smallcpu"], "did you mean small_cpu"),
        (["--step", "2"], "did you mean --steps"),
        (["--steps", "2", "--resume"], "no run in"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert run(tmp_path / "run", *options) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("pretrain: error: ")
    assert captured.err.count("\n") == 1
    assert told in captured.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"no bank", None], ids=["empty", "foreign", "truncated"])
def test_a_broken_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    bank = tmp_path / "bank.npz"
    ClassBank.sample(3, seed=0).save(bank)
    bank.write_bytes(bank.read_bytes()[:200] if content is None else content)
    assert run(tmp_path / "run", "--steps", "2", "--bank", str(bank)) == 2
    assert "bank.npz" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_bank_of_another_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClassBank.sample(4, seed=0).save(tmp_path / "bank.npz")
    assert run(tmp_path / "run", "--steps", "2", "--bank", str(tmp_path / "bank.npz")) == 2
    assert "has 4 classes, not 3" in capsys.readouterr().err


def test_one_class_cannot_be_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, folder = ClassBank.sample(1, seed=0), tmp_path / "set"
    bank.save(tmp_path / "one.npz")
    generate(bank, folder, SetConfig(clips=4, size=32, points=2000), workers=1, progress=False)
    options = [*SMALL[:2], *SMALL[4:10], "--val-clips", "0", *SMALL[14:], "--steps", "1"]
    for where in (["--bank", str(tmp_path / "one.npz")], ["--data", str(folder)]):
        for more in ([], ["--dry-run"]):
            assert main([*options, *where, *more, "--out", str(tmp_path / "run")]) == 2
            told = capsys.readouterr().err
            assert f"{where[1]} has 1 class; telling classes apart needs at least 2" in told
            assert told.count("\n") == 1
            assert not (tmp_path / "run").exists()
    assert main([*options, *where, "--objective", "simclr", "--out", str(tmp_path / "run")]) == 0
    assert "on 1 class of ifs" in capsys.readouterr().err
    assert main(["--resume", "--steps", "2", "--no-progress", "--out", str(tmp_path / "run")]) == 0


def test_help_and_most_mistakes_need_no_torch() -> None:
    code = """
import sys
from fractalvid.pretrain.cli import main
assert main(["--list"]) == 0
assert main(["--stps", "3"]) == 2
assert main(["--recipe", "small_cpu", "--classes", "1"]) == 2
assert main(["--recipe", "small_cpu", "--epoch-clips", "7"]) == 2
assert not {"torch", "torchvision"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for said in ("did you mean --steps?", "classes is 1", "the budget is not in --epochs"):
        assert said in done.stderr
