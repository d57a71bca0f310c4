"""What becomes of runs where `finetune prepare --cache` has decoded the videos in between."""

import json
from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from tests.finetune.helpers import command, metrics


def decode(data: Path, cache: Path, *options: str) -> None:
    """Keep the videos decoded at 18 pixels, as runs with `--size 16` read them."""
    words = ["prepare", "--target", "folder", "--data", str(data), "--cache", "18", *options]
    assert main([*words, "--cache-dir", str(cache), "--no-progress"]) == 0


def test_a_run_goes_on_with_the_frames_it_began_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "out", tmp_path / "c"
    args = ["--target", "folder", "--data", data, "--out", out, "--resume"]

    def stop(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the plug was pulled")

    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.finetune.run.pipeline.train_network", stop)
        with pytest.raises(RuntimeError, match="plug"):
            command(*args, cache=cache)
    assert json.loads((out / "config.json").read_text())["frames"] == "18 pixels"
    decode(data, cache, "--cache-quality", "5")
    capsys.readouterr()
    assert command(*args, cache=cache) == 2
    error = capsys.readouterr().err
    assert "(frames: 18 pixels, not 18 pixels, JPEG 5, by finetune prepare --cache or another --cache-dir)" in error
    assert error.count("\n") == 1
    decode(data, cache)  # bit for bit, which comes before pictures
    assert command(*args, cache=cache) == 0
    assert metrics(out)["frames"] == "cache, 18 pixels"


def test_runs_on_pictures_and_on_files_do_not_compare(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "out", tmp_path / "c"
    args = ["compare", "--target", "folder", "--data", data, "--out", out, "--init"]
    assert command(*args, "scratch", cache=cache) == 0
    decode(data, cache, "--cache-quality", "5")
    single = ["--target", "folder", "--data", data, "--out", tmp_path / "single", "--init", "other=scratch"]
    assert command(*single, cache=cache) == 0

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("found out too late")

    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", never)
    capsys.readouterr()
    assert command(*args, "scratch", "more=scratch", cache=cache) == 2
    assert "begun with other settings (frames: 18 pixels, not 18 pixels, JPEG 5, by" in capsys.readouterr().err
    assert main(["compare", "--runs", str(out), str(tmp_path / "single"), "--out", str(tmp_path / "g")]) == 2
    assert 'the runs differ in frames ("18 pixels", "18 pixels, JPEG 5")' in capsys.readouterr().err


def test_runs_that_were_trained_otherwise_are_no_initialisations(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--target", "folder", "--data", data, "--out"]
    assert command(*args, tmp_path / "a", "--init", "a=scratch", cache=tmp_path / "c") == 0
    assert command(*args, tmp_path / "b", "--init", "b=scratch", "--mixup", "0.3", cache=tmp_path / "c") == 0
    both = [str(tmp_path / name) for name in "ab"]
    assert main(["compare", "--runs", *both, "--out", str(tmp_path / "g")]) == 2
    assert "the runs differ in mixup (0.0, 0.3): they do not compare" in capsys.readouterr().err
    tests = []
    for folder in both:
        tests.append(f"{folder}_test")
        words = ["test", "--target", "folder", "--data", str(data), "--weights", folder, "--out", tests[-1]]
        assert main([*words, "--cache-dir", str(tmp_path / "c"), "--no-progress", "--device", "cpu"]) == 0
    assert main(["compare", "--runs", *tests, "--out", str(tmp_path / "g")]) == 2
    assert "the runs differ in mixup, the training of the weights (0.0, 0.3)" in capsys.readouterr().err
