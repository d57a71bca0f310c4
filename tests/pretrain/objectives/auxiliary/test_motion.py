"""Heads of motion: their losses against independent ones, that they learn, and that a run can have them all."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.engine.batches import to_device
from fractalvid.pretrain.models import ARCHITECTURES
from fractalvid.pretrain.objectives import ObjectiveConfig, build_objective
from fractalvid.pretrain.objectives.auxiliary.head import Head
from fractalvid.pretrain.objectives.auxiliary.losses import (
    SLOW,
    SOFTNESS,
    camera_regression,
    charbonnier,
    end_point_error,
    motion_regression,
    order_entropy,
)
from fractalvid.pretrain.objectives.auxiliary.maps import stage_shape
from fractalvid.pretrain.objectives.auxiliary.motion import CameraHead, FlowHead, MotionHead, OrderHead
from fractalvid.stream import Batch, FractalStream, StreamConfig
from fractalvid.truth import TRUTHS

HEADS: dict[str, Callable[[int, float], Head]] = {
    "motion": MotionHead,
    "camera": CameraHead,
    "flow": FlowHead,
    "order": OrderHead,
}
B, T, G = 3, 2, 4


@pytest.fixture(scope="module")
def clips(bank: ClassBank) -> Batch:
    config = StreamConfig(clip_len=4, size=32, points=2000, truth=TRUTHS)
    return FractalStream(bank, batch_size=6, config=config, seed=1, emulate="scene").at(np.arange(6))


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_losses_of_flow_are_means_over_what_is_known() -> None:
    flow, target = numbers(B, 2, T, G, G), numbers(B, 2, T, G, G, seed=1)
    known = numbers(B, T, G, G, seed=2) > 0
    known[2] = False
    losses, errors = [], []
    for b in range(B):
        cells = [(t, i, k) for t in range(T) for i in range(G) for k in range(G) if known[b, t, i, k]]
        far = [math.dist(flow[b, :, t, i, k].tolist(), target[b, :, t, i, k].tolist()) for t, i, k in cells]
        losses.append(sum(math.sqrt(e * e + SOFTNESS**2) - SOFTNESS for e in far) / max(len(far), 1))
        errors.append(sum(far) / max(len(far), 1))
    assert charbonnier(flow, target, known).item() == pytest.approx(sum(losses) / B, rel=1e-5)
    assert end_point_error(flow, target, known).item() == pytest.approx(sum(errors) / B, rel=1e-5)
    flow.requires_grad_()
    charbonnier(flow, flow.detach().clone(), known).backward()  # type: ignore[no-untyped-call]
    assert flow.grad is not None, "where there is no error, its root has a gradient all the same"
    assert flow.grad.abs().max() == 0


def test_motion_counts_directions_of_what_moves() -> None:
    motion, target = numbers(4, 3), numbers(4, 3, seed=1)
    target[1, :2] = torch.tensor([0.6 * SLOW, 0.6 * SLOW])
    moving = torch.tensor([True, True, False, True])
    each = []
    for p, t, there, directed in zip(motion.tolist(), target.tolist(), (1, 1, 0, 1), (1, 0, 0, 1), strict=True):
        smooth = [0.5 * (a - b) ** 2 if abs(a - b) < 1 else abs(a - b) - 0.5 for a, b in zip(p, t, strict=True)]
        cosine = (p[0] * t[0] + p[1] * t[1]) / math.hypot(p[0], p[1]) / math.hypot(t[0], t[1])
        each.append(there * sum(smooth) / 3 + directed * (1 - cosine))
    assert motion_regression(motion, target, moving).item() == pytest.approx(sum(each) / 4, rel=1e-5)
    assert camera_regression(motion, motion + 2).item() == pytest.approx(1.5)


def test_order_is_told_where_it_is_known() -> None:
    logits = numbers(2, 4, T, G, G)
    front = torch.from_numpy(np.random.default_rng(0).integers(-1, 4, (2, T, G, G)))
    each = []
    for b in range(2):
        told = [(t, i, k) for t in range(T) for i in range(G) for k in range(G) if front[b, t, i, k] >= 0]
        p = torch.softmax(logits[b].double(), 0)
        each.append(-sum(math.log(p[int(front[b, t, i, k]), t, i, k]) for t, i, k in told) / len(told))
    assert order_entropy(logits, front).item() == pytest.approx(sum(each) / 2, rel=1e-5)
    assert order_entropy(logits, torch.full_like(front, -1)).item() == 0


def test_shapes_that_do_not_fit_are_refused() -> None:
    flow, known = numbers(B, 2, T, G, G), torch.ones(B, T, G, G, dtype=torch.bool)
    with pytest.raises(ValueError, match="differ in shape"):
        charbonnier(flow, flow[:, :1], known)
    with pytest.raises(ValueError, match="does not fit values"):
        charbonnier(flow, flow, known[:, :1])
    with pytest.raises(ValueError, match="do not fit what is in front"):
        order_entropy(flow, known[:, :1].long())


@pytest.mark.parametrize("name", HEADS)
def test_a_head_learns_its_clips_by_heart(name: str, clips: Batch) -> None:
    """From maps that have nothing but a code of each clip, a place and a time a cell."""
    torch.manual_seed(0)
    maps = torch.randn(6, 16, 1, 4, 4)
    head = HEADS[name](16, 1.0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    first, _ = head.loss(maps, clips)
    for _ in range(80):
        optimizer.zero_grad()
        loss, parts = head.loss(maps, clips)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss < 0.9 * first
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    assert set(parts) > {f"{name}_loss"}


def test_a_head_needs_what_it_learns(clips: Batch) -> None:
    for found in (None, replace(clips.truth, motion=None)):  # type: ignore[type-var]  # it is there
        with pytest.raises(ValueError, match="know their motion"):
            MotionHead(8, 1.0).loss(torch.zeros(6, 8, 1, 2, 2), replace(clips, truth=found))


def test_frames_differ_even_where_maps_have_one_place_in_time() -> None:
    torch.manual_seed(0)
    flow = FlowHead(8, 1.0).decode(torch.randn(1, 8, 1, 2, 2), (7, 8, 8))
    assert flow.shape == (1, 2, 7, 8, 8)
    assert (flow[:, :, 0] - flow[:, :, 6]).abs().max() > 1e-3


@pytest.mark.parametrize("arch", ["r3d_10", "tsm_r50"])
def test_every_architecture_can_have_them(arch: str) -> None:
    row, shape = ARCHITECTURES[arch], stage_shape(arch)
    with torch.device("meta"):
        flow = FlowHead(shape[0], 1.0).decode(torch.empty(2, *shape), (row.clip_len - 1, 14, 14))
    assert flow.shape == (2, 2, row.clip_len - 1, 14, 14)


def test_an_objective_with_all_of_them_trains(bank: ClassBank, clips: Batch) -> None:
    on = {f"aux_{name}": 0.5 for name in HEADS}
    config = ObjectiveConfig(**on)  # type: ignore[arg-type]  # weights
    assert config.truth == TRUTHS and ObjectiveConfig().truth == ()
    objective = build_objective(config, "r3d_10", bank, seed=0)
    plain = build_objective(ObjectiveConfig(), "r3d_10", bank, seed=0)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, objective.state_dict()[f"main.{name}"]), "the network begins as it did"
    done = objective.train()(clips)
    done.loss.backward()
    total = done.parts["main_loss"] + sum(0.5 * done.parts[f"{name}_loss"] for name in HEADS)
    torch.testing.assert_close(done.loss.detach(), total)
    assert all(p.grad is not None for p in objective.parameters())


def test_what_is_known_goes_where_the_batch_goes(clips: Batch) -> None:
    moved = to_device(clips, torch.device("meta"))
    assert moved.truth.flow.device == moved.video.device == torch.device("meta")
