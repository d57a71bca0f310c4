"""Videos that are read slowly and in small pieces; an address that fails now and then."""

import time
from pathlib import Path

import pytest

from fractalvid.sets.addresses.place import RemoteFolder
from fractalvid.video.source import SourceFile
from tests.faults.bench import Bench
from tests.faults.scenarios import FINETUNE, PREPARE, SETS, Scenario

BEHIND = next(scenario for scenario in SETS if "address" in scenario.name)


def _dawdle() -> None:
    read = SourceFile.read

    def slow(self: SourceFile, size: int) -> bytes:
        time.sleep(0.002)
        return read(self, min(size, 100))

    SourceFile.read = slow  # type: ignore[method-assign]


@pytest.mark.parametrize("scenario", [PREPARE, FINETUNE], ids=lambda scenario: scenario.name)
def test_slow_and_short_reads_change_nothing(bench: Bench, scenario: Scenario) -> None:
    folder = bench.folder(scenario)
    assert not bench.try_to_run(scenario, folder, _dawdle)
    bench.complete(scenario, folder)


def _fail_third_time() -> None:
    put, calls = RemoteFolder.put, list[int]()

    def unreliable(self: RemoteFolder, folder: Path, names: list[str]) -> None:
        calls.append(1)
        if len(calls) == 3:
            put(self, folder, names[:1])
            raise OSError("the connection was lost")
        put(self, folder, names)

    RemoteFolder.put = unreliable  # type: ignore[method-assign]


def test_an_address_that_fails_now_and_then(bench: Bench) -> None:
    folder = bench.folder(BEHIND)
    assert "connection was lost" in bench.try_to_run(BEHIND, folder, _fail_third_time)
    bench.complete(BEHIND, folder)
