"""The stream route: layers, blend, masks, and samples that depend on nothing but their index."""

import pickle
from dataclasses import fields, replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fractalvid.core.camera import CameraConfig
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.backgrounds import render_backgrounds
from fractalvid.emulate.blend import blend, blend_tables
from fractalvid.emulate.config import (
    BackgroundConfig,
    CurriculumConfig,
    DisplacementConfig,
    EmulationConfig,
    GroupConfig,
    PlacementConfig,
    ShakeConfig,
    TimingConfig,
    ZoomConfig,
)
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.layers import emulate_samples
from fractalvid.emulate.photometric.config import NoiseConfig, PhotometricConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.emulate.renderer import CpuRenderer, RenderOptions
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import KINDS, fit_clips, render_fits, sample_bank
from fractalvid.pretrain.engine.batches import Prefetcher
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.utils.errors import UserError

CONFIG = StreamConfig(clip_len=4, frame_stride=2, size=32, points=3000, masks=True)
WHOLE = CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)


def take(stream: Any, count: int) -> list[Batch]:
    return list(islice(stream, count))


def stream(bank: Any, emulate: EmulationConfig | str | None, **options: Any) -> FractalStream:
    chosen: dict[str, Any] = {"batch_size": 4, "config": CONFIG, "seed": 5} | options
    return FractalStream(bank, **chosen, emulate=emulate)


def flat(batches: list[Batch]) -> list[torch.Tensor]:
    names = ("video", "target", "clip_id", "mask", "background_id")
    return [torch.cat([getattr(batch, name) for batch in batches]) for name in names]


def same(a: list[Batch], b: list[Batch]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(flat(a), flat(b), strict=True))


@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_nothing_drawn_gives_the_plain_stream_bit_for_bit(bank: ClassBank, colour: ColourConfig | None) -> None:
    config = replace(CONFIG, colour=colour)
    plain, same_again = (take(stream(bank, emulate, config=config), 3) for emulate in (None, "none"))
    for one, other in zip(plain, same_again, strict=True):
        assert torch.equal(one.video, other.video)
        assert one.mask is not None
        assert other.mask is not None
        assert torch.equal(one.mask, other.mask)
        assert one.background_id is None
        assert other.background_id is not None
        assert (other.background_id == -1).all()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_samples_do_not_depend_on_batch_threads_workers_or_prefetching(bank: ClassBank) -> None:
    emulate = replace(PRESETS["full"], group=GroupConfig(p=0.5, copies=2))
    whole = take(stream(bank, emulate, batch_size=12, threads=1), 2)
    assert same(whole, take(stream(bank, emulate, batch_size=1, threads=3), 24))
    assert same(whole, take(DataLoader(stream(bank, emulate), batch_size=None, num_workers=2), 6))
    for depth in (1, 4):
        with Prefetcher(stream(bank, emulate, batch_size=3), depth) as batches:
            assert same(whole, take(batches, 8))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert same(whole, take(stream(bank, emulate, batch_size=12), 2))
    finally:
        torch.set_num_threads(threads)


def test_the_curriculum_counts_samples_not_batches(bank: ClassBank) -> None:
    emulate = replace(PRESETS["paper"], curriculum=CurriculumConfig(samples=24))
    whole = take(stream(bank, emulate, batch_size=8), 4)
    assert same(whole, take(stream(bank, emulate, batch_size=2), 16))
    plain = take(stream(bank, None, batch_size=8), 4)
    assert torch.equal(whole[0].video[0], plain[0].video[0])
    late = take(stream(bank, "paper", batch_size=8), 4)
    assert torch.equal(whole[3].video, late[3].video)
    assert not torch.equal(whole[0].video, late[0].video)
    again = stream(bank, emulate, batch_size=8)
    again.load_state_dict({"next_index": 16})
    assert same(whole[2:], take(again, 2))


def test_a_repeated_frame_is_the_same_picture(bank: ClassBank) -> None:
    """Also before a background that moves, with noise and light of its own, while everything moves."""
    noisy = PhotometricConfig.preset("full")
    effects = {f.name: replace(getattr(noisy, f.name), p=1.0) for f in fields(noisy)}
    moving = replace(
        PRESETS["full"],
        background=BackgroundConfig(p=1, dynamic=1),
        camera_motion=DisplacementConfig(p=1),
        shake=ShakeConfig(p=1),
        timing=TimingConfig(p=1, repeat=0.5, skip=0.2),
        photometric=PhotometricConfig(**effects),
    )
    chosen = stream(bank, moving, batch_size=16, config=replace(CONFIG, clip_len=6))
    batch, drawn = take(chosen, 1)[0], chosen.draw(np.arange(16)).emulation
    assert drawn is not None
    repeats = np.diff(drawn.clock, axis=1) == 0
    assert 0.3 < repeats.mean() < 0.7
    assert batch.mask is not None
    for row, frame in np.argwhere(np.ones_like(repeats)):
        one, other = batch.video[row, 0, frame], batch.video[row, 0, frame + 1]
        assert torch.equal(one, other) == repeats[row, frame]
        if repeats[row, frame]:
            assert torch.equal(batch.mask[row, frame], batch.mask[row, frame + 1])


