"""Only what is plainly broken is drawn again: dots, even fields, stills. All else stays as it was drawn."""

import dataclasses

import numpy as np
import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.look import Fault, faults
from fractalvid.kernels.cpu.points import OnGrid
from fractalvid.utils.errors import UserError


def grid(occupied: list[float], moved: list[float]) -> OnGrid:
    values = np.array([occupied], np.float32), np.array([moved], np.float32)
    return OnGrid(np.ones_like(values[0]), *values)


@pytest.mark.parametrize(
    ("occupied", "moved", "fault"),
    [
        ([0.1] * 10, [0.0] + [0.3] * 9, Fault.NONE),
        ([0.005] * 8 + [0.3] * 2, [0.3] * 10, Fault.EMPTY),
        ([0.005] * 7 + [0.3] * 3, [0.3] * 10, Fault.NONE),
        ([0.6] * 10, [0.3] * 10, Fault.FULL),
        ([0.2] * 10, [0.0] * 10, Fault.STILL),
        ([0.2] * 10, [0.0] * 9 + [0.2], Fault.NONE),
    ],
)
def test_faults(occupied: list[float], moved: list[float], fault: Fault) -> None:
    assert faults(ClassConfig(), grid(occupied, moved), np.array([10])) == [fault]


def test_padded_times_do_not_count() -> None:
    nearly = grid([0.005] * 5 + [0.3] * 5, [0.3] * 10)
    assert faults(ClassConfig(), nearly, np.array([5])) == [Fault.EMPTY]
    assert faults(ClassConfig(), nearly, np.array([10])) == [Fault.NONE]


def test_thresholds_are_config() -> None:
    lenient = ClassConfig(empty=0.0, full=1.0, still=0.0)
    for one in (grid([0.001] * 4, [0.0] * 4), grid([0.9] * 4, [0.3] * 4), grid([0.2] * 4, [0.0] * 4)):
        assert faults(lenient, one, np.array([4])) == [Fault.NONE]
        assert faults(ClassConfig(), one, np.array([4])) != [Fault.NONE]


@pytest.mark.parametrize("values", [{"empty": -0.1}, {"full": 1.5}, {"still": 2.0}, {"broken": 0.0}])
def test_impossible_thresholds_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(values))):
        ClassConfig(**values)  # type: ignore[arg-type]


def with_config(bank: ClassBank, **values: float) -> ClassBank:
    return dataclasses.replace(bank, config=dataclasses.replace(bank.config, **values))  # type: ignore[arg-type]


def test_only_broken_instances_change(bank: ClassBank) -> None:
    """A threshold that many fail shows the scheme: others are untouched, those take their next whole attempt."""
    classes, ids = np.arange(12).repeat(6), np.tile(np.arange(6), 12)
    off = fit_fractals(with_config(bank, empty=0.0, full=1.0, still=0.0), classes, ids)
    strict = fit_fractals(with_config(bank, empty=0.08), classes, ids)
    broken = strict.rejected[:, Fault.EMPTY] > 0
    assert 0.05 < broken.mean() < 0.6
    assert off.rejected[:, Fault.EMPTY].sum() == 0
    same = ~broken
    for name in ("damping", "box", "white", "orbit", "seed"):
        assert np.array_equal(getattr(off, name)[same], getattr(strict, name)[same]), name
    assert np.array_equal(off.instances.attempt[same], strict.instances.attempt[same])
    taken = broken & (strict.fault == Fault.NONE)
    assert taken.any()
    assert np.all(strict.instances.attempt[taken] > off.instances.attempt[taken])
    # Every attempt before the one that was taken was rejected, and counted once.
    assert np.array_equal(strict.rejected[taken].sum(axis=1), strict.instances.attempt[taken])


def test_redraws_do_not_depend_on_the_batch(bank: ClassBank) -> None:
    strict = with_config(bank, empty=0.08)
    classes, ids = np.arange(12).repeat(4), np.tile(np.arange(4), 12)
    together = fit_fractals(strict, classes, ids, threads=2)
    rows = np.flatnonzero(together.rejected[:, Fault.EMPTY] > 0)[:4]
    assert len(rows)
    for row in rows.tolist():
        alone = fit_fractals(strict, classes[row], ids[row], threads=1)
        for name in ("damping", "box", "white", "orbit", "seed", "rejected", "fault"):
            assert np.array_equal(getattr(together, name)[row], getattr(alone, name)[0]), name


def test_where_no_attempt_will_do_the_first_bounded_one_is_taken(bank: ClassBank) -> None:
    def fitted(empty: float) -> Fits:
        return fit_fractals(with_config(bank, empty=empty), np.arange(12), 0)

    none_will_do, off = fitted(1.0), fitted(0.0)
    assert np.all(none_will_do.fault == Fault.EMPTY)
    assert np.array_equal(none_will_do.instances.attempt, off.instances.attempt)
    for name in ("damping", "box", "white", "orbit"):
        assert np.array_equal(getattr(none_will_do, name), getattr(off, name)), name
    assert np.all(none_will_do.rejected.sum(axis=1) == bank.config.attempts + 1)


def test_motionless_clips_are_found() -> None:
    config = ClassConfig(instance_scale=0, instance_offset=0, attempts=0)
    moving = ClassBank.sample(6, seed=3, config=config)
    frozen = dataclasses.replace(moving, curve=np.zeros_like(moving.curve))
    assert np.all(fit_fractals(frozen, np.arange(6), 0).fault == Fault.STILL)
    assert np.all(fit_fractals(moving, np.arange(6), 0).fault == Fault.NONE)


def test_default_thresholds_reject_few() -> None:
    many = ClassBank.sample(300, seed=0)
    rejected = fit_fractals(many, np.arange(300), 0).rejected
    assert (rejected[:, [Fault.EMPTY, Fault.FULL, Fault.STILL]].sum(axis=1) > 0).mean() < 0.02
