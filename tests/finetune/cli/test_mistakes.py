"""What `finetune` refuses: in one line that says what and where, before long work."""

import re
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.run import pipeline
from tests.finetune.helpers import SMALL, command, metrics, show_help


def test_the_demo_is_not_drawn_for_a_folder_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("drawn in vain")

    monkeypatch.setattr("fractalvid.finetune.videos.data.draw_demo", never)
    assert command("--target", "demo", "--out", "/proc/fractalvid", cache=tmp_path) == 2
    assert "can't make the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--target"),
        ("--target folder", "needs --data"),
        ("--target folder --data {data} --inti scratch", "--inti"),
        ("--target folder --data {data} --crop-scale 0.2 1", "did you mean --augment.crop-scale?"),
        ("--target folder --data {data} --arch r3d18", "did you mean r3d_18"),
        ("--target folder --data {data} --epochs 0", "--epochs is 0"),
        ("--target folder --data {data} --epochs many", "--epochs"),
        ("--target folder --data {data} --mode partial", "--mode"),
        ("--target folder --data {data}/absent", "does not exist"),
        ("--target folder --data {data}/train", "expected train/<class>/<video>"),
        ("--target folder --data {data} --seed -1", "--seed is -1"),
        ("--target folder --data {data} --mixup -1", "--mixup is -1"),
        ("--target folder --data {data} --cutmix nan", "--cutmix is nan"),
        ("--target folder --data {data} --split 1", "no splits or folds"),
        ("--target folder --data {data} --device quantum", "quantum"),
        ("--target folder --data {data} --cache-gb -1", "--cache-gb is -1"),
        ("--target folder --data {data} --max-broken 7", "--max-broken is 7"),
        ("--target folder --data {data} --out {data}", "not empty and holds no fine-tuning run"),
        ("--target folder --data {data} --out {data}/test/dark/0.mp4", "is a file"),
        ("--target folder --data {data} --out {data}/test/dark/0.mp4/x", "is a file"),
        ("--target folder --data {data} --split 1 --fold 1", "exclude each other"),
        ("--target folder --data {data} --fold 1", "--fold needs --fold-column"),
        ("--target hmdb51 --data {data} --fold 1", "chosen with --split"),
        ("compare --target hmdb51 --data {data} --out {out} --folds 1 2", "chosen with --splits"),
        ("--target folder --data {data} --init ../x=scratch", "cannot be the name of a folder"),
        ("--target folder --data {data} --init ..=scratch", "cannot be the name of a folder"),
        ("--target folder --data {data} --out /proc/fractalvid", "can't make the folder"),
        ("compare --target folder --data {data} --out /proc/fractalvid", "can't make the folder"),
        ("compare --target folder --data {data}", "--out"),
        ("compare --target folder --data {data} --out {out} --seeds 0 0", "--seeds names something twice"),
        ("compare --target folder --data {data} --out {out} --folds 1 --splits 2", "exclude each other"),
        ("compare --target folder --data {data} --out {out} --init", "--init"),
        ("compare --runs {out} --out {out}", "no such folder"),
        ("--target folder --data {data} --out {out} --batch-size 1", "BatchNorm needs 2"),
        ("compare --target folder --data {data} --out {out} --modes linear full --batch-size 1", "BatchNorm needs 2"),
        ("--target folder --data {data} --out {out} --augment.crop-scale 0 1", "--augment.crop-scale is 0 1"),
        ("--target folder --data {data} --out {out} --augment.crop-ratio 2 1", "--augment.crop-ratio is 2 1"),
        ("--target folder --data {data} --out {out} --augment.flip 2", "--augment.flip is 2"),
        ("--target folder --data {data} --out {out} --augment.operations -1", "--augment.operations is -1"),
        (
            "--target folder --data {data} --out {out} --recipe debiasing --optimizer adamw",
            "--no-classic-momentum takes",
        ),
        ("--target folder --data {data} --out {out} --recipe=", "there is no recipe ''"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    words: str, message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    args = [word.format(data=data, out=out) for word in words.split()]
    before = sorted(data.rglob("*"))
    assert main(args) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("finetune: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not out.exists()
    assert sorted(data.rglob("*")) == before


def test_single_clips_are_refused_before_a_video_is_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*args: Any, **options: Any) -> None:
        raise AssertionError("videos were read")

    monkeypatch.setattr(pipeline, "read_videos", read)
    assert main(["--target", "folder", "--data", str(data), "--batch-size", "1", "--out", str(tmp_path / "o")]) == 2
    assert not (tmp_path / "o").exists()


def test_a_linear_probe_takes_single_clips(data: Path, tmp_path: Path) -> None:
    args = ["--target", "folder", "--data", str(data), "--mode", "linear", "--batch-size", "1", "--epochs", "1"]
    where = ["--out", str(tmp_path / "o"), "--cache-dir", str(tmp_path / "c"), "--no-progress", "--device", "cpu"]
    assert main([*args, *where, *SMALL.split()]) == 0
    assert metrics(tmp_path / "o")["steps"] == 8


def test_a_training_that_diverges_advises_options_that_there_are(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--target", "folder", "--data", data, "--out", tmp_path / "o", "--lr", "1e30", "--grad-clip", "1e30"]
    assert command(*args, cache=tmp_path / "c") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "steps had a non-finite loss" in said
    with pytest.raises(SystemExit):
        show_help()
    helped = capsys.readouterr().out
    assert all(option in helped for option in re.findall(r"--[a-z][a-z-]+", said))
