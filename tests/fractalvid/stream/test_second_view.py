"""Two views of one instance: drawn by the sample's own index, apart from each other, the first as without a second."""

import dataclasses
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from fractalvid.core.camera import CameraConfig
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.presets import preset
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import fit_clips
from fractalvid.stream import Batch, FractalStream, SecondView, StreamConfig
from fractalvid.stream.render import reverse_frames
from fractalvid.stream.second_view import draw_backwards, eased, second_seed
from fractalvid.utils.errors import UserError

CONFIG = StreamConfig(clip_len=4, frame_stride=2, size=32, points=3000, masks=True)
FILMED = dataclasses.replace(CONFIG, emulate=preset("paper"))
INDEX = np.arange(400)


def take(stream: Any, count: int) -> list[Batch]:
    return list(islice(stream, count))


def two(bank: ClassBank, config: StreamConfig = CONFIG, batch_size: int = 4, **options: Any) -> FractalStream:
    return FractalStream(bank, batch_size=batch_size, config=config, seed=5, views=2, **options)


def joined(batches: list[Batch], name: str) -> torch.Tensor:
    return torch.cat([getattr(batch, name) for batch in batches])


@pytest.mark.parametrize("config", [CONFIG, FILMED, dataclasses.replace(CONFIG, colour=ColourConfig(), mean=0.4)])
def test_the_first_view_is_that_of_a_stream_of_one(bank: ClassBank, config: StreamConfig) -> None:
    one = take(FractalStream(bank, batch_size=4, config=config, seed=5), 2)
    both = take(two(bank, config), 2)
    for name in ("video", "target", "clip_id", "mask"):
        assert torch.equal(joined(one, name), joined(both, name))
    assert one[0].video2 is None
    assert one[0].mask2 is None
    assert joined(both, "video2").shape == joined(both, "video").shape
    assert joined(both, "mask2").shape == joined(both, "mask").shape
    assert not torch.equal(joined(both, "video2"), joined(both, "video"))


@pytest.mark.parametrize("config", [CONFIG, FILMED])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_views_depend_on_neither_batch_nor_worker_nor_rank(bank: ClassBank, config: StreamConfig) -> None:
    whole = take(two(bank, config, 6, threads=2), 2)
    loaded = take(DataLoader(two(bank, config, 3), batch_size=None, num_workers=2), 4)
    ranks = [take(two(bank, config, 3, rank=r, world_size=2), 2) for r in (0, 1)]
    for name in ("video2", "mask2"):
        assert torch.equal(joined(whole, name), joined(loaded, name))
        assert torch.equal(joined(whole, name), joined([ranks[r][m] for m in (0, 1) for r in (0, 1)], name))
    stream = two(bank, config, 6)
    stream.load_state_dict({"next_index": whole[0].next_index})
    assert torch.equal(take(stream, 1)[0].video2, whole[1].video2)  # type: ignore[arg-type]  # two views: it is there


def test_second_views_are_of_the_same_instances_and_drawn_apart(bank: ClassBank) -> None:
    stream = two(bank, FILMED)
    first = stream.draw(INDEX)
    second = stream.draw_second(first)
    assert np.array_equal(first.class_id, second.class_id)
    assert np.array_equal(first.instance_id, second.instance_id)
    pairs: list[tuple[Any, Any]] = [
        (first.times[:, 0], second.times[:, 0]),
        (first.camera.extent[:, 0], second.camera.extent[:, 0]),
        (first.camera.flip, second.camera.flip),
    ]
    assert first.emulation is not None
    assert second.emulation is not None
    pairs.append((first.emulation.background.alpha, second.emulation.background.alpha))
    for one, other in pairs:
        assert abs(np.corrcoef(one.astype(float), other.astype(float))[0, 1]) < 0.2
    assert first.backwards is None
    assert second.backwards is not None
    assert 0.4 < second.backwards.mean() < 0.6
    assert second_seed(5) != second_seed(6)


def test_golden_values(bank: ClassBank) -> None:
    """What a seed gives must not change unless `STREAM_VERSION` does; these hold on every machine."""
    stream = FractalStream(bank, batch_size=1, config=StreamConfig(), seed=5, views=2)
    drawn = stream.draw_second(stream.draw(2**33 + np.arange(10)))
    assert drawn.backwards is not None
    assert second_seed(5) == 14820903749710848458
    assert drawn.backwards.astype(int).tolist() == [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    assert drawn.times[:, 0].astype(int).tolist() == [0, 0, 2, 1, 3, 1, 2, 1, 3, 0]
    assert drawn.camera.flip.astype(int).tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 0, 0]


