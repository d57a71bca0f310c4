import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fractalvid.finetune.clips.config import FrameConfig, ViewConfig
from fractalvid.finetune.clips.prediction import predict, vote
from fractalvid.finetune.clips.views import video_views
from fractalvid.finetune.targets.base import Video
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import ArrayStore

CONFIG = ViewConfig(FrameConfig(4, 2), 12, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), views=3, crops=1)


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


def videos(count: int) -> tuple[list[Video], ArrayStore]:
    rng = np.random.default_rng(0)
    clips = {f"v{k}": rng.integers(0, 30 * (k + 1), (5 + 3 * k, 14, 18, 3), np.uint8) for k in range(count)}
    return [Video(path, k % 2, "test") for k, path in enumerate(clips)], ArrayStore(clips)


def test_a_video_is_the_mean_of_the_softmax_of_its_views() -> None:
    listed, store = videos(5)
    model = Brightness().train()
    got = predict(model, listed, store, CONFIG, batch_size=4, threads=2)
    assert model.training  # as it was found
    for one, p in zip(listed, got, strict=True):
        views = video_views(store.get(one), CONFIG).float() / 255
        expected = model.eval()(views.permute(0, 4, 1, 2, 3)).softmax(1).mean(0)
        assert p == pytest.approx(expected.detach().numpy(), abs=1e-6)


def test_the_result_does_not_depend_on_batch_size_or_threads() -> None:
    listed, store = videos(7)
    expected = predict(Brightness(), listed, store, CONFIG, batch_size=3, threads=1)
    for batch_size, threads in ((1, 2), (2, 1), (7, 3), (100, 2)):
        model = Brightness()
        got = predict(model, listed, store, CONFIG, batch_size=batch_size, threads=threads)
        assert got == pytest.approx(expected, abs=1e-6)
        assert max(model.sizes) <= max(batch_size, 3)


def test_a_network_that_diverged_is_reported() -> None:
    listed, store = videos(2)
    model = Brightness()
    model.scale.data.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        predict(model, listed, store, CONFIG)


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
