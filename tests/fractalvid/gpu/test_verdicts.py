"""Decisions about clips, made by the device's code: those of the rule, spelled out, and at masked clips only."""

from typing import Any

import numpy as np

from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.look import faults
from fractalvid.gpu import verdicts
from fractalvid.kernels.cpu.points import OnGrid
from tests.kernels.cuda.host_device import HostDevice

CLIPS, TIMES = 300, 20
CLASS_ID = np.arange(CLIPS) % 5
SPECIAL = np.array([False, True, False, False, True])
"""Of the five classes."""


def numbers(low: float, high: float, seed: int) -> Any:
    return np.random.default_rng(seed).uniform(low, high, (CLIPS, TIMES)).astype(np.float32)


def test_who_is_admitted() -> None:
    rate, open_ = numbers(-1, 0.02, 0), np.arange(CLIPS) % 3 > 0
    rate[7, 3], rate[10, 3] = np.inf, np.nan
    got = verdicts.admit(HostDevice(), open_, CLASS_ID, rate, SPECIAL, 0.0)
    wanted = open_ & ((rate < 0).all(axis=1) | SPECIAL[CLASS_ID])
    assert np.array_equal(got, wanted)
    assert 20 < wanted.sum() < 180


def test_faults_and_white_are_the_cpus() -> None:
    config = ClassConfig(empty=0.2, full=0.6, broken=0.5, still=0.3)
    bias = np.random.default_rng(4).uniform(-0.35, 0.35, (CLIPS, 1)).astype(np.float32)
    dense = np.rint(numbers(1, 9, 1))
    grid = OnGrid(dense, np.clip(numbers(0, 0.8, 2) + bias, 0, 1), numbers(0, 0.62, 3))
    frames, where = np.array([18, 19, 20, 19, 2]), np.arange(CLIPS) % 7 > 0
    looks = verdicts.empty_look(HostDevice(), CLIPS)
    looks.white[:], looks.fault[:] = -1, -1
    limits: dict[str, Any] = {name: getattr(config, name) for name in ("empty", "full", "broken", "still")}
    verdicts.judge(HostDevice(), grid, CLASS_ID, frames, looks, where=where, **limits)
    own = frames[CLASS_ID]
    wanted = faults(config, grid, own)
    assert np.array_equal(looks.fault[where], wanted[where])
    assert np.bincount(wanted, minlength=4).min() > 10
    medians = [np.median(row[:count]) for row, count in zip(dense, own, strict=True)]
    assert np.array_equal(looks.white[where], np.array(medians, np.float32)[where])
    assert (looks.white[~where] == -1).all() and (looks.fault[~where] == -1).all()


def test_what_an_attempt_comes_to() -> None:
    inside = np.array([0.9, 0.5, 0.9, 0.9, 0.5])
    near, admitted = numbers(0.88, 1, 5), np.arange(CLIPS) % 4 > 0
    near[::2] = 1
    fault = (np.arange(CLIPS) % 3 % 2).astype(np.int8)
    taken, open_ = np.where(np.arange(CLIPS) % 5 < 2, 3, -1), np.ones(CLIPS, np.bool_)
    before = taken.copy()
    verdicts.settle(HostDevice(), admitted, CLASS_ID, near, inside, fault, 6, taken, open_)
    bounded = admitted & (near >= inside[CLASS_ID][:, None]).all(axis=1)
    whole = bounded & (fault == 0)
    assert np.array_equal(open_, ~whole)
    assert np.array_equal(taken, np.where(whole | (bounded & (before < 0)), 6, before))
    assert 20 < whole.sum() < bounded.sum() < admitted.sum()


def test_damping_is_where_it_strays() -> None:
    inside = np.array([0.9, 0.5, 0.9, 0.9, 0.5])
    rate, near, open_ = numbers(-1, 0.05, 6), numbers(0.895, 1, 7), np.arange(CLIPS) % 3 > 0
    rate[::2], near[::2] = -1, 1
    damping, maps = np.ones((CLIPS, TIMES), np.float32), np.ones((CLIPS, TIMES, 8, 6), np.float32)
    before = open_.copy()
    verdicts.damp(
        *(HostDevice(backwards=True), open_, CLASS_ID),
        rate=rate, silent=SPECIAL, most=0.0, near=near, inside=inside, stronger=0.85, damping=damping, maps=maps,
    )  # fmt: skip
    strays = ((rate >= 0) & ~SPECIAL[CLASS_ID][:, None]) | (near < inside[CLASS_ID][:, None])
    assert np.array_equal(open_, before & strays.any(axis=1))
    factor = np.where(strays & before[:, None], np.float32(0.85), np.float32(1))
    assert np.array_equal(damping, factor)
    linear = np.isin(np.arange(6), (0, 1, 3, 4))
    assert np.array_equal(maps, np.where(linear, factor[..., None, None], np.float32(1)) * np.ones((1, 1, 8, 1)))
    assert 20 < open_.sum() < before.sum()