def test_a_backward_view_ends_with_its_first_frame(bank: ClassBank) -> None:
    ahead = take(two(bank, second=SecondView(reverse=0.0)), 3)
    back = take(two(bank, second=SecondView(reverse=1.0)), 3)
    half = take(two(bank), 3)
    forward, forward_mask = joined(ahead, "video2"), joined(ahead, "mask2")
    assert torch.equal(joined(back, "video2"), forward.flip(2))
    assert torch.equal(joined(back, "mask2"), forward_mask.flip(1))
    assert torch.equal(joined(half, "mask2"), joined(half, "video2")[:, 0] > 0)
    turned_round = draw_backwards(SecondView(), 5, np.arange(12))
    assert 0 < turned_round.sum() < 12
    for row, backwards in enumerate(turned_round):
        expected = forward[row].flip(1) if backwards else forward[row]
        assert torch.equal(joined(half, "video2")[row], expected)


def test_grey_is_reversed_once_not_once_a_channel() -> None:
    plane = torch.arange(2 * 3.0).reshape(2, 1, 3, 1, 1)
    video, mask = reverse_frames(plane.clone().expand(-1, 3, -1, -1, -1), None, np.array([True, False]))
    assert mask is None
    assert video.stride(1) == 0
    assert video[0, :, :, 0, 0].tolist() == [[2, 1, 0]] * 3
    assert video[1, :, :, 0, 0].tolist() == [[3, 4, 5]] * 3


def test_less_strength_is_an_easier_second_view(bank: ClassBank) -> None:
    camera = CameraConfig(crop_scale=(0.2, 0.6), crop_ratio=(0.5, 2.0))
    config = dataclasses.replace(CONFIG, camera=camera)
    filmed = dataclasses.replace(FILMED, camera=camera)
    areas, aspects, shares = [], [], []
    for strength in (1.0, 0.5, 0.0):
        plain, emulated = (two(bank, c, second=SecondView(strength=strength)) for c in (config, filmed))
        extent = plain.draw_second(plain.draw(INDEX)).camera.extent
        areas.append(extent.prod(axis=1).mean())
        aspects.append(np.abs(np.log(extent[:, 0] / extent[:, 1])).mean())
        emulation = emulated.draw_second(emulated.draw(INDEX)).emulation
        assert emulation is not None
        shares.append(emulation.emulated.mean())
    assert areas == pytest.approx([0.4, 0.7, 1.0], abs=0.03)
    assert aspects[0] > aspects[1] > aspects[2] == 0
    assert shares == pytest.approx([1.0, 0.5, 0.0], abs=0.08)
    assert eased(filmed, 1.0) == filmed
    easier = eased(filmed, 0.5).emulate
    assert isinstance(easier, EmulationConfig)
    assert easier.crop == CameraConfig(crop_scale=(0.95, 1.0), crop_ratio=(0.75**0.5, (4 / 3) ** 0.5))
    assert easier.background == FILMED.emulate.background  # type: ignore[union-attr]  # a preset was looked up


def test_plain_views_are_fitted_once(bank: ClassBank, monkeypatch: pytest.MonkeyPatch) -> None:
    from fractalvid.stream import render

    fitted: list[int] = []

    def counted(bank: ClassBank, class_id: NDArray[np.int64], *rest: Any, **options: Any) -> Any:
        fitted.append(len(class_id))
        return fit_clips(bank, class_id, *rest, **options)

    monkeypatch.setattr(render, "fit_clips", counted)
    batch = take(two(bank, threads=1), 1)[0]
    assert batch.video2 is not None
    assert fitted == [len(batch.target)]


def test_impossible_views(bank: ClassBank) -> None:
    with pytest.raises(UserError, match="views is 3"):
        FractalStream(bank, batch_size=1, seed=0, views=3)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(UserError, match="which alone has a second"):
        FractalStream(bank, batch_size=1, seed=0, second=SecondView())
    for values in ({"reverse": 1.5}, {"strength": -0.1}, {"strength": float("nan")}):
        with pytest.raises(UserError, match=next(iter(values))):
            SecondView(**values)
