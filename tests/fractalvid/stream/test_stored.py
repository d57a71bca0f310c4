"""The route from disk: exact where nothing moves, and in agreement with the stream's."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fractalvid.core.camera import CameraConfig, camera_matrices
from fractalvid.core.colour import ColourConfig
from fractalvid.core.seeds import Domain, Field, uniforms
from fractalvid.emulate.config import BackgroundConfig, EmulationConfig, GroupConfig
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.layers import emulate_samples
from fractalvid.emulate.presets import PRESETS
from fractalvid.emulate.renderer import CpuRenderer, RenderOptions
from fractalvid.emulate.resample import FRACTAL, PAINTED, taps
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import KINDS, fit_clips, load_bank, render_fits, sample_bank
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.torch_set import FractalSet
from fractalvid.stream import StreamConfig, emulate_clips
from fractalvid.stream.samples import sample_camera, window_times
from fractalvid.utils.errors import UserError

WHOLE = CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)
SMALL = StreamConfig(clip_len=4, frame_stride=2, size=32, points=3000, camera=WHOLE, masks=True)
MOVING = replace(PRESETS["paper"], background=BackgroundConfig(), photometric=PRESETS["none"].photometric)


def stored(bank: Any, clip_id: Any, frames: int, size: int, points: int, **options: Any) -> torch.Tensor:
    """What a set would hold: uint8 (B, C, N, H, W)."""
    classes, instances = np.asarray(clip_id).T
    fits = fit_clips(bank, classes, instances)
    times = np.linspace(0, bank.native_frames[classes] - 1, frames).T
    video = torch.from_numpy(render_fits(bank, fits, times, size=size, points=points, **options))
    return video[:, None] if video.ndim == 4 else video.movedim(-1, 1)


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))


@pytest.mark.parametrize("emulate", [None, EmulationConfig()])
def test_nothing_drawn_gives_the_clip_back_bit_for_bit(bank: ClassBank, emulate: EmulationConfig | None) -> None:
    ids = np.array([[3, 0], [5, 1]])
    video = noise(2, 1, int(bank.native_frames[3]), 32, 32)
    clip_len = video.shape[2]
    config = replace(SMALL, clip_len=clip_len, frame_stride=1, emulate=emulate)
    bank_of_length = replace(bank, native_frames=np.full(len(bank), clip_len))
    batch = emulate_clips(video, ids, np.arange(2), bank=bank_of_length, config=config, seed=1)
    assert torch.equal((batch.video[:, :1] * 255).round().to(torch.uint8), video)
    assert batch.target.tolist() == [3, 5]
    assert torch.equal(batch.clip_id, torch.from_numpy(ids))
    assert batch.next_index == 2
    assert batch.mask is not None
    assert torch.equal(batch.mask, (video > 12)[:, 0])


@dataclass(frozen=True)
class Agreement:
    """How frames of both routes agree, each (F,): masks' intersection over union, brightness, centroids in pixels."""

    overlap: Any
    bright: Any
    apart: Any


