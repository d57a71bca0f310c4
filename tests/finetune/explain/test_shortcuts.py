"""The shortcut probe on networks whose habits are known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fractalvid.finetune.explain.shortcuts import other_backgrounds, probe_shortcuts, swap

LABELS = np.repeat(np.arange(3), 4)


def clips() -> tuple[Tensor, Tensor, Tensor]:
    """Clips, masks and clips without figures: the figure's grey tells the class, and so does that of what is behind."""
    label = torch.from_numpy(LABELS).float()[:, None, None, None, None]
    bare = label.expand(-1, 3, 2, 4, 4).contiguous()
    mask = torch.zeros(12, 2, 4, 4, dtype=torch.bool)
    mask[:, :, 1, 1] = True
    return torch.where(mask[:, None], label + 10, bare), mask, bare


class Looks(nn.Module):
    """Answers by the grey of one pixel."""

    def __init__(self, place: int, offset: float) -> None:
        super().__init__()
        self.place, self.offset = place, nn.Parameter(torch.tensor(offset))

    def forward(self, video: Tensor) -> Tensor:
        grey = video[:, 0, 0, self.place, self.place] - self.offset
        return -((grey[:, None] - torch.arange(3)) ** 2)


def test_who_looks_at_figures_needs_them() -> None:
    scores = probe_shortcuts(Looks(1, 10.0), *clips(), LABELS, at_once=5)
    assert (scores.whole, scores.swapped, scores.followed) == (1, 1, 0)
    assert scores.masked == scores.chance == pytest.approx(1 / 3)


def test_who_looks_at_backgrounds_follows_them() -> None:
    scores = probe_shortcuts(Looks(0, 0.0), *clips(), LABELS, at_once=5)
    assert (scores.whole, scores.masked, scores.swapped, scores.followed) == (1, 1, 0, 1)


def test_backgrounds_are_of_other_classes_and_follow_from_the_seed() -> None:
    place = other_backgrounds(LABELS, 1)
    assert (LABELS[place] != LABELS).all()
    np.testing.assert_array_equal(place, other_backgrounds(LABELS, 1))
    assert (place != other_backgrounds(LABELS, 2)).any()
    with pytest.raises(ValueError, match="at least 2"):
        other_backgrounds(np.zeros(3, np.int64), 0)


def test_backgrounds_are_of_other_sources_where_there_are_such() -> None:
    films = ["a"] * 4 + ["b"] * 4 + ["a"] * 4
    place = other_backgrounds(LABELS, 1, films)
    assert all(films[k] != films[one] and LABELS[k] != LABELS[one] for k, one in enumerate(place))
    assert (LABELS[other_backgrounds(LABELS, 1, ["a"] * 12)] != LABELS).all()


def test_a_figure_stays_what_it_is_before_another_background() -> None:
    video, mask, bare = clips()
    swapped = swap(video, mask, bare.roll(4, 0))
    assert torch.equal(swapped[:, :, mask[0]], video[:, :, mask[0]])
    assert torch.equal(swapped[:, :, ~mask[0]], bare.roll(4, 0)[:, :, ~mask[0]])
