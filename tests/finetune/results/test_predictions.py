"""Predictions and the picture of their confusion, as a run leaves them."""

import csv
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from fractalvid.finetune.report.charts import draw_confusion
from fractalvid.finetune.results.predictions import write_predictions
from fractalvid.finetune.targets.base import Video


def test_predictions_and_picture_survive_any_name(tmp_path: Path) -> None:
    classes = ["a,b", "$x$ & y", "ü\udce9"]
    videos = [Video('p/"#1", 2.avi', 0, "test"), Video("caf\udce9.avi", 2, "test")]
    write_predictions(tmp_path / "p.csv", videos, np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]]), classes)
    with (tmp_path / "p.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["path"] for line in table] == [video.path for video in videos]
    assert table[0] == {
        "path": 'p/"#1", 2.avi',
        "label": "a,b",
        "predicted": "$x$ & y",
        "top5": "$x$ & y|a,b|ü\udce9",
        "confidence": "0.7000",
    }
    draw_confusion(tmp_path / "c.png", np.eye(3, dtype=np.int64), classes, "title")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.png", "p.csv"]


def test_names_that_the_font_lacks_are_drawn_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_confusion(tmp_path / "c.png", np.eye(2, dtype=np.int64), ["跳舞", "打招呼"], "挥手")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_sources_are_written_where_any_is_known(tmp_path: Path) -> None:
    videos = [Video("a.avi", 0, "test"), Video("b.avi", 1, "test")]
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    write_predictions(tmp_path / "p.csv", videos, p, ["x", "y"], ["film", None])
    with (tmp_path / "p.csv").open(newline="") as file:
        assert [line["group"] for line in csv.DictReader(file)] == ["film", ""]
    write_predictions(tmp_path / "q.csv", videos, p, ["x", "y"], [None, None])
    assert (tmp_path / "q.csv").read_text().splitlines()[0] == "path,label,predicted,top5,confidence"


def test_pictures_of_many_classes_stay_small(tmp_path: Path) -> None:
    names = [f"class {k}" for k in range(600)]
    draw_confusion(tmp_path / "c.png", np.eye(600, dtype=np.int64), names, "title")
    width, height = Image.open(tmp_path / "c.png").size
    assert max(width, height) < 4000
