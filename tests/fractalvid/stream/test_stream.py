"""The stream: the same samples for every worker, batch size, rank and restart."""

import copy
import dataclasses
import pickle
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fractalvid.core.camera import CameraConfig, camera_matrices, draw_camera
from fractalvid.core.colour import ColourConfig
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import render_clip
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.stream.position import Position
from fractalvid.stream.samples import window_times
from fractalvid.utils.errors import UserError

CONFIG = StreamConfig(clip_len=4, frame_stride=2, size=32, points=3000)


def take(stream: Any, count: int) -> list[Batch]:
    return list(islice(stream, count))


def flat(batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([b.video for b in batches]), torch.cat([b.clip_id for b in batches])


def same(a: list[Batch], b: list[Batch]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(flat(a), flat(b), strict=True))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_every_number_of_workers_yields_the_same_sequence(bank: ClassBank, workers: int) -> None:
    stream = FractalStream(bank, batch_size=3, config=CONFIG, seed=5)
    alone = take(stream, 5)
    loaded = take(DataLoader(stream, batch_size=None, num_workers=workers), 5)
    assert same(alone, loaded)
    assert [b.next_index for b in loaded] == [3, 6, 9, 12, 15]
    assert len({tuple(row) for row in flat(loaded)[1].tolist()}) == 15


def test_batch_size_threads_and_ranks_do_not_matter(bank: ClassBank) -> None:
    whole = take(FractalStream(bank, batch_size=6, config=CONFIG, seed=5, threads=1), 2)
    small = take(FractalStream(bank, batch_size=2, config=CONFIG, seed=5, threads=4), 6)
    assert same(whole, small)
    ranks = [take(FractalStream(bank, batch_size=3, config=CONFIG, seed=5, rank=r, world_size=2), 2) for r in (0, 1)]
    assert same(whole, [ranks[0][0], ranks[1][0], ranks[0][1], ranks[1][1]])


def test_resuming_goes_on_exactly_also_on_another_world_size(bank: ClassBank) -> None:
    stream = FractalStream(bank, batch_size=4, config=CONFIG, seed=1)
    batches = take(stream, 4)
    assert stream.state_dict() == {"next_index": 16}
    again = FractalStream(bank, batch_size=4, config=CONFIG, seed=1)
    again.load_state_dict({"next_index": batches[1].next_index})
    assert same(batches[2:], take(again, 2))
    halves = [FractalStream(bank, batch_size=2, config=CONFIG, seed=1, rank=r, world_size=2) for r in (0, 1)]
    for half in halves:
        half.load_state_dict({"next_index": 8})
    assert same(batches[2:3], [take(half, 1)[0] for half in halves])
    with pytest.raises(UserError, match="multiple"):
        again.load_state_dict({"next_index": 7})
    states: list[Any] = [{}, {"next_index": "x"}, {"next_index": None}]
    for state in states:
        with pytest.raises(UserError, match="state is"):
            again.load_state_dict(state)


def in_epochs(loader: Any, stream: Any, epochs: int) -> list[int]:
    """The next index of each batch of epochs of two batches, each of which goes on after the last."""
    seen: list[int] = []
    for _ in range(epochs):
        seen += [batch.next_index for batch in take(loader, 2)]
        stream.load_state_dict({"next_index": seen[-1]})
    return seen


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))])
@pytest.mark.timeout(300)
def test_workers_that_persist_go_on_where_the_state_says(bank: ClassBank, context: str, copied: Any) -> None:
    stream = copied(FractalStream(bank, batch_size=2, config=dataclasses.replace(CONFIG, points=300), seed=1))
    options: dict[str, Any] = {"batch_size": None, "num_workers": 2, "multiprocessing_context": context}
    assert in_epochs(DataLoader(stream, persistent_workers=True, **options), stream, 3) == [2, 4, 6, 8, 10, 12]


