"""Nearest neighbours as a measure of features, and the classes they are looked for in."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.monitors.classification import classification_metrics
from fractalvid.pretrain.monitors.neighbours import first_classes, nearest_share, neighbour_metrics
from fractalvid.stream import FractalStream, StreamConfig


def reference(features: torch.Tensor, target: torch.Tensor) -> float:
    """One clip at a time."""
    x, right = features.double().numpy(), []
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i]
        if not any(target[j] == target[i] for j in others):
            continue
        cosines = [x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in others]
        right.append(target[others[int(np.argmax(cosines))]] == target[i])
    return float(np.mean(right))


def test_the_share_is_that_of_a_plain_search() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.tensor([0, 0, 1, 1, 2, 0, 1, 3, 3, 1])  # class 2 has nobody to be near to
    features = torch.randn(10, 3, generator=generator) + 0.8 * torch.randn(4, 3, generator=generator)[target]
    share = nearest_share(features, target)["knn_top1"]
    assert share == pytest.approx(reference(features, target))
    assert 0 < share < 1
    assert nearest_share(5 * features, target)["knn_top1"] == share
    assert nearest_share(features[:1], target[:1]) == {}
    assert nearest_share(torch.zeros(4, 3), torch.arange(4)) == {}


class Mean(nn.Module):
    """Features that are the mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        return self.scale * (video.mean((2, 3, 4)) - 0.5)


def batches(count: int) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    clips = []
    for _ in range(count):
        target = torch.tensor([0, 1, 2])
        video = torch.rand(3, 3, 2, 4, 4, generator=generator)
        video[torch.arange(3), target] += 0.5
        clips.append(SimpleNamespace(video=video, target=target, next_index=0))
    return clips


def test_features_of_all_batches_are_compared() -> None:
    with torch.no_grad():
        assert neighbour_metrics(Mean(), batches(4)) == {"knn_top1": 1.0}
        assert neighbour_metrics(Mean(), batches(1)) == {}  # one clip of each class
        assert neighbour_metrics(Mean(), []) == {}
        assert nearest_share(torch.eye(4), torch.ones(4, dtype=torch.int64)) == {}  # one class alone
        assert set(classification_metrics(Mean(), batches(1))) == {"loss", "top1", "top5"}


@pytest.mark.parametrize("kind", ["ifs", "shapes"])
def test_the_first_classes_of_a_bank_are_a_bank(kind: str) -> None:
    bank = sample_bank(12, kind=kind, seed=3)
    few = first_classes(bank, 20)
    assert len(few) == 5
    config = StreamConfig(clip_len=2, size=16, points=500)
    shown = [FractalStream.validation(b, num_clips=5, batch_size=5, config=config) for b in (bank, few)]
    one, other = (next(iter(clips)).video for clips in shown)
    assert torch.equal(one, other)
    assert len(first_classes(bank, 1)) == len(first_classes(bank, 7)) == 2  # of one class, all neighbours are
    assert len(first_classes(bank, 10**6)) == 12


def test_enough_clips_leave_the_bank_as_it_is(bank: ClassBank) -> None:
    assert np.array_equal(first_classes(bank, 48).native_frames, bank.native_frames)
