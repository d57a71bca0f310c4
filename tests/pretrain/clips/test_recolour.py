"""Second views in other colours: what changes, what stays, and that palettes no longer tell pairs."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.clips.indexed import Share
from fractalvid.pretrain.clips.recolour import Recoloured, draw_colours, recolour
from fractalvid.pretrain.recipes.fields import override
from fractalvid.pretrain.run.clips import open_clips
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.stream import Batch, FractalStream, StreamConfig

BANK = ClassBank.sample(64, seed=0)
COLOURED = StreamConfig(clip_len=2, size=32, points=4000, colour=ColourConfig())


def stream(config: StreamConfig = COLOURED, batch_size: int = 4, rank: int = 0, world_size: int = 1) -> FractalStream:
    options = {"config": config, "seed": 3, "threads": 1, "views": 2, "rank": rank, "world_size": world_size}
    return FractalStream(BANK, batch_size=batch_size, **options)  # type: ignore[arg-type]


def second(batch: Batch) -> Tensor:
    assert batch.video2 is not None
    return batch.video2


def test_matrices_go_to_a_gpu_without_anybody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown on a video that has no data: what goes up is pinned."""
    pinned: list[tuple[int, ...]] = []

    def pin(tensor: Tensor) -> Tensor:
        pinned.append(tuple(tensor.shape))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    matrix = draw_colours(1.0, 0, np.arange(2))
    video = recolour(torch.empty(2, 3, 1, 4, 4, device="meta"), matrix)
    assert video.device.type == "meta" and video.shape == (2, 3, 1, 4, 4)
    assert pinned == [(2, 3, 3)]


def test_greys_stay_and_hues_turn() -> None:
    matrix = draw_colours(1.0, 0, np.arange(500))
    grey = torch.rand(500, 1, 2, 3, 3).expand(-1, 3, -1, -1, -1)
    torch.testing.assert_close(recolour(grey, matrix), grey.contiguous())
    torch.testing.assert_close(matrix.sum(1), torch.ones(500, 3))  # and so does the mean of the channels
    red = matrix[:, :, 0]  # what becomes of pure red
    assert all((red.argmax(1) == channel).float().mean() > 0.25 for channel in range(3))
    chroma = (red - 1 / 3).norm(dim=1)
    assert (chroma <= (2 / 3) ** 0.5 + 1e-6).all()
    assert 0.35 < chroma.mean() / (2 / 3) ** 0.5 < 0.65
    some = draw_colours(0.25, 0, np.arange(500))
    assert 0.15 < (some != torch.eye(3)).flatten(1).any(1).float().mean() < 0.35
    assert torch.equal(draw_colours(0.0, 0, np.arange(9)), torch.eye(3).expand(9, -1, -1))


def test_colours_follow_from_seed_and_index() -> None:
    index = np.array([5, 2**32 + 5, 7])
    one = draw_colours(1.0, 1, index)
    assert torch.equal(one[[2, 0]], draw_colours(1.0, 1, index[[2, 0]]))
    assert not torch.allclose(one[0], one[1])
    assert not torch.allclose(one, draw_colours(1.0, 2, index))


def test_ranks_and_resumes_see_the_same() -> None:
    def source(size: int, rank: int = 0, ranks: int = 1) -> Recoloured:
        return Recoloured(
            stream(batch_size=size, rank=rank, world_size=ranks), 0.8, seed=3, share=Share(size, rank, ranks)
        )

    alone = list(islice(source(4), 3))
    parts = [list(islice(source(2, rank, 2), 3)) for rank in range(2)]
    for step, batch in enumerate(alone):
        torch.testing.assert_close(torch.cat([second(part[step]) for part in parts]), second(batch))
    resumed = source(4)
    resumed.load_state_dict({"next_index": 8})
    assert torch.equal(second(next(iter(resumed))), second(alone[2]))
    plain = next(iter(stream()))
    assert torch.equal(plain.video, alone[0].video)
    assert not torch.equal(second(plain), second(alone[0]))


def test_grey_clips_are_not_touched() -> None:
    config = StreamConfig(clip_len=2, size=32, points=4000)
    batch = next(iter(Recoloured(stream(config), 1.0, seed=3, share=Share(4))))
    assert second(batch).stride(1) == 0
    assert torch.equal(second(batch), second(next(iter(stream(config)))))


def matched(batch: Batch) -> float:
    """Share of clips whose other view has the nearest mean colour of what is lit."""

    def colours(video: Tensor) -> Tensor:
        means = video.mean((2, 3, 4))
        return F.normalize(means - means.mean(1, keepdim=True), dim=1)

    found = (colours(batch.video) @ colours(second(batch)).T).argmax(1)
    return float((found == torch.arange(len(found))).float().mean())


def test_palettes_no_longer_tell_pairs() -> None:
    plain = stream(batch_size=64)
    assert matched(next(iter(plain))) > 0.3
    assert matched(next(iter(Recoloured(plain, 1.0, seed=3, share=Share(64))))) < 0.15


@pytest.mark.parametrize(
    ("values", "changed"), [({}, True), ({"recolour": 0.0}, False), ({"name": "supervised"}, None)]
)
def test_runs_without_labels_recolour(values: dict[str, object], changed: bool | None) -> None:
    objective = {"name": "simclr", "recolour": 1.0, **values}
    asked = {"batch_size": 4, "seed": 3, "objective": objective, "engine": {"steps": 1, "device": "cpu"}}
    asked["stream"] = {"clip_len": 2, "size": 32, "points": 4000, "colour": {}}
    config = override(PretrainConfig(), asked, where="test")
    batch = next(iter(open_clips(config, BANK, threads=1, progress=False).source))
    if changed is None:
        assert batch.video2 is None
    else:
        assert torch.equal(second(batch), second(next(iter(stream())))) != changed
