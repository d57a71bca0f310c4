"""`finetune generalise` from its options to its table, on miniatures."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.finetune.cli import main
from fractalvid.finetune.generalise.config import METHODS, RECIPES, GeneraliseRecipe, load_generalise_recipe
from fractalvid.finetune.generalise.folder import Accuracies, Finished
from fractalvid.finetune.generalise.table import table
from fractalvid.pretrain.recipes import recipe_names
from fractalvid.pretrain.weights import load_network
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import folder_set

SMALL = "--model r3d_10 --size 16 --clip-len 2 --steps 4 --every 2 --rounds 2 --ascents 1 --batch-size 4 --device cpu"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    folder_set(place / "source", test=1)
    folder_set(place / "target", classes=("Light", "dark", "odd"), train=1, test=3)
    lines = [f"{k},0.1,0,0,0.5,0.5,{name}" for k in range(3) for name in ("dark", "light")]
    (place / "boxes.csv").write_text("video,time,x1,y1,x2,y2,action\n" + "\n".join(lines) + "\n")
    return place


def call(folder: Path, out: Path, *more: object) -> int:
    words = [*SMALL.split(), "--source", "folder", "--source-data", folder / "source"]
    words += ["--target", "folder", "--data", folder / "target", "--out", out, "--cache-dir", folder / "cache"]
    words += ["--threads", 1, "--no-progress", "--precision", "fp32", *more]
    return main(["generalise", *map(str, words)])


def result(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "generalise.json").read_text())
    return found


def unpadded(text: str) -> str:
    """Text whose tables are not padded to columns."""
    return " ".join(text.split())


def test_all_methods_end_in_one_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxes: tuple[object, ...] = ("--boxes", folder / "boxes.csv", "--method", "explain")
    assert call(folder, tmp_path / "small", *boxes) == 2  # maps of one place
    assert "maps of a single place" in capsys.readouterr().err
    for method in METHODS:
        boxes = ("--boxes", folder / "boxes.csv", "--size", 48) if method == "explain" else ()
        assert call(folder, tmp_path / method, "--method", method, "--threshold", 0.0, *boxes) == 0
    told = unpadded(capsys.readouterr().out)
    assert all(f"| {name} | 1 |" in told or name == "explain" for name in (*METHODS[:-1], "simplified RADA"))
    assert "left out of the target: 1 class (odd)" in told and "boxes of 6 of 8 clips; 2 clips without any" in told
    found = {method: result(tmp_path / method) for method in METHODS}
    assert {one["target_scores"]["videos"] for one in found.values()} == {6}
    assert {one["source_scores"]["videos"] for one in found.values()} == {2}
    assert len(found["search"]["found"]["tuples"]) == 2
    assert found["pseudo"]["found"]["accepted"] == 6 and found["pseudo"]["target_unlabelled_in_training"]
    assert found["explain"]["found"]["looked_at"] <= 4
    assert found["rada"]["found"]["note"] == "simplified: not the published RADA"
    assert not list(tmp_path.glob("*/checkpoint.pt"))


def test_labels_of_the_target_do_not_reach_the_weights(folder: Path, tmp_path: Path) -> None:
    """Two tables of the same videos, of which one has all labels exchanged, and the method that sees the target."""
    weights, scores = [], []
    for number, names in enumerate((("dark", "light"), ("light", "dark"))):
        listed = tmp_path / f"labels{number}.csv"
        with listed.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["path", "label", "split"])
            for k in range(6):
                lines.writerow([f"test/{('Light', 'dark')[k % 2]}/{k // 2}.mp4", names[k % 2], "test"])
        out = tmp_path / f"out{number}"
        assert call(folder, out, "--csv", listed, "--method", "pseudo", "--threshold", 0.5) == 0
        weights.append(load_network(out).state_dict())
        scores.append(result(out)["target_scores"]["top1"])
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    assert scores[0] == pytest.approx(100 - scores[1])


def test_a_run_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ("--method", "search")
    assert call(folder, tmp_path / "whole", *args) == 0
    run = "fractalvid.finetune.generalise.run"

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"{run}._test", stopped)
        patched.setattr(f"{run}._CHECKPOINT_STEPS", 3)
        call(folder, tmp_path / "out", *args)
    assert (tmp_path / "out" / "checkpoint.pt").exists()
    assert call(folder, tmp_path / "out", *args) == 2  # unfinished, and nobody said --resume
    assert call(folder, tmp_path / "out", *args, "--resume", "--lr", 1) == 2
    assert call(folder, tmp_path / "out", *args, "--resume") == 0
    whole, resumed = (load_network(tmp_path / name).state_dict() for name in ("whole", "out"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert call(folder, tmp_path / "out", *args, "--resume") == 2  # finished


def test_fine_tuned_weights_keep_their_head(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, tmp_path / "base") == 0
    assert call(folder, tmp_path / "next", "--init", tmp_path / "base", "--lr", 1e-12) == 0
    assert "and the head for these 2 classes" in capsys.readouterr().out
    before, after = (load_network(tmp_path / name) for name in ("base", "next"))
    assert torch.allclose(before.fc.weight, after.fc.weight)  # type: ignore[arg-type, union-attr]


def test_runs_from_other_weights_or_videos_are_not_averaged(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "half.csv"
    lines = [
        f"train/{name}/{k}.mp4,{name},{('train', 'train', 'test')[k]}" for name in ("dark", "light") for k in range(3)
    ]
    listed.write_text("path,label,split\n" + "\n".join(lines) + "\n")
    assert call(folder, tmp_path / "zero") == call(folder, tmp_path / "one", "--seed", 1) == 0
    assert "| plain | 2 |" in unpadded(capsys.readouterr().out)
    for number, other in enumerate((("--init", tmp_path / "zero"), ("--source-csv", listed))):
        assert call(folder, tmp_path / f"other{number}", *other) == 0
        told = unpadded(capsys.readouterr().out)
        assert "| plain | 1 |" in told and f"Not in the table: {2 + number} runs beside, of other data" in told


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--method", "explain"), "--method explain needs --boxes"),
        (("--boxes", "b.csv"), "--boxes does not go with --method plain"),
        (("--threshold", 1.5), "--threshold is 1.5: it is a probability"),
        (("--steps", 0), "--steps is 0: it must be at least 1"),
        (("--recipe", "study_gif"), "did you mean study_gifs"),
        (("--source-csv", "nosuch.csv"), "--source: cannot read the table nosuch.csv"),
        (("--source-annotations", "nosuch"), "--source-annotations"),
        (("--clips-per-class", 9), "--clips-per-class is 9"),
        (("--init", "nosuch"), "nosuch"),
    ],
)
def test_mistakes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[object, ...], error: str
) -> None:
    assert call(folder, tmp_path / "out", *options) == 2
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_folder_is_not_two_domains(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "all.csv"
    lines = [f"train/{name}/{k}.mp4,{name},test" for name in ("dark", "light") for k in range(2)]
    listed.write_text("path,label,split\n" + "\n".join(lines) + "\n")
    assert call(folder, tmp_path / "out", "--data", folder / "source", "--csv", listed) == 2
    assert "4 videos of the target, such as train/dark/0.mp4, would be learned from" in capsys.readouterr().err


def test_published_numbers_stand_beside_ours_and_are_marked() -> None:
    runs = [
        Finished(method, seed, "ava", "", Accuracies(9, 10.0 + seed, 30.0, 9.0))
        for method in ("plain", "explain")
        for seed in (0, 1)
    ]
    text = unpadded(table(runs))
    assert "| explain | 2 | 10.5 ± 0.7 |" in text and "| 17.31 / 58.78 |" in text
    assert "| plain | 2 |" in text and "RADA (not the simplified one)" in text
    assert "Published: AVA-Kinetics (12 classes) to Ani-GIFs, of other people" in text
    assert "published" not in table([Finished("plain", 0, None, "", Accuracies(9, 10.0, 30.0, 9.0))])


def test_studies_are_the_benchmarks() -> None:
    assert recipe_names(RECIPES) == ("study_ava", "study_gifs")
    for name in ("study_ava", "study_gifs"):
        study = load_generalise_recipe(name)
        assert (study.steps, study.every, study.rounds, study.batch_size) == (600, 200, 50, 8)
        assert (study.clip_len, study.size, study.normalise, study.lr) == (40, 224, "symmetric", 1e-4)
    assert load_generalise_recipe("study_ava").clips_per_class == 2000
    with pytest.raises(UserError, match="at least 2"):
        GeneraliseRecipe(batch_size=1)


def test_a_folder_of_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    assert call(folder, tmp_path / "out") == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
