"""Scenes that fill the frame: what is drawn, what it looks like, and that it depends on the sample alone."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import BackgroundConfig, CurriculumConfig, EmulationConfig
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.geometry import homographies, sample_times
from fractalvid.emulate.presets import PRESETS
from fractalvid.emulate.scene.config import SceneConfig
from fractalvid.emulate.scene.path import parallax
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import KINDS, sample_bank
from fractalvid.stream import Batch, FractalStream, StreamConfig, emulate_clips
from fractalvid.stream.device import device_renderer
from fractalvid.utils.errors import UserError

SCENE = PRESETS["scene"]
ALWAYS = EmulationConfig(scene=SceneConfig(p=1.0))
CONFIG = StreamConfig(clip_len=4, frame_stride=2, size=32, points=3000, masks=True)


def stream(bank: Any, emulate: EmulationConfig | str, **options: Any) -> FractalStream:
    chosen: dict[str, Any] = {"batch_size": 4, "config": CONFIG, "seed": 5} | options
    return FractalStream(bank, **chosen, emulate=emulate)


def videos(batches: list[Batch]) -> torch.Tensor:
    return torch.cat([batch.video for batch in batches])


@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_samples_depend_neither_on_batch_nor_threads(bank: ClassBank, colour: ColourConfig | None) -> None:
    config = replace(CONFIG, colour=colour)
    whole = list(islice(stream(bank, SCENE, batch_size=12, threads=1, config=config), 1))
    single = list(islice(stream(bank, SCENE, batch_size=1, threads=3, config=config), 12))
    assert torch.equal(videos(whole), videos(single))
    assert whole[0].background_id is not None
    assert 0 < (whole[0].background_id == -1).all(dim=2).all(dim=1).sum() < 12


def test_some_samples_have_scenes_and_others_backgrounds(bank: ClassBank) -> None:
    mixed = replace(SCENE, scene=replace(SCENE.scene, p=0.5), background=BackgroundConfig(p=1.0))
    drawn = draw_emulation(mixed, bank, 3, np.arange(200), class_id=np.zeros(200, np.int64), clip_len=4)
    assert drawn.scene is not None
    assert 70 < drawn.scene.present.sum() < 130
    plain = draw_emulation(
        replace(mixed, scene=SceneConfig()), bank, 3, np.arange(200), class_id=np.zeros(200, np.int64), clip_len=4
    )
    assert plain.scene is None
    assert np.array_equal(plain.background.clip_id, drawn.background.clip_id)


def test_frames_are_full_and_as_bright_as_films(bank: ClassBank) -> None:
    video = videos(list(islice(stream(bank, "scene", batch_size=48), 1)))
    assert (video < 0.05).float().mean() < 0.1
    assert 0.35 < video.mean() < 0.5
    plain = videos(list(islice(stream(bank, "none", batch_size=48), 1)))
    assert (plain < 0.05).float().mean() > 0.5


def test_the_curriculum_decides_who_has_a_scene(bank: ClassBank) -> None:
    easy = replace(ALWAYS, curriculum=CurriculumConfig(samples=1000))
    drawn = draw_emulation(easy, bank, 3, np.arange(1000), class_id=np.zeros(1000, np.int64), clip_len=4)
    assert drawn.scene is not None
    assert np.array_equal(drawn.scene.present, drawn.emulated)
    assert not drawn.scene.travel[~drawn.emulated].any()
    assert (drawn.scene.pace[~drawn.emulated] == 1).all()


def test_near_layers_move_farther_than_far_ones(bank: ClassBank) -> None:
    drawn = draw_emulation(ALWAYS, bank, 3, np.arange(50), class_id=np.zeros(50, np.int64), clip_len=4)
    scene = drawn.scene
    assert scene is not None
    assert (scene.depth[:, 0] >= scene.depth[:, 1]).all()
    assert (scene.depth[:, 1] >= scene.depth[:, 2]).all()
    assert (scene.depth >= 1).all()
    sideways = replace(scene, pan=0 * scene.pan, travel=scene.travel * (1, 1, 0))
    moved = parallax(sideways, np.tile([1.0, 4.0], (50, 1)))[..., :2, 2]
    assert np.allclose(moved[:, 0], 4 * moved[:, 1])
    assert np.allclose(moved[:, 0], -scene.travel[..., :2])
    ahead = parallax(replace(scene, pan=0 * scene.pan, travel=np.full((50, 4, 3), (0, 0, 0.2))), np.ones((50, 1)))
    assert np.allclose(ahead[:, 0, :, 0, 0], 1 / 0.8)
    # The figure is on the same path.
    still = replace(drawn, scene=None)
    figure, without = homographies(drawn).figures[:, 0], homographies(still).figures[:, 0]
    assert np.allclose(figure, parallax(scene, np.ones((50, 1)))[:, 0] @ without)


def test_the_path_is_smooth(bank: ClassBank) -> None:
    drawn = draw_emulation(ALWAYS, bank, 3, np.arange(50), class_id=np.zeros(50, np.int64), clip_len=64)
    assert drawn.scene is not None
    path = np.concatenate([drawn.scene.travel, drawn.scene.pan], axis=2)
    reach = np.ptp(path, axis=1)
    assert np.abs(np.diff(path, n=2, axis=1)).max(axis=1)[reach > 0.01].max() < 0.03
    assert (np.abs(path[..., 3:]) <= ALWAYS.scene.pan[1]).all()


def test_figures_move_at_a_pace_within_their_time(bank: ClassBank) -> None:
    half = EmulationConfig(scene=SceneConfig(p=1.0, pace=(0.5, 0.5)))
    drawn = draw_emulation(half, bank, 3, np.arange(50), class_id=np.zeros(50, np.int64), clip_len=4)
    times = np.tile(np.arange(0.0, 8, 2), (50, 1)) + 3
    shown = sample_times(drawn, times, np.full(50, 18))[:, 0]
    assert np.allclose(np.diff(shown, axis=1), 1)
    assert np.array_equal(shown, shown.round())  # every frame is one that a stored clip has
    assert set(shown[:, 0]) == {3, 4, 5}
    same = sample_times(replace(drawn, scene=None), times, np.full(50, 18))[:, 0]
    assert np.array_equal(same, times)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_scenes(kind: Any) -> None:
    video = stream(sample_bank(6, kind=kind, seed=1), "scene").at(np.arange(4)).video
    assert (video < 0.05).float().mean() < 0.2


def test_stored_clips_have_the_same_scenes(bank: ClassBank) -> None:
    """All but the figure, which is warped there, is the same to the bit where no figure is near."""
    config = replace(CONFIG, emulate=replace(ALWAYS, scene=replace(ALWAYS.scene, shadow=(0.0, 0.0))))
    index, clip_id = np.arange(3), np.array([[c, 0] for c in range(3)])
    empty = torch.zeros((3, 1, 18, 40, 40), dtype=torch.uint8)
    stored = emulate_clips(empty, clip_id, index, bank=bank, config=config, seed=5)
    assert (stored.video > 0.02).float().mean() > 0.95
    again = emulate_clips(empty[1:], clip_id[1:], index[1:], bank=bank, config=config, seed=5)
    assert torch.equal(stored.video[1:], again.video)


def test_scenes_stay_on_the_cpu_and_one_line_says_so(bank: ClassBank) -> None:
    config = StreamConfig(emulate=SCENE)
    with pytest.warns(RuntimeWarning, match="scenes are rendered on the CPU, and copied to cuda:0"):
        assert device_renderer(bank, config, torch.device("cuda", 0)) is None


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"p": 2.0}, "scene.p"),
        ({"veils": 3}, "scene.veils"),
        ({"shapes": (5, 100)}, "scene.shapes"),
        ({"depth": (0.5, 2.0)}, "scene.depth"),
        ({"approach": (0.1, 1.0)}, "scene.approach"),
        ({"pan": (0.0, 0.1)}, "scene.pan"),
        ({"reach": (0.0, 0.1)}, "scene.reach"),
        ({"soft": (0.5, 0.2)}, "scene.soft"),
    ],
)
def test_what_no_scene_could_have_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        SceneConfig(**values)