def test_workers_that_start_late_begin_where_the_state_said_when_they_were_made() -> None:
    """The loader's process may be some batches further by then; a state of a worker's own is its next iterator's."""
    worker = Position()
    worker.set(8, in_worker=False)
    late = copy.copy(worker)  # as a fork: the same shared memory
    worker.set(16, in_worker=False)
    assert [late.begin(in_worker=True), late.begin(in_worker=True), worker.begin(in_worker=False)] == [8, 16, 16]
    late.set(4, in_worker=True)
    assert [late.begin(in_worker=True), late.begin(in_worker=True), worker.begin(in_worker=False)] == [4, 16, 16]


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))],
    ids=["copy", "deep", "pickle"],
)
@pytest.mark.parametrize("emulate", [None, "light"])
def test_a_copy_made_in_the_middle_goes_its_own_way(bank: ClassBank, copied: Any, emulate: str | None) -> None:
    stream = FractalStream(bank, batch_size=2, config=CONFIG, seed=1, emulate=emulate)
    whole = take(stream, 5)
    stream.load_state_dict({"next_index": 2})
    running = iter(stream)
    assert same([next(running)], whole[1:2])
    other = copied(stream)
    assert other.state_dict() == {"next_index": 4}
    assert same(take(other, 2), whole[1:3]), "as every new iterator of the first would"
    other.load_state_dict({"next_index": 6})
    assert same(take(other, 1), whole[3:4])
    assert same([next(running)], whole[2:3]), "what runs goes on"
    assert stream.state_dict() == {"next_index": 6} and same(take(stream, 1), whole[1:2])


def test_copies_of_a_stream_do_not_share_its_position() -> None:
    first = Position()
    for other in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        first.set(6, in_worker=False)
        other.begin(in_worker=True)
        assert other.begin(in_worker=True) == 0


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_validation_is_shared_by_workers(bank: ClassBank, workers: int) -> None:
    clips = FractalStream.validation(bank, num_clips=9, batch_size=2, config=CONFIG)
    loader = DataLoader(clips, batch_size=None, num_workers=workers, persistent_workers=True)
    assert len(loader) == 5
    for _ in range(2):
        assert same(list(loader), list(clips))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_of_batches_are_refused(bank: ClassBank, workers: int) -> None:
    stream = FractalStream(bank, batch_size=2, config=CONFIG, seed=1)
    for clips in (stream, FractalStream.validation(bank, num_clips=4, batch_size=2, config=CONFIG)):
        with pytest.raises(UserError, match="batch_size=None"):
            next(iter(DataLoader(clips, num_workers=workers)))


def test_a_batch_unpacks_into_video_target_and_the_rest(bank: ClassBank) -> None:
    batch = take(FractalStream(bank, batch_size=2, config=CONFIG, seed=1), 1)[0]
    video, target, clip_id, next_index, *rest = batch
    assert video is batch.video and target is batch.target and clip_id is batch.clip_id and next_index == 2
    assert rest == [None] * 5
    video, target, *_ = next(
        iter(DataLoader(FractalStream(bank, batch_size=2, config=CONFIG, seed=1), batch_size=None))
    )
    assert torch.equal(video, batch.video) and torch.equal(target, batch.target)


