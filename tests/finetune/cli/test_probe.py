"""`finetune probe` as a user would run it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.probe import run as probing
from fractalvid.finetune.probe.features import features_of
from fractalvid.finetune.probe.report import COLUMNS
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from tests.finetune.helpers import folder_set, put

LITTLE = "--frame-stride 1 --random 2 --cv-folds 2 --settle-clips 4 --no-progress --device cpu --precision fp32"
SMALL = LITTLE.split()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set", train=6, test=3)


def call(data: Path, out: Path, weights: object, *words: object) -> int:
    args = ["probe", "--target", "folder", "--data", data, "--out", out, "--init", weights, *words]
    return main([*map(str, args), *SMALL, "--cache-dir", str(out.parent / "cache")])


def result(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "probe.json").read_text())
    return content


def test_a_probe_leaves_rows_a_picture_and_a_table(
    videos: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(videos, tmp_path / "out", f"ours={weights}") == 0
    told = capsys.readouterr().out
    got = result(tmp_path / "out")
    rows = got["rows"]
    assert len(rows) == 3 * 5 * 2 * 2 * 2
    assert {(row["network"], row["number"]) for row in rows} == {("ours", 0), ("random", 0), ("random", 1)}
    assert {row["dim"] for row in rows if row["stage"] == "stage4"} == {256}
    assert all(1 <= row["rank"] <= row["dim"] and 0 <= row["test_top1"] <= 100 for row in rows)
    for row in got["chosen"]:
        same = [one for one in rows if (one["network"], one["number"]) == (row["network"], row["number"])]
        assert row["cv_top1"] == max(one["cv_top1"] for one in same)
    table = told[: told.index("written: ")].splitlines()
    assert max(map(len, table)) <= COLUMNS
    ours = next(row for row in got["chosen"] if row["network"] == "ours")
    assert f"ours              {ours['test_top1']:5.1f} %" in told
    assert (tmp_path / "out" / "probe.png").read_bytes().startswith(b"\x89PNG")
    # Again: nothing is computed, and another label is that of the same network.
    monkeypatch.setattr(probing, "features_of", None)
    monkeypatch.setattr(probing, "classify_features", None)
    assert call(videos, tmp_path / "out", f"other={weights}") == 0
    again = result(tmp_path / "out")["rows"]
    assert again == [row | {"network": "other" if row["network"] == "ours" else "random"} for row in rows]


def test_features_are_taken_anew_where_clips_changed(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, made = folder_set(tmp_path / "set"), list[str]()
    measured = features_of

    def counting(*args: Any) -> Any:
        made.append(args[1])
        return measured(*args)

    monkeypatch.setattr(probing, "features_of", counting)
    assert call(data, tmp_path / "out", weights) == 0
    assert len(made) == 3
    assert call(data, tmp_path / "out", weights, "--ridge", "1", "0.1") == 0
    assert len(made) == 3
    put(data / "train" / "dark" / "0.mp4", 9, level=3)
    assert call(data, tmp_path / "out", weights) == 0
    assert len(made) == 6
    next((tmp_path / "cache" / "probe").glob("*.npz")).write_bytes(b"PK damaged")
    assert call(data, tmp_path / "out", weights, "--seed", "0", "--logistic", "1") == 0
    assert len(made) in (6, 7)  # the damaged one may be of the clips as they were


def test_several_pretrainings_of_one_label_are_each_shown_with_their_mean(
    videos: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other" / "weights.safetensors"
    other.parent.mkdir()
    card = Card("r3d_10", 5, 2, 16, 2, None, None, 2, 1)
    save_weights(other, build_model("r3d_10", 5, seed=2), card)
    assert call(videos, tmp_path / "out", f"ours={weights},{other}", "--ridge", 1, "--logistic", 1) == 0
    got, told = result(tmp_path / "out"), capsys.readouterr().out
    known = [("ours", 0), ("ours", 1), ("random", 0), ("random", 1)]
    assert [(one["label"], one["number"]) for one in got["networks"]] == known
    assert got["networks"][0]["init"]["path"] != got["networks"][1]["init"]["path"] == str(other.resolve())
    assert [(row["network"], row["number"]) for row in got["chosen"]] == known
    accuracies = [row["test_top1"] for row in got["chosen"][:2]]
    for accuracy in accuracies:
        assert f"ours              {accuracy:5.1f} %        " in told
    mean, deviation = np.mean(accuracies), np.std(accuracies, ddof=1)
    assert f"ours              {mean:5.1f} ± {deviation:.1f} %  mean ± deviation of 2 networks" in told


def test_results_of_several_folds_lie_apart(
    videos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = sorted(path.relative_to(videos).as_posix() for path in videos.rglob("*.mp4"))
    rows = [f"{file},{file.split('/')[1]},{'ab'[k % 2]}/1" for k, file in enumerate(files)]
    Path("t.csv").write_text("\n".join(["path,label,fold", *rows]))
    words = ["--target", "folder", "--data", videos, "--csv", "t.csv", "--fold-column", "fold", "--init", weights]
    for fold in ("a/1", "b/1"):
        asked = ["probe", *words, "--fold", fold, "--ridge", 1, "--logistic", 1, *SMALL, "--cache-dir", "cache"]
        assert main([*map(str, asked)]) == 0
    folders = [Path("runs/probe/folder-t", f"fractal_split-{fold}-1") for fold in "ab"]
    assert [result(folder)["split"] for folder in folders] == ["a/1", "b/1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--init", "nothing.safetensors"], "--init 'nothing.safetensors': "),
        (["--init", "scratch"], "random networks are there anyway"),
        (["--random", "1"], "--random is 1: it must be at least 2"),
        (["--cv-folds", "400"], "--cv-folds is 400: the training videos are of 12 sources only"),
        (["--ridge", "-1"], "--ridge -1.0: it takes strengths above 0"),
        (["--fold", "1"], "--target folder has no splits or folds to choose from"),
        (["--out", "full"], "--out full holds something else than a probe"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    message: str,
    videos: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    args = ["probe", "--target", "folder", "--data", str(videos), "--init", str(weights), *SMALL, *words]
    assert main([*args, "--cache-dir", str(tmp_path / "c")]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert message in told[-1]
    assert not (tmp_path / "runs").exists()
