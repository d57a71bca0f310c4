"""Sets on disk, one's own videos and mixtures: every sample a function of its index, as in a stream."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from fractalvid.core.camera import CameraConfig
from fractalvid.core.colour import ColourConfig
from fractalvid.core.seeds import Domain, Field, uniforms
from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.clips import MixedClips, OwnVideos, StoredClips, videos
from fractalvid.pretrain.clips.indexed import IndexedSource, Share, ShuffledOrder
from fractalvid.pretrain.clips.listing import list_videos
from fractalvid.pretrain.clips.videos import UNLABELLED, crop
from fractalvid.sets import SetConfig, generate
from fractalvid.stream import Batch, FractalStream, SecondView, StreamConfig
from fractalvid.stream.render import render_samples
from fractalvid.stream.samples import window_times
from fractalvid.utils.errors import UserError
from fractalvid.video.encoding.writer import write_video
from fractalvid.video.windows import window

CONFIG = StreamConfig(clip_len=4, frame_stride=2, size=32, points=20_000)
WHOLE = CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)
SHARE = Share(6)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "set"
    generate(ClassBank.sample(4, seed=1), out, SetConfig(clips=3, size=32, points=20_000), workers=1, progress=False)
    return out


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of 6 to 10 frames in two classes; frame t of video v is 20 v + 5 t everywhere."""
    root = tmp_path_factory.mktemp("own")
    for number in range(5):
        folder = root / ("run" if number < 3 else "jump")
        folder.mkdir(exist_ok=True)
        grey = (20 * number + 5 * np.arange(6 + number)).astype(np.uint8)
        write_video(folder / f"{number} & #.mp4", np.broadcast_to(grey[:, None, None], (len(grey), 48, 64)), crf=4)
    return root


def check_indexed(build: Callable[[Share], IndexedSource]) -> None:
    """One process or two, from the start or entered later: the same samples."""
    alone = list(islice(build(Share(4)), 4))
    ranks = [list(islice(build(Share(2, rank, 2)), 4)) for rank in range(2)]
    for step, batch in enumerate(alone):
        both = torch.cat([ranks[0][step].video, ranks[1][step].video])
        assert torch.equal(both, batch.video)
        assert ranks[0][step].next_index == batch.next_index == 4 * (step + 1)
    later = build(Share(4))
    later.load_state_dict({"next_index": 8})
    assert torch.equal(next(iter(later)).video, alone[2].video)
    with pytest.raises(UserError, match="multiple of the global batch"):
        later.load_state_dict({"next_index": 7})


def test_every_item_once_a_round() -> None:
    order = ShuffledOrder(3, 7)
    items = order[np.arange(21)].reshape(3, 7)
    assert (np.sort(items, axis=1) == np.arange(7)).all()
    assert not np.array_equal(items[0], items[1])
    assert np.array_equal(order[np.array([20, 3, 9])], items.reshape(-1)[[20, 3, 9]])


def test_a_set_is_gone_through(stored: Path) -> None:
    check_indexed(lambda share: StoredClips(stored, config=CONFIG, seed=0, share=share))
    source = StoredClips(stored, config=CONFIG, seed=0, share=SHARE)
    assert len(source) == 12
    batches = list(islice(source, 2))
    ids = torch.cat([batch.clip_id for batch in batches])
    assert len({tuple(pair) for pair in ids.tolist()}) == 12
    for batch in batches:
        assert batch.video.shape == (6, 3, 4, 32, 32)
        assert torch.equal(batch.target, batch.clip_id[:, 0])
        assert 0.02 < batch.video.mean() < 0.6


