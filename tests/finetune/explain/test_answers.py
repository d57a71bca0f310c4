"""What networks whose habits are known answer to videos before other backgrounds."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fractalvid.finetune.clips.config import FrameConfig, ViewConfig
from fractalvid.finetune.debias.masks import Masks
from fractalvid.finetune.explain.answers import Answerer, Answers, masked_views
from fractalvid.finetune.explain.shortcut_result import summarise
from fractalvid.finetune.explain.shortcuts import Ints
from fractalvid.finetune.targets.base import Video
from fractalvid.utils.errors import UserError
from tests.finetune.debias.helpers import HEIGHT, WIDTH, facts, figure, put_mask
from tests.finetune.helpers import ArrayStore

FRAMES = 5
VIEWS = ViewConfig(FrameConfig(2, 2), HEIGHT, (0.0,) * 3, (1.0,) * 3, views=2, crops=1)
LABELS = np.repeat(np.arange(3), 2)
PLACE = np.array([2, 4, 0, 5, 1, 3])
FIGURE, BEHIND = (18, 3), (33, 30)
"""Row and column of a pixel in the figure, and of one beside it, in the square that is seen."""


class Looks(nn.Module):
    """Answers by the grey of one pixel, 20 a class."""

    def __init__(self, place: tuple[int, int], offset: float) -> None:
        super().__init__()
        self.place, self.offset = place, nn.Parameter(torch.tensor(offset))

    def forward(self, video: Tensor) -> Tensor:
        grey = 255 * video[:, 0, 0, self.place[0], self.place[1]] - self.offset
        return -((grey[:, None] / 20 - torch.arange(3)) ** 2)


def planted(folder: Path, empty: int | None = None) -> tuple[list[Video], ArrayStore, Masks]:
    """Videos whose figure tells the class, and so does what is behind it; in number `empty` nobody is."""
    videos = [Video(f"{k}.mp4", int(label), "test") for k, label in enumerate(LABELS)]
    frames = {}
    for k, video in enumerate(videos):
        somebody = figure(FRAMES) & (k != empty)
        put_mask(folder, video.path, somebody)
        grey = np.where(somebody, 150 + 20 * video.label, 20 * video.label).astype(np.uint8)
        frames[video.path] = np.repeat(grey[..., None], 3, axis=3)
    return videos, ArrayStore(frames), Masks(folder, {video.path: facts(FRAMES) for video in videos})


def asked(network: nn.Module, folder: Path, *, empty: int | None = None, batch_size: int = 16) -> Answers:
    videos, store, masks = planted(folder, empty)
    return Answerer(network, VIEWS, [0, 1, 2]).ask(videos, PLACE, store, masks, batch_size=batch_size, threads=2)


def equal(first: Ints, second: Ints) -> bool:
    return bool((first == second).all())


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_who_looks_at_backgrounds_follows_them(batch_size: int, tmp_path: Path) -> None:
    answers = asked(Looks(BEHIND, 0.0), tmp_path, batch_size=batch_size)
    assert equal(answers.whole, LABELS) and equal(answers.masked, LABELS)
    assert equal(answers.swapped, LABELS[PLACE]) and answers.seen.all()
    found = summarise(answers, LABELS, PLACE, [str(k) for k in range(6)], grouped=False, classes=3)
    assert found.percent == {"whole": 100, "masked": 100, "swapped": 0, "followed": 100, "lost": 100}
    assert re.search(r"\| people before a background of another class +\| 0\.0 +\| 0\.0 to 0\.0 ", found.table())


def test_who_looks_at_people_needs_them(tmp_path: Path) -> None:
    answers = asked(Looks(FIGURE, 150.0), tmp_path)
    assert equal(answers.whole, LABELS) and equal(answers.swapped, LABELS)
    assert equal(answers.masked, 0 * LABELS)
    found = summarise(answers, LABELS, PLACE, ["a", "b"] * 3, grouped=True, classes=3)
    assert (found.percent["lost"], found.percent["followed"], found.sources) == (0, 0, 2)
    assert found.percent["masked"] == pytest.approx(found.to_dict()["chance"])
    assert "intervals over 2 sources." in found.table()


def test_videos_without_anybody_do_not_count(tmp_path: Path) -> None:
    answers = asked(Looks(FIGURE, 150.0), tmp_path, empty=3)
    assert answers.seen.tolist() == [True, True, True, False, True, True]
    found = summarise(answers, LABELS, PLACE, ["film"] * 6, grouped=True, classes=3)
    assert (found.videos, found.empty, found.percent["whole"]) == (5, 1, 100)
    assert found.intervals["whole"] is None, "one source says nothing of others"
    assert "Videos in whose clips nobody is do not count: 1." in found.table()
    with pytest.raises(UserError, match="nobody is in the clips"):
        summarise(
            Answers(LABELS, LABELS, LABELS, np.zeros(6, bool)),
            LABELS,
            PLACE,
            ["film"] * 6,
            grouped=True,
            classes=3,
        )


def test_a_cut_of_a_file_has_its_part_of_the_mask(tmp_path: Path) -> None:
    _, store, masks = planted(tmp_path)
    one = ViewConfig(FrameConfig(1), HEIGHT, (0.0,) * 3, (1.0,) * 3, views=1, crops=1)
    for start in range(FRAMES):
        views, mask = masked_views(Video("2.mp4", 1, "test", start, start + 1), store, masks, one)
        assert torch.equal(views[..., 0] == 170, mask)
        assert mask[0, 0, 18].nonzero().flatten().tolist() == [c for c in range(3 * start - 6, 3 * start + 6) if c >= 0]
    assert WIDTH - HEIGHT == 12, "the square begins at column 6"


def test_a_network_that_gives_no_numbers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not finite"):
        asked(Looks(FIGURE, float("nan")), tmp_path)