def test_emulated_samples_have_the_emulations_crop_and_others_the_streams(bank: ClassBank) -> None:
    narrow, wide = CameraConfig(crop_scale=(0.2, 0.3), flip=0), CameraConfig(crop_scale=(0.9, 1.0), flip=1)
    emulate = EmulationConfig(crop=wide, curriculum=CurriculumConfig(share=0.5))
    config = replace(CONFIG, camera=narrow)
    samples = stream(bank, emulate, config=config).draw(np.arange(400))
    assert samples.emulation is not None
    emulated, area = samples.emulation.emulated, samples.camera.extent.prod(axis=1)
    assert 0.4 < emulated.mean() < 0.6
    assert area[emulated].min() > 0.8  # an aspect may not leave room for all of it
    assert area[~emulated].max() < 0.31
    assert np.array_equal(samples.camera.flip, emulated)
    own = stream(bank, replace(emulate, crop=None), config=config).draw(np.arange(400)).camera
    assert own.extent.prod(axis=1).max() < 0.31
    assert not own.flip.any()
    # Each has what a stream with that crop alone would draw.
    alone = stream(bank, None, config=replace(config, camera=wide)).draw(np.arange(400)).camera
    assert np.array_equal(alone.corner[emulated], samples.camera.corner[emulated])
    assert np.array_equal(own.corner[~emulated], samples.camera.corner[~emulated])


def test_masks_move_as_the_foreground_does(bank: ClassBank) -> None:
    """By whole pixels, before a background and under noise; against the plain clip's, moved by hand."""
    index, size, shift = np.arange(6), 48, np.array([7, -12])
    options: dict[str, Any] = {"class_id": index, "instance_id": index, "times": np.tile([2.0, 9.0], (6, 1))}
    effects = EmulationConfig(
        background=BackgroundConfig(p=1, maximum=0), photometric=PhotometricConfig(noise=NoiseConfig(p=1))
    )
    drawn = draw_emulation(effects, bank, 2, index, class_id=index, clip_len=2)
    moved = replace(drawn, figures=replace(drawn.figures, corner=drawn.figures.corner + shift / size))
    crop = np.tile(np.eye(3, dtype=np.float32), (6, 1, 1))
    renderer = CpuRenderer(bank, 0)
    options |= {"crop": crop, "options": RenderOptions(size=size, points=20000)}
    masks = [emulate_samples(renderer, d, **options).mask.numpy() for d in (drawn, moved)]
    plain = render_fits(bank, fit_clips(bank, index, index), options["times"], size=size, points=20000) > 0
    assert np.array_equal(masks[0], plain)
    assert 0.05 < plain.mean() < 0.8
    # Points that fall on the edge of a pixel may fall on the other side of it.
    where = np.s_[:, :, 1 : size - 13, 8 : size - 1]
    expected = np.roll(plain, (shift[1], shift[0]), axis=(2, 3))
    assert (masks[1][where] == expected[where]).mean() > 0.99
    assert (masks[0][where] == expected[where]).mean() < 0.9
    assert not masks[1][:, :, :, :6].any()


@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_masks_are_the_foreground_that_is_seen(bank: ClassBank, colour: ColourConfig | None) -> None:
    moving = replace(PRESETS["paper"], background=BackgroundConfig(), photometric=PRESETS["none"].photometric)
    batches = take(stream(bank, moving, config=replace(CONFIG, colour=colour)), 5)
    video, _, _, mask, background = flat(batches)
    assert (background == -1).all()
    behind = replace(moving, background=BackgroundConfig(p=1, maximum=0))
    blended, _, _, shown, background = flat(take(stream(bank, behind, config=replace(CONFIG, colour=colour)), 5))
    assert torch.equal(shown, mask)
    assert (background >= 0).all()
    assert ((blended > 0).any(dim=1) & ~shown).float().mean() > 0.1
    # Where there is a foreground, it is at most thinned by its weight.
    visible = blended.amax(dim=1)[shown] + 2 / 255 >= (0.45 * video.amax(dim=1)[shown] ** 0.75)
    assert visible.all()


