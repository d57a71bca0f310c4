"""`finetune bias` as a user would run it."""

import json
import math
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from fractalvid.finetune.cli import main
from fractalvid.finetune.probe import run as probing
from tests.finetune.helpers import folder_set

SMALL = ["--frames", "2", "--cv-folds", "2", "--no-progress", "--device", "cpu", "--precision", "fp32"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set", train=6, test=3)


def call(data: Path, out: Path, *words: object) -> int:
    args = ["bias", "--target", "folder", "--data", data, "--out", out, *SMALL, *words]
    return main([*map(str, args), "--cache-dir", str(out.parent / "cache")])


def test_bits_follow_from_the_accuracy(
    videos: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bias.json"
    assert call(videos, out, "--init", f"ours={weights}") == 0
    row = json.loads(out.read_text())["rows"][0]
    assert (row["label"], row["classes"], row["tested"], row["stage"]) == ("ours", 2, 6, "stage4")
    assert row["bits"] == pytest.approx(math.log2(row["accuracy"] / 50))
    assert row["interval"][0] <= row["bits"] <= row["interval"][1]
    assert "bias (bits)" in capsys.readouterr().out
    monkeypatch.setattr(probing, "features_of", None)  # again: nothing is computed
    assert call(videos, out, "--init", f"ours={weights}") == 0


def test_results_of_several_folds_lie_apart(
    videos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = sorted(path.relative_to(videos).as_posix() for path in videos.rglob("*.mp4"))
    rows = [f"{file},{file.split('/')[1]},{k % 2}" for k, file in enumerate(files)]
    Path("t.csv").write_text("\n".join(["path,label,fold", *rows]))
    words = ["--target", "folder", "--data", videos, "--csv", "t.csv", "--fold-column", "fold", "--init", weights]
    for fold in (0, 1):
        assert main(["bias", *map(str, words), "--fold", str(fold), *SMALL, "--cache-dir", "cache"]) == 0
    for fold in (0, 1):
        saved = json.loads(Path(f"runs/bias/folder-t_split-{fold}.json").read_text())
        assert [row["split"] for row in saved["rows"]] == [str(fold)]


def test_without_a_network_the_weights_are_one_line(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    assert call(videos, tmp_path / "bias.json") == 2
    assert not (tmp_path / "cache" / "index").exists()  # before a video is decoded
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the ImageNet weights cannot be downloaded" in said and "resnet18-f37072fd.pth into" in said


def test_wrong_options_are_one_line(
    videos: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bias.json"
    for words, said in (
        (("--init", "scratch"), "--init names no weights"),
        (("--frames", "0"), "--frames is 0: it must be 1 to 1024"),
        (("--fold", "1", "--init", str(weights)), "has no splits or folds to choose from"),
    ):
        assert call(videos, out, *words) == 2
        assert said in capsys.readouterr().err, words
    assert main(["bias", "gab", "a"]) == 2
    assert "unknown command 'gab'; did you mean gap?" in capsys.readouterr().err
    assert main(["bias", "gap", "a", "b"]) == 2
    assert "a is no folder of runs" in capsys.readouterr().err


def test_classes_in_common_are_listed(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "names.txt").write_text("Dark\nlighting\n")
    words = [
        "bias",
        "overlap",
        tmp_path / "names.txt",
        "--target",
        "folder",
        "--data",
        videos,
        "--out",
        tmp_path / "o.csv",
    ]
    assert main([*map(str, words)]) == 0
    assert "1 of 2 classes (50.0 %) are in both; of 1 more" in capsys.readouterr().out
    assert (tmp_path / "o.csv").read_text().splitlines()[1:] == ["dark,Dark,1,yes", "light,lighting,0.769,"]
