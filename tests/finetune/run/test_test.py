"""Fine-tuned weights on test sets, without training."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.cli.test import WeightsTestOptions, open_test
from fractalvid.finetune.report.published import published_numbers
from fractalvid.finetune.run.test import default_folder
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from tests.finetune.helpers import command, folder_set, put
from tests.finetune.targets.test_anigifs import gif_set


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells dark from light, and its data."""
    root = tmp_path_factory.mktemp("trained")
    args = ["--target", "folder", "--data", folder_set(root / "set"), "--out", root / "run"]
    assert command(*args, "--augment.brightness", 0, cache=root / "c") == 0
    return root


def weights_of(folder: Path, classes: list[str], *, seed: int = 1, network: int | None = None, **config: Any) -> Path:
    """Weights as a fine-tuning run leaves them, of a network that learnt nothing."""
    folder.mkdir(parents=True)
    card = Card("r3d_10", len(classes), 2, 16, 1, (0.4,) * 3, (0.2,) * 3, seed, None, config | {"classes": classes})
    save_weights(
        folder / "weights.safetensors",
        build_model("r3d_10", len(classes), seed=seed if network is None else network),
        card,
    )
    return folder


def run_test(*args: object, cache: Path) -> int:
    words = [str(arg) for arg in ("test", *args, "--cache-dir", cache, "--no-progress", "--device", "cpu")]
    return main(words)