def test_background_ids_name_what_is_behind(bank: ClassBank) -> None:
    batch = take(stream(bank, "paper", batch_size=16), 1)[0]
    assert batch.background_id is not None
    assert batch.background_id.dtype == torch.int64
    drawn = draw_emulation(
        PRESETS["paper"], bank, 5, np.arange(16), class_id=batch.target.numpy(), clip_len=CONFIG.clip_len
    )
    assert batch.background_id.shape == (16, 2, 2)
    assert np.array_equal(batch.background_id, drawn.background.clip_id)
    # Two stills, or one clip that moves.
    one, other = batch.background_id.unbind(1)
    assert np.array_equal((one == other).all(dim=1), drawn.background.dynamic)
    assert 0 < drawn.background.dynamic.mean() < 1
    # Some class of the bank, and as a rule another than the foreground's.
    assert (batch.background_id[..., 0] != batch.target[:, None]).float().mean() > 0.9
    half = EmulationConfig(background=BackgroundConfig(p=0.5))
    some = take(stream(bank, half, batch_size=16), 1)[0].background_id
    assert some is not None
    absent = (some == -1).all(dim=2).all(dim=1)
    assert 0.2 < absent.float().mean() < 0.8
    assert (some[~absent] >= 0).all()


def test_a_still_background_is_the_maximum_of_two_pictures(bank: ClassBank) -> None:
    config = EmulationConfig(background=BackgroundConfig(p=1, dynamic=0, crop=(1, 1)))
    drawn = draw_emulation(config, bank, 2, np.arange(4), class_id=np.arange(4), clip_len=4).background
    whole = replace(drawn, corner=np.zeros((4, 2)), extent=np.ones((4, 2)))
    pictures, _ = render_backgrounds(CpuRenderer(bank, 100), whole, RenderOptions(size=32, points=20000))
    for row in range(4):
        ids = whole.clip_id[row]
        pair = render_fits(
            bank, fit_clips(bank, ids[:, 0], ids[:, 1]), whole.still[row][:, None], size=32, points=20000
        )
        # Walkers begin at other points than here, so noise differs, and nothing else.
        assert np.abs(pair.max(axis=(0, 1)).astype(int) - pictures[row]).mean() < 4
    assert (pictures > 0).mean() > 0.1


def test_a_moving_background_shows_its_walk(bank: ClassBank) -> None:
    config = EmulationConfig(background=BackgroundConfig(p=1, dynamic=1))
    drawn = draw_emulation(config, bank, 2, np.arange(3), class_id=np.arange(3), clip_len=9).background
    _, pictures = render_backgrounds(CpuRenderer(bank, 0), drawn, RenderOptions(size=24, points=5000))
    assert pictures.shape == (3, 9, 24, 24)
    for row in range(3):
        for a in range(9):
            for b in range(a):
                equal = np.array_equal(pictures[row, a], pictures[row, b])
                assert equal == (drawn.walk[row, a] == drawn.walk[row, b])


def test_the_cache_of_backgrounds_changes_nothing(bank: ClassBank) -> None:
    caching, never = CpuRenderer(bank, 50), CpuRenderer(bank, 0)
    options = RenderOptions(size=24, points=3000)
    config = EmulationConfig(background=BackgroundConfig(p=1, dynamic=0))
    for index in (np.arange(6), np.arange(3, 9)):
        drawn = draw_emulation(config, bank, 2, index, class_id=index, clip_len=4).background
        one, other = (render_backgrounds(renderer, drawn, options)[0] for renderer in (caching, never))
        assert np.array_equal(one, other)
    assert 12 < len(caching) <= 18
    assert len(never) == 0
    assert len(pickle.loads(pickle.dumps(caching))) == 0


def test_the_blend_is_the_reference_methods(bank: ClassBank) -> None:
    config = EmulationConfig(background=BackgroundConfig(p=1, maximum=0.5))
    index = np.arange(12)
    drawn = draw_emulation(config, bank, 2, index, class_id=index, clip_len=2).background
    generator = np.random.default_rng(1)
    front, back = (torch.from_numpy(generator.integers(0, 256, (12, 1, 2, 8, 8)).astype(np.uint8)) for _ in range(2))
    out = blend(front, back.float(), drawn)
    f, b = front.numpy() / 255, back.numpy() / 255
    alpha, gamma = (v.reshape(-1, 1, 1, 1, 1) for v in (drawn.alpha, drawn.gamma))
    wanted = np.minimum((1 - alpha) * f**0.75 + alpha * b**0.75, 1) ** gamma
    assert drawn.maximum.any()
    assert not drawn.maximum.all()
    assert np.abs(out.numpy()[~drawn.maximum] - 255 * wanted[~drawn.maximum]).max() < 1.6
    assert torch.equal(out[drawn.maximum], torch.maximum(front, back)[drawn.maximum])
    tables = blend_tables(drawn)
    assert tables.shape == (12, 256, 256)
    assert (np.diff(tables.numpy().astype(int), axis=1) >= 0).all()
    assert (np.diff(tables.numpy().astype(int), axis=2) >= 0).all()


