import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fractalvid.finetune.cli import main
from fractalvid.finetune.clips.files import open_clip
from fractalvid.finetune.run.predict import Predictor, Unreadable
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, load_card, save_weights
from fractalvid.utils.errors import UserError
from fractalvid.video.names import natural
from fractalvid.video.reader import read_video
from tests.finetune.helpers import command, folder_set, put, video


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells dark from light."""
    root = tmp_path_factory.mktemp("trained")
    data = folder_set(root / "set")
    args = ["--target", "folder", "--data", data, "--out", root / "run", "--augment.brightness", 0]
    plain = ["--augment.contrast", 0, "--augment.flip", 0]
    assert command(*args, *plain, cache=root / "c") == 0
    return root


def test_predictions_are_those_of_the_test(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (trained / "run" / "predictions.csv").read_text().splitlines()[1:]
    paths = [str(trained / "set" / line.split(",")[0]) for line in lines]
    assert main(["predict", "--weights", str(trained / "run"), "--format", "json", "--device", "cpu", *paths]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in shown["videos"]] == paths
    for row, line in zip(shown["videos"], lines, strict=True):
        _, _, predicted, top5, confidence = line.split(",")
        assert row["labels"][0]["label"] == predicted
        assert "|".join(label["label"] for label in row["labels"]) == top5
        assert row["labels"][0]["confidence"] == pytest.approx(float(confidence), abs=1e-4)
        assert sum(label["confidence"] for label in row["labels"]) == pytest.approx(1, abs=1e-5)
        assert row["frames"] in (6, 7)


def test_text_is_a_line_a_video(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = put(trained / "one.mp4", level=150)
    assert main(["predict", str(clip), "--weights", str(trained / "run"), "--top", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{clip}: ")
    assert out.count("%") == 1
    assert out.count("\n") == 1
    assert main(["predict", str(clip), "--weights", str(trained / "run"), "--out", str(trained / "p.txt")]) == 0
    assert (trained / "p.txt").read_text().startswith(f"{clip}: ")


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number, frame in enumerate(video(count)):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder


def test_gifs_and_folders_of_pictures_are_videos(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.fromarray(frame) for frame in video(12)]
    frames[0].save(trained / "a.gif", save_all=True, append_images=frames[1:], duration=80)
    folder = pictures(trained / "pictures", 12)
    args = ["predict", str(trained / "a.gif"), str(folder), "--weights", str(trained / "run"), "--format", "json"]
    assert main(args) == 0
    gif, folder_row = json.loads(capsys.readouterr().out)["videos"]
    assert gif["frames"] == folder_row["frames"] == 12
    assert gif["labels"][0]["confidence"] == pytest.approx(folder_row["labels"][0]["confidence"], abs=0.05)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = put(trained / "good.mp4")
    broken = trained / "broken.avi"
    broken.write_bytes(b"RIFF nothing")
    (trained / "empty").mkdir()
    wrong = [str(broken), str(trained / "ghost.mp4"), str(trained / "empty")]
    args = ["predict", *wrong, str(clip), "--weights", str(trained / "run"), "--format", "json", "--no-progress"]
    assert main(args) == 1
    captured = capsys.readouterr()
    rows = json.loads(captured.out)["videos"]
    assert ["error" in row for row in rows] == [True, True, True, False]
    assert [row["path"] for row in rows] == [*wrong, str(clip)]
    for path in wrong:
        assert captured.err.count(path) == 1
    assert "no frame decodes" in captured.err
    assert "no such file" in captured.err
    assert "holds neither videos nor pictures" in captured.err
    assert main(["predict", *wrong, "--weights", str(trained / "run")]) == 2
    assert "none of the 3 videos can be read" in capsys.readouterr().err


def test_a_single_video_that_cannot_be_read_is_one_line(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(trained / "nosuch.mp4"), "--weights", str(trained / "run")]) == 2
    assert capsys.readouterr().err == f"finetune: error: {trained}/nosuch.mp4: there is no such file\n"


def test_a_folder_of_videos_stands_for_them(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained / "set" / "test" / "dark"
    assert main(["predict", str(folder), "--weights", str(trained / "run"), "--no-progress"]) == 0
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(folder / "0.mp4"),
        str(folder / "1.mp4"),
    ]


def test_pictures_of_a_folder_come_in_the_order_people_count(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", 11)
    Image.new("L", (20, 30), 7).save(folder / "11.jpg")  # another size and mode
    (folder / ".hidden.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture")
    clip = open_clip(folder, short_side=18)
    assert clip.shape == (12, 18, 24, 3)
    seen = clip[np.arange(12)]
    assert (np.diff(seen[:11].mean((1, 2, 3))) > 0).all()  # frames grow brighter with time
    assert (seen[11] == 7).all()
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:60])
    with pytest.raises(UserError, match=r"5\.png: cannot be read as a picture"):
        clip[np.arange(12)]
    assert sorted(map(Path, ["b10", "b9", "a", "b", "7x", "10"]), key=natural) == [
        Path(name) for name in ["7x", "10", "a", "b", "b9", "b10"]
    ]


def test_a_video_is_read_as_everywhere_else(tmp_path: Path) -> None:
    path = put(tmp_path / "a.mp4", 9)
    clip = open_clip(path, short_side=20)
    whole = read_video(path, short_side=20)
    assert clip.shape == whole.shape
    assert (clip[np.array([7, 2])] == whole[[7, 2]]).all()


def test_views_are_those_of_the_run_unless_said_otherwise(trained: Path) -> None:
    clip = put(trained / "long.mp4", 20)
    counts = [len(Predictor(trained / "run", device="cpu", **more).views(clip)[1]) for more in ({}, {"views": 5})]
    assert counts == [2, 5]
    cropped = Predictor(trained / "run", device="cpu", crops=3)
    assert len(cropped.views(clip)[1]) == 6
    assert isinstance(next(cropped.predict([trained / "ghost"], top=1, threads=1)), Unreadable)


def test_weights_that_are_not_fine_tuned_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = Card("r3d_10", 5, 2, 16, 2, None, None, 1, 1)
    save_weights(tmp_path / "weights.safetensors", build_model("r3d_10", 5, seed=1), card)
    assert main(["predict", "a.mp4", "--weights", str(tmp_path)]) == 2
    assert "name no classes: they are not fine-tuned" in capsys.readouterr().err


def test_an_advised_command_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "one run #&e"
    folder.mkdir()
    card = Card("r3d_10", 5, 2, 16, 2, None, None, 1, 1)
    save_weights(folder / "weights.safetensors", build_model("r3d_10", 5, seed=1), card)
    assert main(["predict", "a.mp4", "--weights", str(folder)]) == 2
    assert f"finetune --init '{folder}' does that" in capsys.readouterr().err


def test_a_card_of_another_network_is_one_line(trained: Path, tmp_path: Path) -> None:
    card = load_card(trained / "run")
    save_weights(tmp_path / "weights.safetensors", build_model("r3d_10", 3, seed=1), replace(card, num_classes=3))
    shutil.copy(trained / "run" / "weights.json", tmp_path)
    with pytest.raises(UserError, match="it says 2 classes, the head of r3d_10 in them has 3"):
        Predictor(tmp_path, device="cpu")


def test_a_network_that_diverged_is_reported(trained: Path, tmp_path: Path) -> None:
    network = build_model("r3d_10", 2, seed=1)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    save_weights(tmp_path / "weights.safetensors", network, load_card(trained / "run"))
    clip = put(tmp_path / "a.mp4")
    with pytest.raises(UserError, match="not finite"):
        list(Predictor(tmp_path, device="cpu").predict([clip], top=1, threads=1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--weights {w}", "no video is named"),
        ("a.mp4", "--weights"),
        ("a.mp4 --weights {w}/ghost", "no weights at"),
        ("a.mp4 --weights fractal-small", "they are not fine-tuned; finetune --init fractal-small does that"),
        ("a.mp4 --weights {w} --top 0", "--top is 0"),
        ("a.mp4 --weights {w} --crops 4", "--crops is 4"),
        ("a.mp4 --weights {w} --format xml", "--format"),
        ("a.mp4 --weights {w} --device quantum", "quantum"),
        ("a.mp4 --weights {w} --out /proc/x/y", "can't write"),
    ],
)
def test_mistakes_are_one_line(words: str, message: str, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *words.format(w=trained / "run").split()]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("finetune: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