def metrics(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return content


def test_the_test_of_a_run_is_found_again(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--target", "folder", "--data", trained / "set", "--weights", trained / "run", "--out", tmp_path / "out"]
    assert run_test(*args, cache=trained / "c") == 0
    first, again = metrics(trained / "run"), metrics(tmp_path / "out")
    for name in ("top1", "top5", "mean_class", "class_names", "views", "clip", "seed"):
        assert again[name] == first[name]
    assert (tmp_path / "out" / "predictions.csv").read_text() == (trained / "run" / "predictions.csv").read_text()
    assert (again["mode"], again["epochs"], again["videos"]["train"]) == ("test", 0, 0)
    assert again["init"]["label"] == "scratch"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    written = {"config.json", "metrics.json", "predictions.csv", "confusion.png"}
    assert names == written | {"report.html", "report.md", "report.tex"}
    assert "folder from scratch: top-1" in capsys.readouterr().out
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# Test on folder, scratch\n")
    assert (
        "2 classes, 4 test videos; r3d_10, 2 frames (stride 1) of 16 x 16, tested without training (fine-tuned" in text
    )
    assert run_test(*args, cache=trained / "c") == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_a_set_of_gifs_is_tested_whole_with_weights_that_know_more(tmp_path: Path) -> None:
    root = gif_set(tmp_path / "gifs")
    weights = weights_of(tmp_path / "w", ["yoga", "air_drumming", "Zumba", "abseiling"], metric="mean_class")
    words = ["--target", "anigifs", "--data", root, "--weights", f"mine={weights}", "--out", tmp_path / "out"]
    assert run_test(*words, "--views", 1, "--crops", 3, "--voting", "votes", cache=tmp_path / "c") == 0
    got = metrics(tmp_path / "out")
    assert got["class_names"] == ["abseiling", "air drumming", "zumba", "yoga"]
    assert (got["classes"], got["tested_classes"], got["official_classes"]) == (4, 3, 536)
    assert (got["videos"]["test"], got["views"], got["crops"], got["voting"]) == (9, 1, 3, "votes")
    assert (got["metric"], got["init"]["label"], got["left_out"]) == ("mean_class", "mine", 0)
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert all(line["label"] == line["path"].split("/")[0] for line in lines)
    right = sum(line["label"] == line["predicted"] for line in lines)
    assert got["top1"] == pytest.approx(100 * right / 9)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "3 of 536 classes among the 4 of the weights, 9 test videos" in text
    assert "this is about 3 of them" in text


def test_tests_of_several_weights_are_compared(tmp_path: Path) -> None:
    root = gif_set(tmp_path / "gifs")
    names = ["abseiling", "air drumming", "zumba"]
    for label, classes in (("a", names), ("b", names[::-1])):
        for seed in (0, 1):
            weights = weights_of(tmp_path / f"{label}{seed}", classes, seed=seed, init={"label": label}, views=1)
            out = tmp_path / "tests" / label / str(seed)
            args = ["--target", "anigifs", "--data", root, "--weights", weights, "--out", out]
            assert run_test(*args, cache=tmp_path / "c") == 0
    assert main(["compare", "--runs", str(tmp_path / "tests"), "--out", str(tmp_path / "compared")]) == 0
    saved = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert [(entry["label"], entry["mode"], entry["top1"]["n"]) for entry in saved["initialisations"]] == [
        ("a", "test", 2),
        ("b", "test", 2),
    ]
    assert saved["comparisons"][0]["difference"]["n"] == 2
    assert "# Test on anigifs" in (tmp_path / "compared" / "comparison.md").read_text()


def test_a_list_of_test_videos_alone_is_enough(trained: Path, tmp_path: Path) -> None:
    videos = [put(tmp_path / "v" / f"{k}.mp4", level=40 * k).name for k in range(3)]
    table = tmp_path / "list.csv"
    names = ("Dark", "bright", "odd")
    lines = [f"{video},{name},test" for video, name in zip(videos, names, strict=True)]
    table.write_text("\n".join(["path,label,split", *lines, ""]))
    meant = tmp_path / "map.csv"
    meant.write_text("class,weights\nbright,light\nodd,\n")
    args = ["--target", "folder", "--data", tmp_path / "v", "--csv", table, "--weights", trained / "run"]
    assert run_test(*args, "--class-map", meant, "--out", tmp_path / "out", cache=tmp_path / "c") == 0
    got = metrics(tmp_path / "out")
    assert got["class_names"] == ["Dark", "bright"]
    assert (got["videos"]["test"], got["left_out"]) == (2, 1)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["class_map"] == {"bright": "light", "odd": ""}
    prepared = [
        "prepare",
        "--target",
        "folder",
        "--data",
        tmp_path / "v",
        "--csv",
        table,
        "--cache-dir",
        tmp_path / "c",
    ]
    assert main([*map(str, prepared), "--no-progress"]) == 2
    assert main([*map(str, prepared), "--no-progress", "--test-only"]) == 0


def test_a_folder_of_test_videos_alone_is_enough(trained: Path, tmp_path: Path) -> None:
    put(tmp_path / "v" / "test" / "light" / "0.mp4", level=150)
    args = ["--target", "folder", "--data", tmp_path / "v", "--weights", trained / "run", "--out", tmp_path / "out"]
    assert run_test(*args, cache=tmp_path / "c") == 0
    got = metrics(tmp_path / "out")
    assert (got["class_names"], got["tested_classes"], got["videos"]["test"]) == (["light", "dark"], 1, 1)


def test_an_interrupted_test_is_done_again(trained: Path, tmp_path: Path) -> None:
    args = ["--target", "folder", "--data", trained / "set", "--weights", trained / "run", "--out", tmp_path / "out"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text('{"mode": "test"}')
    (tmp_path / "out" / "predictions.csv").write_text("path,la")
    assert run_test(*args, cache=trained / "c") == 0
    assert metrics(tmp_path / "out")["top1"] == metrics(trained / "run")["top1"]


def test_videos_that_were_trained_on_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = sorted((trained / "set").rglob("*.mp4"))
    lines = [f"{path.relative_to(trained / 'set').as_posix()},{path.parent.name},test" for path in videos]
    table = tmp_path / "all.csv"
    table.write_text("\n".join(["path,label,split", *lines, ""]))
    args = ["--target", "folder", "--data", trained / "set", "--csv", table, "--weights", trained / "run"]
    assert run_test(*args, "--out", tmp_path / "out", cache=tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "were trained on 8 of the 12 test videos (train/dark/0.mp4" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--data {data}", "--weights"),
        ("--data {data} --weights scratch", "fine-tuned weights are tested"),
        ("--data {data} --weights {tmp}/ghost", "no such file"),
        ("--data {data} --weights {tmp}/plain", "name no classes"),
        ("--data {data} --weights {tmp}/escaping", "label '../../../escaped' cannot be the name of a folder"),
        ("--data {data} --weights {tmp}/f1", "config: metric is 'f1'; --metric top1 or mean_class"),
        ("--data {data} --weights {tmp}/modes", "(mode: expected text or nothing, got a list)"),
        ("--data {data} --weights {tmp}/other", "'light' (nearest: 'lights')"),
        ("--data {data} --weights {run} --class-map {tmp}/ghost.csv", "cannot read --class-map"),
        ("--data {data} --weights {run} --views 0", "--views is 0"),
        ("--data {data} --weights {run} --crops 2", "--crops is 2"),
        ("--data {data} --weights {run} --epochs 3", "--epochs"),
        ("--data {data} --weights {run} --split 1", "no splits or folds"),
        ("--data {data} --weights {run} --fold 1", "--fold needs --fold-column"),
        ("--data {data} --weights {run} --out {data}", "holds no test that was interrupted"),
        ("--data {data}/train --weights {run}", "expected test/<class>/<video>"),
    ],
)
def test_mistakes_are_one_line(
    words: str, message: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights_of(tmp_path / "other", ["dark", "lights"])
    weights_of(tmp_path / "escaping", ["dark", "light"], init={"label": "../../../escaped"})
    weights_of(tmp_path / "f1", ["dark", "light"], metric="f1")
    weights_of(tmp_path / "modes", ["dark", "light"], mode=["full"])
    (tmp_path / "plain").mkdir()
    plain = Card("r3d_10", 2, 2, 16, 1, None, None, 1, 1)
    save_weights(tmp_path / "plain" / "weights.safetensors", build_model("r3d_10", 2, seed=1), plain)
    args = words.format(data=trained / "set", run=trained / "run", tmp=tmp_path).split()
    assert main(["test", "--target", "folder", *args]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("finetune: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_weights_that_were_moved_are_tested_as_well(trained: Path, tmp_path: Path) -> None:
    for name in ("weights.safetensors", "weights.json"):
        shutil.copy(trained / "run" / name, tmp_path / name)
    args = ["--target", "folder", "--data", trained / "set", "--weights", tmp_path / "weights.safetensors"]
    assert run_test(*args, "--out", tmp_path / "out", cache=trained / "c") == 0


def test_no_training_is_said_to_be_another_command(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--target", "folder", "--data", str(trained / "set"), "--epochs", "0"]) == 2
    assert "--epochs is 0: it must be at least 1; finetune test --weights W" in capsys.readouterr().err


def test_what_others_tested_without_training_is_published_as_such() -> None:
    of_gifs = {(n.target, n.pretraining): n.mode for n in published_numbers() if n.source == "Ani-GIFs"}
    assert of_gifs["anigifs", "Kinetics GIFs"] == of_gifs["kinetics-gifs", "Kinetics"] == "test"
    assert of_gifs["kinetics-gifs", "Kinetics GIFs"] == "full"


def test_results_lie_apart_by_what_the_weights_were_trained_on(trained: Path, tmp_path: Path) -> None:
    def out(name: str, **config: Any) -> str:
        weights = weights_of(tmp_path / name, ["dark", "light"], init={"label": "ours"}, **config)
        options = TargetOptions("folder", trained / "set")
        return default_folder(open_test(WeightsTestOptions(options, str(weights)))).as_posix()

    folders = [
        out(f"{split}{mode}", target="ucf101", split=split, mode=mode) for split in "123" for mode in ("full", "linear")
    ]
    assert re.fullmatch(r"runs/test/folder-set/ours/seed-1_of_ucf101_split-1_full_weights-[0-9a-f]{8}", folders[0])
    assert len(set(folders)) == 6
    assert "/seed-1_weights-" in out("bare")
    assert "/seed-1_weights-" in out("table", table="list.csv")
    assert "/seed-1_of_..-.._full_weights-" in out("odd", target="../..", split="", mode="full")
    own = out("own", target="folder", data="/far/my clips", split="", mode="full")
    assert "/seed-1_of_folder-my-clips_full_weights-" in own
    assert "_of_folder-list_full" in out("csv", target="folder", data="/far/a", table="/b/list.csv", mode="full")
    assert len(Path(out("long", target="folder", data="/far/" + "ü" * 120, mode="full")).name.encode()) < 200


def test_weights_whose_cards_say_the_same_have_folders_of_their_own(trained: Path, tmp_path: Path) -> None:
    def out(name: str) -> Path:
        return default_folder(open_test(WeightsTestOptions(options, f"ours={tmp_path / name}")))

    options = TargetOptions("folder", trained / "set")
    said: dict[str, Any] = {"target": "folder", "split": "", "mode": "full", "data": str(tmp_path / "other")}
    for name, network in (("small", 1), ("large", 2)):
        folder = weights_of(tmp_path / name, ["dark", "light"], network=network, **said)
        digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
        assert out(name).name == f"seed-1_of_folder-other_full_weights-{digest[:8]}"
    assert out("small") != out("large")
    shutil.copytree(tmp_path / "small", tmp_path / "moved")
    assert out("moved") == out("small")


def test_a_finished_test_is_known_and_other_weights_are_tested_beside_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("first", "second")):
        said: dict[str, Any] = {"target": "folder", "mode": "full", "data": str(tmp_path / name)}
        weights = weights_of(tmp_path / name, ["dark", "light"], network=number, init={"label": "scratch"}, **said)
        args = ["--target", "folder", "--data", trained / "set", "--weights", weights]
        assert run_test(*args, cache=trained / "c") == 0
    assert len(list((tmp_path / "runs/test/folder-set/scratch").iterdir())) == 2
    assert run_test(*args, cache=trained / "c") == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_what_a_card_says_wrongly_can_be_said_otherwise(trained: Path, tmp_path: Path) -> None:
    weights = weights_of(tmp_path / "w", ["dark", "light"], init={"label": "../out"}, metric="f1")
    opened = open_test(
        WeightsTestOptions(TargetOptions("folder", trained / "set"), f"mine={weights}", metric="mean_class")
    )
    assert (opened.init.label, opened.metric) == ("mine", "mean_class")


def test_a_test_says_the_precision_of_the_weights(trained: Path, tmp_path: Path) -> None:
    args = ["--target", "folder", "--data", trained / "set", "--weights", trained / "run", "--out", tmp_path / "out"]
    assert run_test(*args, cache=trained / "c") == 0
    got, run = metrics(tmp_path / "out"), metrics(trained / "run")
    assert run["precision"] in ("fp32", "bf16")
    assert got["trained_on"] == {name: run[name] for name in ("target", "split", "mode", "epochs", "precision")}
