import csv
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fractalvid.finetune.clips.evaluate import (
    ViewConfig,
    ahead,
    confusion_matrix,
    draw_confusion,
    predict,
    scores,
    squares,
    top_classes,
    video_views,
    vote,
    write_predictions,
)
from fractalvid.finetune.targets.base import Row
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import ArrayStore

CONFIG = ViewConfig(4, 2, 12, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), views=3, crops=1)


class Brightness(nn.Module):
    """Logits of two classes: the mean brightness of the clip times 8, and 0."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.sizes: list[int] = []

    def forward(self, video: Tensor) -> Tensor:
        assert not self.training
        self.sizes.append(len(video))
        bright = video.mean((1, 2, 3, 4)) * self.scale
        return torch.stack([bright, torch.zeros_like(bright)], 1)


def videos(count: int) -> tuple[list[Row], ArrayStore]:
    rng = np.random.default_rng(0)
    clips = {f"v{k}": rng.integers(0, 30 * (k + 1), (5 + 3 * k, 14, 18, 3), np.uint8) for k in range(count)}
    return [Row(path, k % 2, "test") for k, path in enumerate(clips)], ArrayStore(clips)


def test_a_video_is_the_mean_of_the_softmax_of_its_views() -> None:
    rows, store = videos(5)
    model = Brightness().train()
    got = predict(model, rows, store, CONFIG, batch_size=4, threads=2)
    assert model.training  # as it was found
    for row, p in zip(rows, got, strict=True):
        views = video_views(store.get(row), CONFIG).float() / 255
        expected = model.eval()(views.permute(0, 4, 1, 2, 3)).softmax(1).mean(0)
        assert p == pytest.approx(expected.detach().numpy(), abs=1e-6)


def test_the_result_does_not_depend_on_batch_size_or_threads() -> None:
    rows, store = videos(7)
    expected = predict(Brightness(), rows, store, CONFIG, batch_size=3, threads=1)
    for batch_size, threads in ((1, 2), (2, 1), (7, 3), (100, 2)):
        model = Brightness()
        got = predict(model, rows, store, CONFIG, batch_size=batch_size, threads=threads)
        assert got == pytest.approx(expected, abs=1e-6)
        assert max(model.sizes) <= max(batch_size, 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_few_results_wait(threads: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    for done, result in enumerate(ahead(lambda number: number * number, items(), threads)):
        assert result == done * done
        assert len(asked) - done <= threads + 1
    assert len(asked) == 20


def test_views_are_windows_times_squares() -> None:
    _, store = videos(4)
    clip = store.videos["v3"]
    three = ViewConfig(4, 2, 12, CONFIG.mean, CONFIG.std, views=2, crops=3)
    views = video_views(clip, three)
    assert views.shape == (6, 4, 12, 12, 3)
    assert torch.equal(views[2:4], video_views(clip, ViewConfig(4, 2, 12, CONFIG.mean, CONFIG.std, 2, 1)))


@pytest.mark.parametrize("shape", [(2, 10, 16, 3), (2, 16, 10, 3), (2, 10, 10, 3)])
def test_squares_lie_at_both_ends_and_in_the_middle(shape: tuple[int, ...]) -> None:
    clip = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    cut = list(squares(clip, 3))
    assert [part.shape for part in cut] == [(2, 10, 10, 3)] * 3
    assert np.array_equal(cut[0], clip[:, :10, :10])
    assert np.array_equal(cut[2], clip[:, -10:, -10:])
    assert np.array_equal(cut[1], next(squares(clip, 1)))


def test_scores_are_in_percent_and_classes_weigh_equally() -> None:
    p = np.full((6, 7), 0.01)
    labels = np.array([0, 0, 0, 0, 1, 5])
    for row, best in enumerate([0, 0, 0, 3, 1, 6]):
        p[row, best] = 0.9
    p[3, 0] = 0.5  # second
    p[5, 5] = 0.0  # last of seven
    got = scores(p, labels)
    assert got["top1"] == pytest.approx(100 * 4 / 6)
    assert got["top5"] == pytest.approx(100 * 5 / 6)
    assert got["mean_class"] == pytest.approx((75 + 100 + 0) / 3)


def test_top_5_of_fewer_classes_is_all_of_them() -> None:
    p = np.array([[0.2, 0.5, 0.3]])
    assert top_classes(p, 5).tolist() == [[1, 2, 0]]
    assert scores(p, np.array([0]))["top5"] == 100.0


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns() -> None:
    matrix = confusion_matrix(np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 2]]


def test_predictions_and_picture_survive_any_name(tmp_path: Path) -> None:
    classes = ["a,b", "$x$ & y", "ü\udce9"]
    rows = [Row('p/"#1", 2.avi', 0, "test"), Row("caf\udce9.avi", 2, "test")]
    write_predictions(tmp_path / "p.csv", rows, np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]]), classes)
    with (tmp_path / "p.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["path"] for line in table] == [row.path for row in rows]
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


def test_a_network_that_diverged_is_reported() -> None:
    rows, store = videos(2)
    model = Brightness()
    model.scale.data.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        predict(model, rows, store, CONFIG)


def test_views_vote_by_softmax_logits_or_majority() -> None:
    # Two views prefer class 1 a little, one is sure of class 0.
    logits = torch.tensor([[[0.0, 0.5, -9.0], [0.0, 0.4, -9.0], [4.0, 0.0, -9.0]]], dtype=torch.float64)
    softmax, mean, votes = (vote(logits, way)[0] for way in ("softmax", "logits", "votes"))
    assert torch.allclose(softmax, logits[0].softmax(1).mean(0))
    assert torch.allclose(mean, logits[0].mean(0).softmax(0))
    assert [int(p.argmax()) for p in (softmax, mean, votes)] == [0, 0, 1]
    assert all(p.sum() == pytest.approx(1) for p in (softmax, mean, votes))


def test_a_draw_of_votes_goes_to_the_class_that_views_are_surer_of() -> None:
    logits = torch.tensor([[[0.0, 0.1], [5.0, 0.0]], [[0.0, 5.0], [0.1, 0.0]]])
    assert vote(logits, "votes").argmax(1).tolist() == [0, 1]


def test_segments_and_first_frames_are_what_is_tested() -> None:
    clip = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(12, 1).repeat(12, 2).repeat(3, 3)
    config = replace(CONFIG, views=1, sampling="segments")
    assert video_views(clip, config)[0, :, 0, 0, 0].tolist() == [5, 15, 25, 35]
    assert video_views(clip, replace(config, first_frames=8))[0, :, 0, 0, 0].tolist() == [1, 3, 5, 7]


def test_sources_are_written_where_any_is_known(tmp_path: Path) -> None:
    rows = [Row("a.avi", 0, "test"), Row("b.avi", 1, "test")]
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    write_predictions(tmp_path / "p.csv", rows, p, ["x", "y"], ["film", None])
    with (tmp_path / "p.csv").open(newline="") as file:
        assert [line["group"] for line in csv.DictReader(file)] == ["film", ""]
    write_predictions(tmp_path / "q.csv", rows, p, ["x", "y"], [None, None])
    assert (tmp_path / "q.csv").read_text().splitlines()[0] == "path,label,predicted,top5,confidence"


def test_pictures_of_many_classes_stay_small(tmp_path: Path) -> None:
    names = [f"class {k}" for k in range(600)]
    draw_confusion(tmp_path / "c.png", np.eye(600, dtype=np.int64), names, "title")
    width, height = Image.open(tmp_path / "c.png").size
    assert max(width, height) < 4000
