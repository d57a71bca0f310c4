"""Power is lost at moments of a run: on every disk that this leaves, the same command ends as if it had not been."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.bench import Bench
from tests.faults.disk import Moment
from tests.faults.power import Disk
from tests.faults.scenarios import SCENARIOS, Scenario

MOMENTS = 1
FOLLOWED = [scenario for scenario in SCENARIOS if scenario.power]


@pytest.mark.parametrize("scenario", FOLLOWED, ids=lambda scenario: scenario.name)
def test_a_loss_of_power_takes_nothing_that_counts(bench: Bench, scenario: Scenario) -> None:
    bench.lose_power(scenario, MOMENTS, Random(scenario.name))


def test_the_model_keeps_what_was_synced_and_nothing_else(tmp_path: Path) -> None:
    root, images = tmp_path / "root", tmp_path / "images"
    root.mkdir()
    (root / "file").write_text("old")
    disk = Disk(root, images, frozenset({1, 2}))

    def lost(number: int) -> tuple[dict[str, str], dict[str, str]]:
        disk(Moment("unlink", "none", False, number))
        both = [images / f"{number:05d}-{name}" for name in ("strict", "journal")]
        strict, journal = ({path.name: path.read_text() for path in image.iterdir()} for image in both)
        return strict, journal

    (root / "new").write_text("four")
    (root / "new").rename(root / "file")
    (root / "other").touch()
    assert lost(1) == ({"file": "old"}, {"file": "fo", "other": ""})
    disk(Moment("fsync", str(root / "file"), True, 0))
    disk(Moment("fsync", str(root), True, 0))
    assert lost(2) == ({"file": "four", "other": ""}, {"file": "four", "other": ""})