def test_what_a_notebook_shows_is_a_line(bank: ClassBank) -> None:
    stream = FractalStream(bank, batch_size=2, config=CONFIG, seed=1)
    clips = FractalStream.validation(bank, num_clips=9, batch_size=2, config=CONFIG)
    assert repr(stream) == "FractalStream(12 classes, batches of 2 clips of 4 x 32 x 32, seed=1)"
    assert repr(clips) == "ValidationClips(9 clips of 12 classes, batches of 2 clips of 4 x 32 x 32)"
    shapes = "video=(2, 3, 4, 32, 32), target=(2,), clip_id=(2, 2)"
    assert repr(take(stream, 1)[0]) == f"Batch({shapes}, next_index=2)"


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_worker_goes_on_from_its_own_state(bank: ClassBank, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Loaders that keep the state of each worker, as torchdata's, give it back to the worker of that number."""
    streams = [FractalStream(bank, batch_size=3, config=CONFIG, seed=1) for _ in range(workers)]

    def turn(worker: int, stream: FractalStream, count: int) -> list[Batch]:
        info = SimpleNamespace(id=worker, num_workers=workers)
        monkeypatch.setattr("fractalvid.stream.fractal_stream.get_worker_info", lambda: info)
        return take(stream, count)

    whole = [turn(w, stream, 4) for w, stream in enumerate(streams)]
    for worker, stream in enumerate(streams):
        turn(worker, stream, 2)
        again = FractalStream(bank, batch_size=3, config=CONFIG, seed=1)
        again.load_state_dict(stream.state_dict())
        assert same(turn(worker, again, 2), whole[worker][2:])


def test_a_batch_that_was_not_finished_does_not_count(bank: ClassBank, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FractalStream(bank, batch_size=4, config=CONFIG, seed=1)
    batches = iter(stream)
    next(batches)

    def interrupted(*args: Any, **options: Any) -> Batch:
        raise KeyboardInterrupt

    monkeypatch.setattr(stream, "_render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    assert stream.state_dict() == {"next_index": 4}


def test_batches_are_pinned_whole(bank: ClassBank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 1)
    batch = take(FractalStream(bank, batch_size=2, config=CONFIG, seed=1), 1)[0]
    pinned = batch.pin_memory()
    assert torch.equal(pinned.target, batch.target + 1)
    assert torch.equal(pinned.video, batch.video + 1)
    assert pinned.next_index == batch.next_index


def test_a_round_shows_every_class_once_and_rounds_differ(bank: ClassBank) -> None:
    samples = FractalStream(bank, batch_size=1, config=CONFIG, seed=2).draw(np.arange(36))
    rounds = samples.class_id.reshape(3, 12)
    assert np.array_equal(np.sort(rounds, axis=1), np.tile(np.arange(12), (3, 1)))
    assert not np.array_equal(rounds[0], rounds[1])
    assert samples.instance_id.tolist() == np.repeat([0, 1, 2], 12).tolist()
    other = FractalStream(bank, batch_size=1, config=CONFIG, seed=3).draw(np.arange(36))
    assert not np.array_equal(samples.class_id, other.class_id)


def test_a_fixed_number_of_instances_is_cycled_in_keyed_order(bank: ClassBank) -> None:
    stream = FractalStream(bank, batch_size=1, config=CONFIG, seed=2, instances=5)
    samples = stream.draw(np.arange(12 * 10))
    for class_id in range(12):
        shown = samples.instance_id[samples.class_id == class_id]
        assert sorted(shown[:5]) == sorted(shown[5:]) == [0, 1, 2, 3, 4]
    first = [tuple(samples.instance_id[samples.class_id == c][:5]) for c in range(12)]
    assert len(set(first)) > 6


def test_without_crop_or_flip_the_frames_are_those_of_generate(bank: ClassBank) -> None:
    plain = CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)
    config = StreamConfig(clip_len=4, frame_stride=2, size=48, points=5000, channels=1, camera=plain)
    stream = FractalStream(bank, batch_size=3, config=config, seed=9)
    batch, samples = take(stream, 1)[0], stream.draw(np.arange(3))
    frames = (batch.video[:, 0] * 255).round().to(torch.uint8).numpy()
    for row in range(3):
        whole = render_clip(bank, int(samples.class_id[row]), int(samples.instance_id[row]), size=48, points=5000)
        assert np.array_equal(frames[row], whole[samples.times[row].astype(int)])


def test_shapes_and_normalisation(bank: ClassBank) -> None:
    config = StreamConfig(clip_len=3, size=24, points=2000)
    plain = take(FractalStream(bank, batch_size=2, config=config, seed=0), 1)[0]
    assert plain.video.shape == (2, 3, 3, 24, 24)
    assert plain.video.dtype == torch.float32
    assert plain.video.min() >= 0
    assert plain.video.max() <= 1
    assert plain.target.tolist() == plain.clip_id[:, 0].tolist()
    shifted = StreamConfig(clip_len=3, size=24, points=2000, mean=0.4, std=0.2)
    normalised = take(FractalStream(bank, batch_size=2, config=shifted, seed=0), 1)[0]
    assert torch.allclose(normalised.video, (plain.video - 0.4) / 0.2, atol=1e-5)


DRIFTING = ColourConfig(drift=0.7)


def test_colour_has_three_channels_that_are_those_of_the_clip(bank: ClassBank) -> None:
    plain = CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)
    config = StreamConfig(clip_len=4, size=48, points=5000, camera=plain, colour=DRIFTING)
    stream = FractalStream(bank, batch_size=3, config=config, seed=9)
    batch, samples = take(stream, 1)[0], stream.draw(np.arange(3))
    assert batch.mask is None
    assert batch.video.shape == (3, 3, 4, 48, 48)
    assert batch.video.is_contiguous()
    frames = (batch.video * 255).round().to(torch.uint8).permute(0, 2, 3, 4, 1).numpy()
    for row in range(3):
        name = int(samples.class_id[row]), int(samples.instance_id[row])
        whole = render_clip(bank, *name, size=48, points=5000, colour=DRIFTING)
        assert np.array_equal(frames[row], whole[samples.times[row].astype(int)])
    assert (batch.video[:, 0] != batch.video[:, 2]).float().mean() > 0.02
    shifted = dataclasses.replace(config, mean=0.4, std=0.2)
    normalised = take(FractalStream(bank, batch_size=3, config=shifted, seed=9), 1)[0]
    assert torch.allclose(normalised.video, (batch.video - 0.4) / 0.2, atol=1e-5)


@pytest.mark.parametrize("colour", [None, DRIFTING])
def test_masks_are_where_the_grey_clip_is_above_0(bank: ClassBank, colour: ColourConfig | None) -> None:
    grey = take(FractalStream(bank, batch_size=4, config=CONFIG, seed=5), 2)
    config = dataclasses.replace(CONFIG, masks=True, colour=colour, mean=0.3, std=0.1)
    masked = take(FractalStream(bank, batch_size=4, config=config, seed=5), 2)
    for one, other in zip(grey, masked, strict=True):
        assert other.mask is not None
        assert other.mask.dtype == torch.bool
        assert torch.equal(other.mask, one.video[:, 0] > 0)
        assert 0 < other.mask.float().mean() < 1
    clips = [FractalStream.validation(bank, num_clips=5, batch_size=3, config=c) for c in (CONFIG, config)]
    for one, other in zip(*clips, strict=True):
        assert other.mask is not None
        assert torch.equal(other.mask, one.video[:, 0] > 0)
        assert one.mask is None


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_colour_and_masks_are_the_same_for_every_worker_and_batch_size(bank: ClassBank) -> None:
    config = dataclasses.replace(CONFIG, masks=True, colour=DRIFTING)
    stream = FractalStream(bank, batch_size=4, config=config, seed=5, threads=3)
    loaded = take(DataLoader(stream, batch_size=None, num_workers=2), 3)
    small = take(FractalStream(bank, batch_size=2, config=config, seed=5, threads=1), 6)
    assert same(loaded, small)
    masks = [torch.cat([b.mask for b in batches if b.mask is not None]) for batches in (loaded, small)]
    assert len(masks[0]) == 12
    assert torch.equal(*masks)


def test_validation_is_finite_fixed_and_held_out(bank: ClassBank) -> None:
    clips = FractalStream.validation(bank, num_clips=15, batch_size=4, config=CONFIG)
    first, second = list(clips), list(clips)
    assert len(clips) == len(first) == 4
    assert same(first, second)
    ids = flat(first)[1]
    assert ids[:, 0].tolist() == [*range(12), 0, 1, 2]
    assert ids[:, 1].tolist() == [FIRST_VALIDATION_ID] * 12 + [FIRST_VALIDATION_ID + 1] * 3


def test_windows_stay_inside_and_shrink_where_they_must() -> None:
    native = np.array([18, 20, 18, 20])
    start = np.array([0.0, 0.999, 0.5, 0.5], np.float32)
    times = window_times(native, 8, 2, start)
    assert np.allclose(np.diff(times, axis=1), 2)
    assert times[0, 0] == 0
    assert times[1, -1] == 19
    long = window_times(native, 16, 2, start)
    assert np.allclose(long[:, 0], 0)
    assert np.allclose(long[:, -1], native - 1)
    assert window_times(native, 1, 2, start).shape == (4, 1)


@pytest.mark.parametrize("ratio", [(3 / 4, 4 / 3), (2, 3)])
def test_crops_have_the_area_they_are_said_to_have(ratio: tuple[float, float]) -> None:
    def extent(low: float, high: float) -> np.ndarray:
        config = CameraConfig(crop_scale=(low, high), crop_ratio=ratio)
        return draw_camera(config, 3, np.arange(2000)).extent.astype(float)

    large, small = extent(0.9, 1), extent(0.1, 0.2)
    assert large.max() <= 1
    assert 0.9 - 1e-6 <= large.prod(axis=1).min() < 0.91
    assert large.prod(axis=1).mean() == pytest.approx(0.95, abs=0.01)
    aspect = small[:, 0] / small[:, 1]
    assert (aspect.min(), aspect.max()) == pytest.approx(ratio, rel=0.01)
    assert np.all(extent(1, 1) == 1)


def test_cameras_map_the_crop_onto_the_frame() -> None:
    config = CameraConfig(crop_scale=(0.3, 0.6), flip=0.5)
    camera = draw_camera(config, 3, np.arange(200))
    area = camera.extent.prod(axis=1)
    assert 0.3 <= area.min() < 0.31
    assert 0.59 < area.max() <= 0.6
    assert 0.35 < camera.flip.mean() < 0.65
    assert np.all(camera.corner >= 0)
    assert np.all(camera.corner + camera.extent <= 1 + 1e-6)
    matrices = camera_matrices(camera, 100)
    for row in range(10):
        left, top = 100 * camera.corner[row]
        right = left + 100 * camera.extent[row, 0]
        u = matrices[row] @ [right if camera.flip[row] else left, top, 1]
        assert u[:2] == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize(
    "values",
    [
        {"crop_scale": (0.9, 0.2)},
        {"crop_scale": (0, 1)},
        {"crop_scale": 0.5},
        {"flip": 1.2},
        {"flip": "x"},
        {"crop_ratio": (2, 1)},
        {"crop_ratio": (1, float("inf"))},
        {"crop_ratio": (1, 1e300)},
    ],
)
def test_impossible_cameras(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        CameraConfig(**values)


def test_impossible_streams(bank: ClassBank) -> None:
    with pytest.raises(UserError, match="batch_size"):
        FractalStream(bank, seed=0, batch_size=0)
    with pytest.raises(UserError, match="batch_size must be a whole number"):
        FractalStream(bank, seed=0, batch_size=8.5)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"instances is 2\.5"):
        FractalStream(bank, seed=0, batch_size=1, instances=2.5)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the same for all channels"):
        StreamConfig(mean=(0.485, 0.456, 0.406))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="rank"):
        FractalStream(bank, seed=0, batch_size=1, rank=2)
    with pytest.raises(UserError, match="instances"):
        FractalStream(bank, seed=0, batch_size=1, instances=0)
    with pytest.raises(UserError, match="threads must be at least 1, got 0"):
        FractalStream(bank, seed=0, batch_size=1, threads=0)
    with pytest.raises(UserError, match="threads must be at least 1, got -1"):
        FractalStream.validation(bank, num_clips=1, batch_size=1, threads=-1)
    with pytest.raises(UserError, match=r"^device None is unknown; it can be cpu, cuda or cuda:N$"):
        FractalStream(bank, seed=0, batch_size=1, device=None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^index must be positions in the stream, [^\n]*$"):
        FractalStream(bank, seed=0, batch_size=1).at(np.full(100, -1))
    coloured = {"colour": ColourConfig()}
    bad: list[dict[str, Any]] = [{"clip_len": 0}, {"channels": 2}, {"std": 0.0}]
    bad += [{"size": 8.5}, {"points": 1e4}, {"clip_len": 4.0}, {"frame_stride": 1.5}]
    bad += [coloured | {"channels": 1}, coloured | {"points": 17_000_000}]
    for values in bad:
        with pytest.raises(UserError):
            StreamConfig(**values)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5])