def test_a_set_shows_what_its_stream_shows(stored: Path) -> None:
    config, index = replace(CONFIG, camera=WHOLE), np.arange(6)
    batch = StoredClips(stored, config=config, seed=0, share=SHARE).at(index)
    bank = ClassBank.load(stored / "classes.npz")
    classes, instances = batch.clip_id.numpy().T
    start = uniforms(0, Domain.SAMPLE, Field.WINDOW, index, 0, 1)[:, 0]
    samples = replace(
        FractalStream(bank, batch_size=6, seed=0, config=config).draw(index),
        class_id=classes,
        instance_id=instances,
        times=window_times(bank.native_frames[classes], config.clip_len, config.frame_stride, start),
    )
    shown = render_samples(bank, samples, config, next_index=0).video
    assert (shown - batch.video).abs().mean() < 0.02  # but for the encoder


def test_two_views_of_a_stored_clip(stored: Path) -> None:
    def batch(second: SecondView) -> Batch:
        config = replace(CONFIG, masks=True)
        return StoredClips(stored, config=config, seed=0, share=SHARE, second=second).at(np.arange(6))

    one, turned = batch(SecondView(reverse=0)), batch(SecondView(reverse=1))
    assert one.video2 is not None
    assert turned.video2 is not None
    assert one.mask2 is not None
    assert torch.equal(one.video, turned.video)
    assert torch.equal(one.video2.flip(2), turned.video2)
    assert not torch.equal(one.video, one.video2)


def test_colour_is_the_sets_own(tmp_path: Path) -> None:
    config = SetConfig(clips=1, size=32, points=20_000, colour=ColourConfig())
    generate(ClassBank.sample(2, seed=1), tmp_path / "set", config, workers=1, progress=False)
    batch = StoredClips(tmp_path / "set", config=CONFIG, seed=0, share=Share(2)).at(np.arange(2))
    assert (batch.video[:, 0] - batch.video[:, 2]).abs().max() > 0.1


def test_a_damaged_clip_is_named(stored: Path, tmp_path: Path) -> None:
    copied = tmp_path / "set"
    shutil.copytree(stored, copied)
    broken = sorted(copied.glob("clips/*/*.mp4"))[0]
    broken.write_bytes(b"no video")
    with pytest.raises(UserError, match=broken.name):
        list(islice(StoredClips(copied, config=CONFIG, seed=0, share=SHARE), 2))
    with pytest.raises(UserError, match="no generated set"):
        StoredClips(tmp_path, config=CONFIG, seed=0, share=SHARE)


def test_own_videos_are_gone_through(own: Path) -> None:
    check_indexed(lambda share: OwnVideos(own, config=CONFIG, seed=0, share=share))
    source = OwnVideos(own, config=CONFIG, seed=0, share=Share(5), first_label=10)
    assert list_videos(own).classes == ("jump", "run")
    batch = source.at(np.arange(5))
    assert batch.video.shape == (5, 3, 4, 32, 32)
    assert sorted(batch.target.tolist()) == [10, 10, 11, 11, 11]
    assert sorted(batch.clip_id[:, 1].tolist()) == [0, 1, 2, 3, 4]


def test_windows_of_own_videos_run_forward(own: Path) -> None:
    config = replace(CONFIG, camera=WHOLE, mean=0.5, std=0.25)
    batch = OwnVideos(own, config=config, seed=0, share=SHARE).at(np.arange(20))
    grey = (batch.video * 0.25 + 0.5).mean(dim=(1, 3, 4)) * 255  # (B, T): 20 v + 5 t
    steps = grey.diff(dim=1)
    # Videos of 6 frames have room for a stride of 1 only.
    assert ((steps - 5).abs().lt(1.5) | (steps - 10).abs().lt(1.5)).all()
    assert (steps - 10).abs().lt(1.5).any()
    assert len({round(float(first)) for first in grey[:, 0]}) > 5


def test_own_videos_without_classes(own: Path, tmp_path: Path) -> None:
    for path in own.rglob("*.mp4"):
        shutil.copy(path, tmp_path)
    batch = OwnVideos(tmp_path, config=CONFIG, seed=0, share=SHARE, second=SecondView(reverse=1)).at(np.arange(5))
    assert sorted(batch.target.tolist()) == [UNLABELLED - number for number in range(4, -1, -1)]
    assert batch.video2 is not None
    assert (batch.video2.mean(dim=(1, 3, 4)).diff(dim=1) < 0).all()  # brighter with time, and these run backwards


