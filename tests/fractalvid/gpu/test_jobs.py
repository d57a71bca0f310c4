"""What jobs are made of, by the device's code: the CPU's instances, maps, weights and projections."""

from typing import Any

import numpy as np
import pytest

from fractalvid.core.constants import MAX_FRAMES
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.instances import draw_instances, maps_at
from fractalvid.fractals.instances import weights_at as cpu_weights
from fractalvid.fractals.render import view_projection
from fractalvid.gpu import jobs as device_jobs
from fractalvid.gpu.bank import DeviceBank
from tests.kernels.cuda.host_device import HostDevice

CLIPS, TIMES = 40, 3
CLASS_ID = np.arange(CLIPS) % 7
RNG = np.random.default_rng(3)
WHEN = RNG.uniform(0, 17, (CLIPS, TIMES))


@pytest.fixture(scope="module", params=["decomposed", "naive"])
def banks(request: pytest.FixtureRequest) -> tuple[ClassBank, DeviceBank]:
    bank = ClassBank.sample(7, seed=2, config=ClassConfig(interpolation=request.param))
    return bank, DeviceBank(HostDevice(), bank)


def test_several_instances_a_clip_lie_one_after_the_other(banks: tuple[ClassBank, DeviceBank]) -> None:
    bank, own = banks
    attempts = np.repeat(np.arange(3), CLIPS)
    classes, ids = np.tile(CLASS_ID, 3), np.tile(np.arange(CLIPS), 3)
    cpu, at = draw_instances(bank, classes, ids, attempts), own.grid_times(WHEN)
    instances = own.draw_instances(classes, ids, attempts)
    maps, weights = own.instance_maps(own.class_maps(CLASS_ID, at), CLASS_ID, instances, at)
    wanted = maps_at(bank, cpu, np.tile(WHEN, (3, 1)))
    assert np.allclose(maps, wanted, atol=1e-6)
    assert np.allclose(weights, cpu_weights(bank, cpu, wanted), atol=1e-6)
    assert not np.allclose(maps[:CLIPS], maps[CLIPS : 2 * CLIPS], atol=0.01), "another attempt is another instance"


def test_linear_parts_are_damped_between_native_times(banks: tuple[ClassBank, DeviceBank]) -> None:
    bank, own = banks
    ids, when = np.arange(CLIPS), WHEN.copy()
    when[:7, -1] = [0, 17, 18, 18.5, 19, 0.25, 1]
    damping = RNG.uniform(0.3, 1, (CLIPS, MAX_FRAMES)).astype(np.float32)
    at, instances = own.grid_times(when), own.draw_instances(CLASS_ID, ids, ids * 0)
    class_maps = own.class_maps(CLASS_ID, at)
    plain, _ = own.instance_maps(class_maps, CLASS_ID, instances, at)
    maps, weights = own.instance_maps(class_maps, CLASS_ID, instances, at, damping)
    native = np.arange(MAX_FRAMES)
    by = np.stack([np.interp(row, native, values) for row, values in zip(when, damping, strict=True)])
    linear = np.array([1, 1, 0, 1, 1, 0], bool)
    assert np.allclose(maps, plain * np.where(linear, by[..., None, None], 1), atol=1e-6)
    assert np.allclose(weights, cpu_weights(bank, draw_instances(bank, CLASS_ID, ids), maps), atol=1e-6)


def test_a_map_without_area_keeps_its_least_weight() -> None:
    """And padding has none, even where all of a system is flat."""
    maps = np.zeros((2, 1, 8, 6), np.float32)
    maps[0, 0, 0, [0, 4]] = 0.5
    factor, offset = np.ones((2, 3, 6), np.float32), np.zeros((2, 8, 6), np.float32)
    moment = np.zeros((2, 1), np.int64)
    at = device_jobs.GridTimes(
        np.zeros((2, 1)), moment, moment + 1, np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32)
    )
    num_maps: Any = np.array([4])
    tables = np.zeros(2, np.int64), num_maps, factor, offset
    made, weights = device_jobs.instance_maps(HostDevice(), maps, *tables, at)
    assert np.array_equal(made, maps)
    assert np.allclose(weights[0, 0], [1 / 1.03, *[0.01 / 1.03] * 3, 0, 0, 0, 0])
    assert np.allclose(weights[1, 0], [0.25] * 4 + [0] * 4)


@pytest.mark.parametrize("rows", ["x", "y"])
@pytest.mark.parametrize("cameras", [1, TIMES])
def test_projections_are_the_cpus(rows: Any, cameras: int) -> None:
    low = RNG.uniform(-3, 0, (CLIPS, 2))
    box = np.concatenate([low, low + RNG.uniform(0.1, 5, (CLIPS, 2))], axis=1).astype(np.float32)
    white = RNG.uniform(0.5, 60, CLIPS).astype(np.float32)
    camera = (np.eye(3) + RNG.normal(0, 0.1, (CLIPS, cameras, 3, 3))).astype(np.float32)
    projection, exposure = device_jobs.project(HostDevice(), box, white, camera, TIMES, size=48, rows=rows)
    wanted = np.broadcast_to(camera @ view_projection(box, 48, rows)[:, None], projection.shape)
    assert np.allclose(projection, wanted, rtol=1e-5, atol=1e-4)
    area = np.prod(box[:, 2:] - box[:, :2], axis=1)
    assert np.allclose(exposure, np.stack([area, white], axis=1)[:, None].repeat(TIMES, axis=1), rtol=1e-6)