def test_seeds_are_not_taken_for_others(bank: ClassBank, seed: Any) -> None:
    with pytest.raises(UserError, match=r"seed must be in 0\.\.2\*\*64 - 1"):
        FractalStream(bank, batch_size=2, config=CONFIG, seed=seed)
    largest = take(FractalStream(bank, batch_size=2, config=CONFIG, seed=2**64 - 1), 1)
    assert not same(largest, take(FractalStream(bank, batch_size=2, config=CONFIG, seed=0), 1))


def test_a_new_iterator_begins_where_the_state_says(bank: ClassBank) -> None:
    stream = FractalStream(bank, batch_size=2, config=CONFIG, seed=1)
    first = take(stream, 2)
    assert same(first, take(stream, 2))
    stream.load_state_dict({"next_index": first[-1].next_index})
    assert same(take(FractalStream(bank, batch_size=2, config=CONFIG, seed=1), 4)[2:], take(stream, 2))


def test_a_batch_moves_to_a_device_with_all_its_tensors(bank: ClassBank) -> None:
    config = StreamConfig(clip_len=2, size=16, points=500, masks=True)
    batch = next(iter(FractalStream(bank, batch_size=2, config=config, seed=0)))
    moved = batch.to("meta", non_blocking=True)
    tensors = (moved.video, moved.target, moved.clip_id, moved.mask)
    assert [None if tensor is None else tensor.device.type for tensor in tensors] == ["meta"] * 4
    assert (moved.next_index, moved.video.shape) == (batch.next_index, batch.video.shape)
    assert dataclasses.replace(batch, mask=None).to("cpu").mask is None
