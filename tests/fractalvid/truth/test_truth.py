"""What is known of clips: against closed forms, against the pictures, and under flips, reversals and repetitions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fractalvid.core.camera import Camera, CameraConfig
from fractalvid.emulate.config import (
    BackgroundConfig,
    DisplacementConfig,
    EmulationConfig,
    PerspectiveConfig,
    RollConfig,
    TimingConfig,
    ZoomConfig,
)
from fractalvid.emulate.geometry import perspectives
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.mix import PAPER_VARIATIONS
from fractalvid.kinds import fit_clips, sample_bank
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.stream.device import device_renderer
from fractalvid.stream.render import render_samples
from fractalvid.truth import FIGURE, TRUTHS, UNKNOWN, Truth, find_truth, plain_layout
from fractalvid.truth.points import follow_points
from fractalvid.utils.errors import UserError

WHOLE = CameraConfig((1.0, 1.0), (1.0, 1.0), 0.0)
PLAIN = StreamConfig(clip_len=4, size=64, points=3000, truth=TRUTHS)
BEHIND = EmulationConfig(background=BackgroundConfig(p=1, dynamic=0))


def batch(bank: ClassBank, config: StreamConfig = PLAIN, count: int = 8, **options: Any) -> Batch:
    return FractalStream(bank, batch_size=count, config=config, seed=5, **options).at(np.arange(count))


def truth(bank: ClassBank, config: StreamConfig = PLAIN, count: int = 8) -> Truth:
    found = batch(bank, config, count).truth
    assert found is not None
    return found


def of_layout(bank: ClassBank, figures: np.ndarray, *, at: float = 7.0) -> Truth:
    """Two clips whose figures rest, seen under matrices (T, 3, 3)."""
    frames = len(figures)
    fit = fit_clips(bank, [0, 1], [0, 0])
    crop = Camera(np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32), np.zeros(2, np.bool_))
    layout = plain_layout(fit, np.full((2, frames), at), crop)
    return find_truth(bank, replace(layout, figures=np.stack([figures] * 2)), TRUTHS, 64)


def places(grid: int) -> np.ndarray:
    """Middles of cells along x, (G, G)."""
    return np.tile((np.arange(grid) + 0.5) / grid, (grid, 1))


def test_figures_that_are_moved_flow_so(bank: ClassBank) -> None:
    matrices = np.stack([np.eye(3)] * 4)
    matrices[:, 0, 2], matrices[:, 1, 2] = 0.03 * np.arange(4), -0.02 * np.arange(4)
    found = of_layout(bank, matrices)
    figure = found.front[:, :-1] == FIGURE
    assert figure.sum() > 50 and found.flow_known[figure].all()
    np.testing.assert_allclose(found.flow[:, 0][figure], 0.03, atol=1e-5)
    np.testing.assert_allclose(found.flow[:, 1][figure], -0.02, atol=1e-5)
    np.testing.assert_allclose(found.motion, [[0.03, -0.02, np.hypot(0.03, 0.02)]] * 2, atol=1e-5)


def test_figures_that_grow_flow_outwards(bank: ClassBank) -> None:
    matrices = np.stack([np.eye(3)] * 2)
    matrices[1] = np.array([[1.2, 0, -0.1], [0, 1.2, -0.1], [0, 0, 1]])
    found = of_layout(bank, matrices)
    figure = found.front[:, 0] == FIGURE
    # Points of a cell have their mean somewhere in it.
    for axis, middle in enumerate((places(8), places(8).T)):
        error = (found.flow[:, axis, 0] - 0.2 * (middle - 0.5))[figure]
        assert np.abs(error).max() <= 0.2 / 16 + 1e-5


def test_points_are_the_same_points_in_all_frames(bank: ClassBank) -> None:
    fit = fit_fractals(bank, np.arange(6), np.zeros(6, np.int64))
    times = np.array([[7.0, 7.0, 7.01, 7.02]] * 6)
    points, followed = follow_points(bank, fit, times)
    assert followed.mean() > 0.95
    assert np.array_equal(points[:, 0], points[:, 1])
    span = (fit.box[:, 2:] - fit.box[:, :2]).max(axis=1)[:, None]
    first, second = (np.linalg.norm(points[:, k + 1] - points[:, k], axis=-1) / span for k in (1, 2))
    assert 0 < np.quantile(first, 0.99) < 0.02, "other choices of maps would lie anywhere"
    assert np.median(np.abs(first - second)) < 0.1 * np.median(first), "and they move evenly"


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_backgrounds_flow_as_the_camera_moves(bank: ClassBank, flip: float) -> None:
    moved = replace(BEHIND, camera_motion=DisplacementConfig(p=1, speed=(0.1, 0.1), duration=(1, 1)))
    config = replace(PLAIN, camera=replace(WHOLE, flip=flip), emulate=moved)
    stream = FractalStream(bank, batch_size=8, config=config, seed=5)
    drawn, found = stream.draw(np.arange(8)).emulation, truth(bank, config)
    assert drawn is not None
    step = drawn.camera_motion.velocity / 3 * (1 - 2 * flip, 1)
    behind = (found.front == 0)[:, :-1] & found.flow_known
    assert behind.float().mean() > 0.3
    for axis in (0, 1):
        expected = np.broadcast_to(step[:, axis, None, None, None], behind.shape)[behind]
        np.testing.assert_allclose(found.flow[:, axis][behind], expected, atol=1e-6)
    np.testing.assert_allclose(found.camera[:, :2], step, atol=1e-6)
    np.testing.assert_allclose(found.camera[:, 2:], 0, atol=1e-6)


def test_zoom_and_roll_are_those_that_were_drawn(bank: ClassBank) -> None:
    turned = replace(BEHIND, zoom=ZoomConfig(p=1), roll=RollConfig(p=1))
    for flip in (0.0, 1.0):
        config = replace(PLAIN, camera=replace(WHOLE, flip=flip), emulate=turned)
        drawn = FractalStream(bank, batch_size=8, config=config, seed=5).draw(np.arange(8)).emulation
        assert drawn is not None
        found = truth(bank, config)
        np.testing.assert_allclose(found.camera[:, 2], drawn.zoom / 3, atol=1e-6)
        np.testing.assert_allclose(found.camera[:, 3], drawn.turn / 3 * (1 - 2 * flip), atol=1e-6)
    only = replace(config, camera=WHOLE, emulate=replace(BEHIND, zoom=ZoomConfig(p=1)))
    found = truth(bank, only)
    scale = found.camera[:, 2, None, None, None].exp() - 1
    behind = (found.front[:, :-1] == 0) & found.flow_known
    expected = (scale * torch.from_numpy(places(8) - 0.5)).expand(behind.shape)
    np.testing.assert_allclose(found.flow[:, 0][behind], expected[behind], atol=1e-6)


def test_perspective_is_the_slope_of_depth(bank: ClassBank) -> None:
    config = replace(PLAIN, camera=WHOLE, emulate=EmulationConfig(perspective=PerspectiveConfig(p=1)))
    drawn = FractalStream(bank, batch_size=8, config=config, seed=5).draw(np.arange(8)).emulation
    assert drawn is not None
    places, nudge = np.array([0.5, 0.5, 1.0]), 1e-5
    depth = [1 / (np.linalg.inv(perspectives(drawn))[:, 2] @ (places + np.array(d))) for d in np.eye(3)[:2] * nudge]
    middle = 1 / (np.linalg.inv(perspectives(drawn))[:, 2] @ places)
    slope = np.stack([(one / middle - 1) / nudge for one in depth], axis=1)
    np.testing.assert_allclose(truth(bank, config).camera[:, 4:], slope, rtol=1e-3, atol=1e-4)
    assert np.abs(slope).max() > 0.2


def photometric_error(found: Batch, sign: float) -> float:
    """How far the next frame, looked up along the flow, is from this one, where the flow is known."""
    known = found.truth
    assert known is not None
    video, (size, grid) = functional.avg_pool2d(found.video[:, 0], 3, 1, 1), (64, known.front.shape[-1])
    flow = known.flow.transpose(1, 2).reshape(-1, 2, grid, grid) * sign
    flow = functional.interpolate(flow, size=(size, size))
    where = functional.interpolate(known.flow_known.reshape(-1, 1, grid, grid).float(), size=(size, size))[:, 0] > 0
    middle = (torch.arange(size) + 0.5) / size
    x, y = middle + flow[:, 0], middle[:, None] + flow[:, 1]
    where &= (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
    following, now = video[:, 1:].reshape(-1, 1, size, size), video[:, :-1].reshape(-1, size, size)
    seen = functional.grid_sample(following, 2 * torch.stack([x, y], -1) - 1, align_corners=False)[:, 0]
    return float(((seen - now).abs() * where).sum() / where.sum())


@pytest.mark.parametrize(("emulate", "most"), [(None, 0.9), ("paper", 0.7), ("scene", 0.75)])
def test_flow_takes_a_frame_to_the_next(bank: ClassBank, emulate: str | None, most: float) -> None:
    found = batch(bank, replace(PLAIN, emulate=None if emulate is None else PRESETS[emulate], frame_stride=1), 24)
    still = photometric_error(found, 0.0)
    assert photometric_error(found, 1.0) < most * still
    assert photometric_error(found, -1.0) > 1.1 * still


@pytest.mark.parametrize("name", PAPER_VARIATIONS)
def test_flow_of_every_variation_is_better_than_none(name: str) -> None:
    """Maps that do not contract have points of which nothing is known; two of these had twice the error of no flow."""
    config = ClassConfig(variations=(name,), linear_share=0.0)
    found = batch(ClassBank.sample(8, seed=1, config=config), replace(PLAIN, frame_stride=1), 16)
    assert found.truth is not None
    if found.truth.flow_known.float().mean() > 0.01:
        assert photometric_error(found, 1.0) < photometric_error(found, 0.0)


def test_points_that_maps_alone_do_not_place_are_told() -> None:
    known = {}
    for linear_share in (1.0, 0.0):
        config = ClassConfig(variations=("horseshoe",), linear_share=linear_share)
        bank = ClassBank.sample(8, seed=1, config=config)
        fit = fit_fractals(bank, np.arange(8), np.zeros(8, np.int64))
        known[linear_share] = follow_points(bank, fit, np.full((8, 2), 7.0))[1].mean()
    assert known[1.0] > 0.9 and known[0.0] < 0.8


def test_a_flip_flips_all_of_it(bank: ClassBank) -> None:
    scene = replace(PRESETS["scene"], crop=WHOLE)
    one, other = (
        truth(bank, replace(PLAIN, emulate=replace(scene, crop=replace(WHOLE, flip=flip)))) for flip in (0.0, 1.0)
    )
    same = (one.front == other.front.flip(-1)).float().mean()
    assert same > 0.98, "points on the edges of cells may round either way"
    both = one.flow_known & other.flow_known.flip(-1)
    mirrored = other.flow.flip(-1) * torch.tensor([-1.0, 1])[:, None, None, None]
    error = (one.flow - mirrored).abs().amax(1)[both]
    assert error.quantile(0.95) < 1e-5
    signs = torch.tensor([-1.0, 1, 1, -1, -1, 1])
    torch.testing.assert_close(one.camera, other.camera * signs, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(one.motion[:, 1:], other.motion[:, 1:], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(one.motion[:, 0], -other.motion[:, 0], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("emulate", [None, "scene"])
def test_clips_that_run_backwards_are_known_backwards(bank: ClassBank, emulate: str | None) -> None:
    config = replace(PLAIN, emulate=None if emulate is None else PRESETS[emulate])
    samples = FractalStream(bank, batch_size=8, config=config, seed=5).draw(np.arange(8))
    turned = replace(samples, backwards=np.arange(8) % 2 == 0)
    one, other = (render_samples(bank, some, config, next_index=8) for some in (samples, turned))
    assert one.truth is not None and other.truth is not None
    assert torch.equal(other.video[::2], one.video[::2].flip(2)) and torch.equal(other.video[1::2], one.video[1::2])
    assert torch.equal(other.truth.front[::2], one.truth.front[::2].flip(1))
    assert torch.equal(other.truth.flow[1::2], one.truth.flow[1::2])
    torch.testing.assert_close(other.truth.motion[::2, :2], -one.truth.motion[::2, :2], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(other.truth.camera[::2, 2:4], -one.truth.camera[::2, 2:4], atol=1e-6, rtol=1e-4)


def test_frames_that_are_shown_again_do_not_move(bank: ClassBank) -> None:
    dropping = replace(PRESETS["full"], timing=TimingConfig(p=1, repeat=0.5, skip=0.2), background=BEHIND.background)
    config = replace(PLAIN, emulate=dropping)
    clock = FractalStream(bank, batch_size=8, config=config, seed=5).draw(np.arange(8)).emulation.clock  # type: ignore[union-attr]
    found = batch(bank, config)
    again = torch.from_numpy(np.diff(clock, axis=1) == 0)
    assert again.any() and not again.all() and found.truth is not None
    assert torch.equal(found.video[:, :, 1:].movedim(1, 2)[again], found.video[:, :, :-1].movedim(1, 2)[again])
    flow = found.truth.flow.movedim(1, 2)
    assert flow[again].abs().max() < 1e-6 < 1e-3 < flow[~again].abs().max()


@pytest.mark.parametrize("emulate", [None, "paper", "scene"])
def test_it_changes_no_clip_and_depends_on_the_sample_alone(bank: ClassBank, emulate: str | None) -> None:
    config = replace(PLAIN, emulate=None if emulate is None else PRESETS[emulate])
    whole, single = batch(bank, config, 5), FractalStream(bank, batch_size=1, config=config, seed=5, threads=1)
    assert torch.equal(whole.video, batch(bank, replace(config, truth=()), 5).video)
    assert batch(bank, replace(config, truth=()), 5).truth is None
    for name in vars(whole.truth):
        alone = torch.cat([getattr(single.at(np.array([i])).truth, name) for i in range(5)])
        assert torch.equal(getattr(whole.truth, name), alone), name
    moved = whole.to("cpu").truth
    assert moved is not None and torch.equal(moved.flow, whole.truth.flow)  # type: ignore[union-attr]


def test_figures_are_where_the_mask_is(bank: ClassBank) -> None:
    found = batch(bank, replace(PLAIN, emulate=PRESETS["scene"], masks=True), 24)
    assert found.mask is not None and found.truth is not None
    share: Tensor = functional.avg_pool2d(found.mask.float(), 8)
    front = found.truth.front
    assert share[front == FIGURE].mean() > 0.5 > 0.1 > share[(front >= 0) & (front < FIGURE)].mean()
    assert {-1, 0, 1, 2, 3} == set(front.unique().tolist()) and UNKNOWN == -1
    assert (front == UNKNOWN).float().mean() < 0.3


def test_what_is_not_asked_for_is_not_there(bank: ClassBank) -> None:
    found = truth(bank, replace(PLAIN, truth=("camera",)))
    assert found.camera.shape == (8, 6) and found.motion is found.flow is found.front is None
    two = batch(bank, views=2)
    assert two.truth is not None and two.video2 is not None
    assert torch.equal(two.truth.flow, truth(bank).flow)


def test_what_is_not_known_is_refused(bank: ClassBank) -> None:
    shapes = sample_bank(3, kind="shapes", seed=0)
    with pytest.raises(UserError, match="flow: known of fractals alone, and these classes are shapes"):
        FractalStream(shapes, batch_size=2, config=replace(PLAIN, truth=("flow", "camera")), seed=0)
    FractalStream(shapes, batch_size=2, config=replace(PLAIN, truth=("camera",)), seed=0).at(np.arange(2))
    with pytest.raises(UserError, match="camera: known from two frames on, and clips have 1"):
        FractalStream(bank, batch_size=2, config=replace(PLAIN, clip_len=1, truth=("camera",)), seed=0)
    with pytest.raises(UserError, match="flow: known of fractals alone"):
        FractalStream.validation(shapes, num_clips=2, batch_size=2, config=replace(PLAIN, truth=("flow",)))
    with pytest.raises(UserError, match="truth"):
        replace(PLAIN, truth=("depth",))  # type: ignore[arg-type]  # none of them
    with pytest.warns(RuntimeWarning, match="flow are found on the CPU"):
        assert device_renderer(bank, replace(PLAIN, truth=("flow",)), torch.device("cuda")) is None


def test_crops_are_part_of_it(bank: ClassBank) -> None:
    """A crop of half the width doubles the flow along x."""
    moved = replace(BEHIND, camera_motion=DisplacementConfig(p=1, speed=(0.1, 0.1), duration=(1, 1)))
    found = truth(bank, replace(PLAIN, camera=WHOLE, emulate=moved))
    half = truth(bank, replace(PLAIN, camera=CameraConfig((0.25, 0.25), (1.0, 1.0), 0.0), emulate=moved))
    torch.testing.assert_close(half.camera[:, :2], 2 * found.camera[:, :2], atol=1e-6, rtol=1e-4)
