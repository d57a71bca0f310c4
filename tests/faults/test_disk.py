"""Disks that are full, read-only or broken: one line says so, and once they are not, the same command completes."""

import errno
import os
import resource
from functools import partial
from random import Random

import pytest

from tests.faults.bench import Bench
from tests.faults.disk import At, Moment, watch
from tests.faults.mounts import nearly_full, read_only, small_disk
from tests.faults.scenarios import FINETUNE, PREPARE, PRETRAIN, SETS, Scenario

WRITERS = (SETS[0], SETS[1], PREPARE, PRETRAIN)


@pytest.mark.parametrize("scenario", WRITERS, ids=lambda scenario: scenario.name)
def test_full_and_read_only_disks(bench: Bench, scenario: Scenario) -> None:
    size, folder = bench.undisturbed(scenario).size, bench.root / f"disk {scenario.name}"
    with small_disk(folder):
        bench.fill(scenario, folder)
        with read_only(folder):
            assert "Read-only file system" in bench.try_to_run(scenario, folder)
        with nearly_full(folder, size // 2):
            assert bench.try_to_run(scenario, folder)
        bench.complete(scenario, folder)


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(("scenario", "size"), [(SETS[0], 1000), (PREPARE, 30_000), (FINETUNE, 2**22)])
def test_writes_that_are_cut_short(bench: Bench, scenario: Scenario, size: int) -> None:
    """The system writes a file up to a limit: the write across it is short, and the next one fails."""
    folder = bench.folder(scenario)
    assert "File too large" in bench.try_to_run(scenario, folder, partial(_limit, size))
    bench.complete(scenario, folder)


def _fail_at(number: int) -> None:
    def fail(moment: Moment) -> None:
        if moment.operation in ("fsync", "replace", "rename"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    watch(At(number, fail))


@pytest.mark.parametrize("scenario", SETS, ids=lambda scenario: scenario.name)
def test_a_disk_that_fails_once(bench: Bench, scenario: Scenario) -> None:
    number = Random(scenario.name).randrange(bench.undisturbed(scenario).operations)
    folder = bench.folder(scenario)
    bench.try_to_run(scenario, folder, partial(_fail_at, number))
    bench.complete(scenario, folder)
