"""Protocols from the command line to the result: shots, segments, dropout, optimisers."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.few_shot import draw_few_shot, few_of
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import command, folder_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set")


def run(data: Path, out: Path, *options: object) -> dict[str, Any]:
    args = ["--target", "folder", "--data", data, "--out", out, *options]
    assert command(*args, cache=data.parent / "c") == 0
    content: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return content


def test_few_shots_are_drawn_by_the_seed_and_nested() -> None:
    drawn = [few_of(seed, 3, 50, 10).tolist() for seed in range(20)]
    assert all(len(set(one)) == 10 and one == sorted(one) for one in drawn)
    assert len({tuple(one) for one in drawn}) == 20
    assert set(few_of(4, 3, 50, 5)) < set(drawn[4])
    assert set(np.concatenate(drawn).tolist()) == set(range(50))
    assert few_of(4, 2, 50, 10).tolist() != drawn[4]


def test_few_shots_leave_the_test_set_alone() -> None:
    videos = [Video(f"{label}/{k}", label, "test" if k % 3 == 0 else "train") for k in range(12) for label in (0, 1)]
    listing = Listing(("a", "b"), tuple(videos), frames=tuple(range(24)))
    few = draw_few_shot(listing, 2, seed=1)
    assert few.side("test") == listing.side("test")
    assert (
        [video.label for video in few.side("train")].count(0)
        == [video.label for video in few.side("train")].count(1)
        == 2
    )
    assert [videos.index(video) for video in few.videos] == list(few.frames)
    with pytest.raises(UserError, match="--shots is 9: class 'a' has only 8 training videos"):
        draw_few_shot(listing, 9, seed=1)


def test_a_few_shot_run_says_so(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = run(data, tmp_path / "out", "--shots", 2)
    assert (got["shots"], got["videos"]["train"], got["videos"]["test"], got["steps"]) == (2, 4, 4, 2)
    assert "2 videos a class" in (tmp_path / "out" / "report.md").read_text()
    assert command(
        *("--target", "folder", "--data", data, "--out", tmp_path / "x", "--shots", 5), cache=data.parent / "c"
    ) == 2  # fmt: skip
    assert "has only 4 training videos" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "weights.safetensors")


def test_settings_of_the_protocol_change_what_is_trained(data: Path, tmp_path: Path) -> None:
    options: dict[str, list[object]] = {
        "plain": [],
        "segments": ["--sampling", "segments"],
        "dropout": ["--dropout", 0.5],
        "sgd": ["--optimizer", "sgd"],
        "policy": ["--augment.operations", 0, "--augment.blur", 0],
    }
    stems = {}
    for name, words in options.items():
        run(data, tmp_path / name, *words)
        stems[name] = weights(tmp_path / name)["stem.0.weight"]
    assert weights(tmp_path / "dropout").keys() == weights(tmp_path / "plain").keys()
    for name in options:
        assert all(not torch.equal(stems[name], stems[other]) for other in options if other != name)


def test_a_protocol_is_in_the_result(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--sampling", "segments", "--first-frames", 5, "--voting", "votes", "--metric", "mean_class"]
    got = run(data, tmp_path / "out", *words)
    assert (got["sampling"], got["first_frames"], got["voting"], got["metric"]) == (
        "segments",
        5,
        "votes",
        "mean_class",
    )
    assert got["videos"]["shorter_than_window"] == 0
    config = json.loads((tmp_path / "out" / "weights.json").read_text())["config"]
    assert (config["sampling"], config["voting"]) == ("segments", "votes")
    assert "folder from scratch: mean per class" in capsys.readouterr().out
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        assert all(float(line["confidence"]) >= 0.5 for line in csv.DictReader(file))  # a vote of two views


def test_sources_of_videos_come_from_the_table(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.mp4"))
    lines = [f"{path},{Path(path).parent.name},{Path(path).parts[0]},film{k // 2}" for k, path in enumerate(videos)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label,split,film", *lines, ""]))
    args = ["--target", "folder", "--data", data, "--csv", table, "--out", tmp_path / "out"]
    assert command(*args, "--group-column", "flim", cache=data.parent / "c") == 2
    assert "no column 'flim': its columns are path, label, split, film; did you mean 'film'?" in capsys.readouterr().err
    assert command(*args, "--group-column", "film", cache=data.parent / "c") == 0
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        written = {line["path"]: line["group"] for line in csv.DictReader(file)}
    assert written == {path: f"film{k // 2}" for k, path in enumerate(videos) if path.startswith("test/")}
    assert "sources of the 4 test videos" in (tmp_path / "out" / "report.md").read_text()
    table.write_text(table.read_text().replace(f"{videos[0]},", f"{data / videos[0]},"))
    other = [*args[:-1], tmp_path / "other"]
    assert command(*other, "--group-column", "film", cache=data.parent / "c") == 2
    assert "line 2: with --group-column, paths must be relative" in capsys.readouterr().err