def test_few_broken_videos_are_left_out(own: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(own, tmp_path / "own")
    (tmp_path / "own" / "run" / "text.avi").write_text("no video")
    assert len(OwnVideos(tmp_path / "own", config=CONFIG, seed=0, share=SHARE)) == 5
    assert "text.avi" in capfd.readouterr().err
    (tmp_path / "own" / "run" / "empty.mp4").touch()
    with pytest.raises(UserError, match="2 of 7 videos do not decode"):
        OwnVideos(tmp_path / "own", config=CONFIG, seed=0, share=SHARE)


def test_what_is_no_folder_of_videos_is_refused(own: Path, tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "no folder"), (tmp_path, "holds no videos")):
        with pytest.raises(UserError, match=said):
            list_videos(path)
    shutil.copytree(own, tmp_path / "own")
    shutil.copy(next(own.rglob("*.mp4")), tmp_path / "own")
    with pytest.raises(UserError, match="beside folders of classes"):
        list_videos(tmp_path / "own")


def test_memory_holds_what_fits(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def batch(room: int) -> torch.Tensor:
        monkeypatch.setattr(videos, "KEPT_BYTES", room)
        source = OwnVideos(own, config=CONFIG, seed=0, share=SHARE)
        first = source.at(np.arange(5)).video
        assert torch.equal(source.at(np.arange(5)).video, first)
        return first

    assert torch.equal(batch(0), batch(10**9))
    assert torch.equal(batch(0), batch(100_000))


@pytest.mark.parametrize(
    ("frames", "expected"), [(10, [3, 5, 7, 9]), (7, [0, 2, 4, 6]), (4, [0, 1, 2, 3]), (2, [0, 1, 1, 1]), (1, [0] * 4)]
)
def test_windows_fit(frames: int, expected: list[int]) -> None:
    assert window(frames, 4, 2, 0.999).tolist() == expected


def test_crops_lie_in_the_middle_square() -> None:
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    frames[:, :20, 10:30] = 200
    quarter = crop(frames, np.zeros(2, np.float32), np.full(2, 0.5, np.float32), 10)
    assert quarter.shape == (3, 2, 10, 10)
    assert (quarter == 200).all()
    rest = crop(frames, np.full(2, 0.5, np.float32), np.full(2, 0.5, np.float32), 10)
    assert (rest == 0).all()


@pytest.mark.parametrize("part", [0.3, 0.5, 0.75])
def test_mixtures_are_even(part: float, own: Path) -> None:
    bank = ClassBank.sample(4, seed=1)

    def make(share: Share) -> MixedClips:
        stream = FractalStream(bank, batch_size=1, seed=0, config=CONFIG)
        own_videos = OwnVideos(own, config=CONFIG, seed=0, share=share, first_label=4)
        return MixedClips(stream.at, own_videos.at, part=part, share=share)

    check_indexed(make)
    batch = make(Share(40)).at(np.arange(40))
    real = batch.target >= 4
    assert real.sum() == 40 * part
    assert int(real[:20].sum()) == pytest.approx(20 * part, abs=1)
    # Each source goes on where it was: fractals class by class, every video once before the first comes again.
    shown = batch.clip_id[real][:, 1].tolist()
    assert sorted(shown[:5]) == [0, 1, 2, 3, 4]
    assert sorted(batch.target[~real][:4].tolist()) == [0, 1, 2, 3]
    assert batch.mask is None


@pytest.mark.parametrize("part", [0.0, 1.0, float("nan")])
def test_no_mixture_is_refused(part: float) -> None:
    with pytest.raises(UserError, match="mix"):
        MixedClips(lambda index: pytest.fail(), lambda index: pytest.fail(), part=part, share=SHARE)