def agreement(kind: str, clips: int = 40, points: int = 1_000_000) -> Agreement:
    """Of frames at 112 pixels from clips stored at 224, within what the stored clip holds.

    Masks are taken at 5 % of white after 2 x 2 pooling; those of a few pixels say little, since their outline is most
    of them.
    """
    bank = sample_bank(16, kind=kind, seed=11)
    classes = np.resize(np.flatnonzero(bank.native_frames == 19), clips)
    ids, index = np.stack([classes, np.arange(clips)], axis=1), np.arange(clips) + 100
    config = StreamConfig(clip_len=2, frame_stride=6, size=112, points=points, emulate=MOVING)
    renderer = CpuRenderer(bank, 0)
    video = stored(bank, ids, 19, 224, points)
    options: dict[str, Any] = {"bank": bank, "config": config, "seed": 3, "renderer": renderer}
    from_disk = emulate_clips(video, ids, index, **options).video[:, 0].numpy()
    held = emulate_clips(torch.full_like(video, 255), ids, index, **options).video[:, 0].numpy() > 0.999
    start = uniforms(3, Domain.SAMPLE, Field.WINDOW, index, 0, 1)[:, 0]
    drawn = draw_emulation(MOVING, bank, 3, index, class_id=classes, clip_len=2)
    drawn_anew = emulate_samples(
        renderer,
        drawn,
        class_id=classes,
        instance_id=ids[:, 1],
        times=window_times(bank.native_frames[classes], 2, 6, start),
        crop=camera_matrices(sample_camera(config, 3, index, drawn), 112),
        options=RenderOptions(size=112, points=points),
    ).video[:, 0]
    one, other = (pooled(frames * held) for frames in (drawn_anew.numpy() / 255, from_disk))
    large = (one > 0.05).sum(axis=(1, 2)) >= 60
    assert large.sum() >= clips
    one, other = one[large], other[large]
    both, either = (one > 0.05) & (other > 0.05), (one > 0.05) | (other > 0.05)
    return Agreement(
        overlap=both.sum(axis=(1, 2)) / either.sum(axis=(1, 2)),
        bright=other.sum(axis=(1, 2)) / one.sum(axis=(1, 2)),
        apart=np.hypot(*(centroids(one) - centroids(other)).T),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_both_routes_agree(kind: str) -> None:
    found = agreement(kind)
    assert found.overlap.min() >= 0.9
    assert np.abs(found.bright - 1).max() <= 0.07
    assert found.apart.max() <= 0.5
    assert np.median(found.overlap) >= 0.96
    assert abs(np.median(found.bright) - 1) < 0.02
    assert np.median(found.apart) < 0.15


def pooled(frames: np.ndarray) -> np.ndarray:
    b, t, h, w = frames.shape
    return np.asarray(frames.reshape(b * t, h // 2, 2, w // 2, 2).mean(axis=(2, 4)))


def centroids(frames: np.ndarray) -> np.ndarray:
    """In pixels of the frame before pooling."""
    place = 2 * np.arange(frames.shape[1]) + 1
    total = frames.sum(axis=(1, 2))
    return np.stack([frames.sum(axis=1) @ place / total, frames.sum(axis=2) @ place / total], axis=1)


def test_a_sample_does_not_depend_on_its_batch(bank: ClassBank) -> None:
    emulate = replace(PRESETS["full"], group=GroupConfig(p=0.5))
    config = replace(SMALL, camera=CameraConfig(), emulate=emulate)
    ids, index = np.array([[1, 0], [2, 5], [7, 3], [7, 4], [0, 9]]), np.array([40, 3, 1000, 5, 6])
    video = stored(bank, ids, 10, 40, 3000)
    whole = emulate_clips(video, ids, index, bank=bank, config=config, seed=1, threads=1)
    for row in range(5):
        one = slice(row, row + 1)
        alone = emulate_clips(video[one], ids[one], index[one], bank=bank, config=config, seed=1)
        assert torch.equal(alone.video, whole.video[one])
        assert alone.background_id is not None
        assert whole.background_id is not None
        assert torch.equal(alone.background_id, whole.background_id[one])


@pytest.mark.parametrize("frames", [1, 3])
def test_frames_repeat_where_clips_have_too_few(bank: ClassBank, frames: int) -> None:
    video = noise(1, 1, frames, 32, 32)
    batch = emulate_clips(
        video, np.array([[0, 0]]), np.array([0]), bank=bank, config=replace(SMALL, clip_len=9, frame_stride=3), seed=1
    )
    shown = (batch.video[0, 0] * 255).round().to(torch.uint8)
    assert shown.shape == (9, 32, 32)
    which = [next(k for k in range(frames) if torch.equal(frame, video[0, 0, k])) for frame in shown]
    assert which == np.rint(np.linspace(0, frames - 1, 9)).astype(int).tolist()


def test_sets_on_disk_have_their_own_classes_behind(tmp_path: Path) -> None:
    generate(
        ClassBank.sample(3, seed=2), tmp_path, SetConfig(clips=2, size=48, points=9000), workers=1, hours=None,
        progress=False,
    )  # fmt: skip
    clips, own = FractalSet(tmp_path, frames=16, channels=1, dtype=torch.uint8), load_bank(tmp_path / "classes.npz")
    ids = np.array([[row.class_id, row.instance_id] for row in clips.rows])
    video, target = next(iter(DataLoader(clips, batch_size=6)))
    config = replace(SMALL, emulate=PRESETS["paper"])
    batch = emulate_clips(video, ids, np.arange(6), bank=own, config=config, seed=0)
    assert batch.video.shape == (6, 3, 4, 32, 32)
    assert torch.equal(batch.target, target)
    assert batch.background_id is not None
    assert set(batch.background_id[..., 0].ravel().tolist()) <= {0, 1, 2}
    assert batch.mask is not None
    assert 0 < batch.mask.float().mean() < 0.6


def test_colour_stays(bank: ClassBank) -> None:
    ids, colour = np.array([[3, 0], [5, 1]]), ColourConfig()
    video = stored(bank, ids, 12, 64, 30000, colour=colour)
    config = replace(SMALL, colour=colour, emulate=MOVING)
    batch = emulate_clips(video, ids, np.arange(2), bank=bank, config=config, seed=0)
    assert batch.video.shape == (2, 3, 4, 32, 32)
    assert (batch.video[:, 0] - batch.video[:, 2]).abs().max() > 0.1


def test_averages_grow_as_clips_shrink() -> None:
    shrunk = np.tile(np.diag([0.25, 0.5, 1.0]), (1, 2, 1, 1))
    count, span = taps(shrunk, (100, 100), (100, 100), FRACTAL)
    assert count.tolist() == [[4, 2]]
    assert np.allclose(span, [2.25, 1.5])
    count, span = taps(shrunk, (100, 100), (100, 100), PAINTED)
    assert np.allclose(span, [0.75, 0.5])
    count, span = taps(np.tile(np.diag([2.0, 2.0, 1.0]), (1, 2, 1, 1)), (100, 100), (100, 100), FRACTAL)
    assert count.tolist() == [[1, 1]]
    assert not span.any()


def test_tones_are_inverted() -> None:
    greys = torch.arange(256, dtype=torch.uint8)
    for tone in (FRACTAL, PAINTED):
        assert torch.equal(tone.grey(tone.linear(greys)), greys)


@pytest.mark.parametrize(
    ("video", "ids", "said"),
    [
        (torch.zeros(1, 1, 3, 8, 8), [[0, 0]], "uint8"),
        (noise(1, 3, 8, 8), [[0, 0]], "uint8"),
        (noise(0, 1, 3, 8, 8), np.empty((0, 2)), "uint8"),
        (
            noise(1, 3, 3, 8, 8),
            [[0, 0]],
            "3 channels, and those of this config have 1: read a grey set with channels=1",
        ),
        (noise(2, 1, 3, 8, 8), [[0, 0]], "2 clips"),
        (noise(1, 1, 3, 8, 8), [[12, 0]], "0 to 11"),
    ],
)
def test_what_are_no_clips_is_refused(bank: ClassBank, video: torch.Tensor, ids: Any, said: str) -> None:
    clip_id = np.asarray(ids, np.int64)
    with pytest.raises(UserError, match=said):
        emulate_clips(video, clip_id, np.arange(len(clip_id)), bank=bank, config=SMALL, seed=0)


def test_truth_is_refused_since_nobody_knows_it_of_stored_clips(bank: ClassBank) -> None:
    config = replace(SMALL, truth=("motion",))
    with pytest.raises(UserError, match="motion: known of a stream's clips alone"):
        emulate_clips(noise(1, 1, 3, 8, 8), np.array([[0, 0]]), np.arange(1), bank=bank, config=config, seed=0)


def test_no_seed_is_taken_for_another(bank: ClassBank) -> None:
    with pytest.raises(UserError, match="seed must be in"):
        emulate_clips(noise(1, 1, 3, 8, 8), np.array([[0, 0]]), np.arange(1), bank=bank, config=SMALL, seed=2**64)