def test_copies_are_drawn_and_joined(bank: ClassBank) -> None:
    config = replace(CONFIG, camera=WHOLE, size=48, points=20000)
    group = GroupConfig(p=1, copies=2, scale=(0.25, 0.3))
    alone = EmulationConfig(placement=PlacementConfig(p=1, scale=(0.25, 0.3)))
    masks = [flat(take(stream(bank, e, config=config), 6))[3] for e in (alone, EmulationConfig(group=group))]
    area = [float(mask.float().mean()) for mask in masks]
    assert 1.5 * area[0] < area[1] < 3 * area[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_classes_can_be_emulated(kind: str) -> None:
    own = sample_bank(5, kind=kind, seed=1)
    batch = take(stream(own, "full"), 1)[0]
    assert batch.video.shape == (4, 3, 4, 32, 32)
    assert batch.video.std() > 0.05
    plain, again = (take(stream(own, emulate), 2) for emulate in (None, "none"))
    assert all(torch.equal(one.video, other.video) for one, other in zip(plain, again, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_figures_of_every_kind_stay_in_their_place(kind: str, colour: ColourConfig | None) -> None:
    """Also those that have no end; of the others, single points or corners stray out of their view."""
    config = replace(CONFIG, camera=WHOLE, size=50, points=20000, colour=colour)
    placed = EmulationConfig(placement=PlacementConfig(p=1, scale=(0.4, 0.4)))
    chosen = stream(sample_bank(5, kind=kind, seed=1), placed, config=config)
    batch, drawn = take(chosen, 1)[0], chosen.draw(np.arange(4)).emulation
    assert batch.mask is not None
    assert drawn is not None
    place = (np.arange(50) + 0.5) / 50
    low, high = drawn.figures.corner[:, 0] - 0.03, drawn.figures.corner[:, 0] + 0.43
    across, down = ((place > low[:, axis, None]) & (place < high[:, axis, None]) for axis in (0, 1))
    outside = ~(down[:, :, None] & across[:, None])
    mask = batch.mask.numpy()
    assert (mask & outside[:, None]).mean() < (1e-9 if KINDS[kind].endless else 0.02)
    assert 0.002 < mask.mean() < 0.2
    if KINDS[kind].endless:
        assert mask.mean() == pytest.approx(0.16, abs=0.015)


def test_smallest_cases(bank: ClassBank) -> None:
    one = ClassBank.sample(1, seed=4)
    batch = take(stream(one, "full", batch_size=1), 1)[0]
    assert batch.background_id is not None
    assert not batch.background_id[0, :, 0].any()
    assert (batch.background_id[0, :, 1] != batch.clip_id[0, 1]).all()
    single = take(stream(bank, "full", config=replace(CONFIG, clip_len=1)), 1)[0]
    assert single.video.shape == (4, 3, 1, 32, 32)
    long = take(stream(bank, "paper", config=replace(CONFIG, clip_len=40)), 1)[0]
    assert long.video.shape == (4, 3, 40, 32, 32)
    with pytest.raises(UserError, match="no preset"):
        stream(bank, "papr")


def test_validation_is_never_emulated(bank: ClassBank) -> None:
    plain, emulated = (
        list(FractalStream.validation(bank, num_clips=4, batch_size=4, config=replace(CONFIG, emulate=e)))
        for e in (None, PRESETS["full"])
    )
    assert torch.equal(plain[0].video, emulated[0].video)
    assert emulated[0].background_id is None


def test_zooming_in_makes_figures_larger(bank: ClassBank) -> None:
    zoom = EmulationConfig(placement=PlacementConfig(p=1, scale=(0.4, 0.4)), zoom=ZoomConfig(p=1, rate=(1, 1)))
    config = replace(CONFIG, camera=WHOLE, frame_stride=1, clip_len=2, points=20000)
    batch = take(stream(bank, zoom, config=config, batch_size=24), 1)[0]
    drawn = draw_emulation(zoom, bank, 5, np.arange(24), class_id=batch.target.numpy(), clip_len=2)
    assert batch.mask is not None
    area = batch.mask.float().mean(dim=(2, 3)).numpy()
    ratio = np.exp(np.log(area[:, 1] / area[:, 0]).mean(where=drawn.zoom > 0))
    assert ratio > 2
