"""`finetune shortcuts` on a planted shortcut, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from fractalvid.finetune.cli import main
from fractalvid.video.encoding.writer import write_video
from tests.finetune.debias.helpers import figure, put_mask
from tests.finetune.helpers import SMALL

FRAMES = 6


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who walks, in two classes that only the background's brightness tells; masks; a run that learned it."""
    root = tmp_path_factory.mktemp("planted")
    for side, count in (("train", 4), ("test", 3)):
        for label, name in enumerate(("dark", "light")):
            for k in range(count):
                path = f"{side}/{name}/{k}.mp4"
                mask = figure(FRAMES)
                grey = np.where(mask, 120, 20 + 190 * label + 5 * k + 2 * (side == "test")).astype(np.uint8)
                (root / "set" / path).parent.mkdir(parents=True, exist_ok=True)
                write_video(root / "set" / path, np.repeat(grey[..., None], 3, axis=3))
                put_mask(root / "masks", path, mask, (".png", ".npz")[k % 2])
    args = ["--target", "folder", "--data", root / "set", "--out", root / "run", "--cache-dir", root / "c"]
    long = "--epochs 12 --warmup-epochs 1 --batch-size 4 --lr 0.02 --augment.brightness 0 --no-progress --device cpu"
    assert main([str(word) for word in (*args, *SMALL.split(), *long.split())]) == 0
    return root


def probe(root: Path, *words: object, masks: Path | None = None) -> int:
    args = ["shortcuts", "--target", "folder", "--data", root / "set", "--weights", root / "run"]
    also = ["--masks", masks or root / "masks", "--cache-dir", root / "c", "--no-progress", "--device", "cpu"]
    return main([str(word) for word in (*args, *also, *words)])


def test_a_network_that_reads_the_background_is_found_out(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(planted, "--out", tmp_path / "out", "--seed", 3) == 0
    said = capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "shortcuts.json").read_text())
    assert told["found"]["percent"] == {"whole": 100, "masked": 100, "swapped": 0, "followed": 100, "lost": 100}
    assert told["found"]["intervals"]["lost"] == {"low": 100, "high": 100}
    assert (told["found"]["videos"], told["found"]["chance"], told["seed"], told["views"]) == (6, 50, 3, 2)
    assert json.loads((planted / "run" / "metrics.json").read_text())["top1"] == told["found"]["percent"]["whole"]
    for answer in told["answers"]:
        assert answer["whole"] == answer["masked"] == answer["class"]
        assert answer["swapped"] == answer["background_class"] != answer["class"]
        assert answer["background"].startswith(f"test/{answer['background_class']}/")
    table = (tmp_path / "out" / "shortcuts.md").read_text()
    assert table.startswith("# Shortcuts of scratch on folder\n\n| clips")
    assert table.split("\n\n", 1)[1].strip() in said
    assert probe(planted, "--out", tmp_path / "out") == 2
    assert "is not empty" in capsys.readouterr().err


def test_mistakes_are_one_line_and_leave_nothing(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(message: str, *words: object, masks: Path | None = None) -> None:
        assert probe(planted, *words, "--out", tmp_path / "out", masks=masks) == 2
        said = capsys.readouterr().err
        assert said.startswith("finetune: error: ") and said.count("\n") == 1 and message in said, said
        assert not (tmp_path / "out").exists()

    refused("is no folder; finetune prepare --masks makes one", masks=tmp_path / "none")
    refused("has no mask of 6 of 6 videos: test/dark/0.mp4", masks=planted / "masks" / "train")
    for k in range(3):
        for name in ("dark", "light"):
            put_mask(tmp_path / "masks", f"test/{name}/{k}.mp4", np.zeros_like(figure(FRAMES)))
    refused("nobody is in any of 6 masks", masks=tmp_path / "masks")
    put_mask(tmp_path / "masks", "test/light/2.mp4", figure(FRAMES + 1))
    refused("a picture of 48 x 252 pixels", masks=tmp_path / "masks")
    put_mask(tmp_path / "masks", "test/light/2.mp4", figure(FRAMES)[:, 1:])
    refused("a picture of 48 x 210 pixels", masks=tmp_path / "masks")
    (tmp_path / "map.csv").write_text("class,weights\nlight,\n")
    refused("are of one class: backgrounds are swapped", "--class-map", tmp_path / "map.csv")
    refused("--seed must be a whole number", "--seed", -1)
    refused("--views is 0", "--views", 0)
    refused("no splits or folds", "--split", 1)
