"""Folders of numbered pictures as the videos of a folder data set: prepared, cached, trained on, predicted."""

from pathlib import Path

import pytest
from PIL import Image

from fractalvid.finetune.cli import main
from fractalvid.pretrain.clips.listing import list_videos
from tests.finetune.helpers import command, metrics, video


def frame_set(root: Path) -> Path:
    """Four training clips and two test clips a class, a folder of six pictures each."""
    for number, name in enumerate(("dark", "light")):
        for side, count in (("train", 4), ("test", 2)):
            for k in range(count):
                folder = root / side / name / f"clip{k}"
                folder.mkdir(parents=True)
                level = 120 * number + 3 * k + (20 if side == "test" else 0)
                for n, picture in enumerate(video(6, level=level), start=8):  # numbers of one digit and of two
                    Image.fromarray(picture).save(folder / f"frame{n}.png")
    return root


def test_they_are_videos_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = frame_set(tmp_path / "data")
    data = ["--target", "folder", "--data", str(root)]
    assert main(["prepare", *data, "--cache-dir", str(tmp_path / "cache"), "--no-progress", "--cache", "18"]) == 0
    told = capsys.readouterr()
    assert "12 videos, 2 classes" in told.out and "frames    6 to 6" in told.out and "48 x 36" in told.out
    assert "rate      not said (12)" in told.out and "left aside" not in told.err
    assert main(["prepare", *data, "--cache-dir", str(tmp_path / "cache"), "--no-progress", "--frame-rate", "12"]) == 0
    assert "rate      12 a second (12)\nduration  0.1 minutes" in capsys.readouterr().out
    assert main(["prepare", *data, "--frame-rate", "0"]) == 2
    assert "--frame-rate is 0: it must be above 0" in capsys.readouterr().err
    assert command(*data, "--out", tmp_path / "run", cache=tmp_path / "cache") == 0
    assert metrics(tmp_path / "run")["frames"].startswith("cache, 18 pixels")
    capsys.readouterr()
    assert main(["predict", str(root / "test" / "dark"), "--weights", str(tmp_path / "run"), "--no-progress"]) == 0
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(root / "test" / "dark" / name) for name in ("clip0", "clip1")
    ]
    videos, classes = list_videos(root / "train")
    assert (len(videos), classes) == (8, ("dark", "light"))


def test_a_table_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = frame_set(tmp_path / "data")
    rows = "".join(
        f"{side}/{name}/clip{k},{name},{side}\n"
        for side in ("train", "test")
        for name in ("dark", "light")
        for k in (0, 1)
    )
    (tmp_path / "t.csv").write_text(f"path,label,split\n{rows}train/dark,dark,train\n")
    words = ["prepare", "--target", "folder", "--data", str(root), "--csv", str(tmp_path / "t.csv")]
    words += ["--cache-dir", str(tmp_path / "cache"), "--no-progress"]
    assert main(words) == 2
    assert "(folders without pictures: 1 such as train/dark)" in capsys.readouterr().err
    picture = root / "train" / "dark" / "clip1" / "frame9.png"
    picture.write_bytes(picture.read_bytes()[:70])
    assert main([*words, "--allow-missing", "--max-broken", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "broken    1 do not decode and are left out: train/dark/clip1" in out
