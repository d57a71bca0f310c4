"""The soak test's criteria, on samples that are known; and that a phase leaves nothing behind."""

import json
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.fractalvid.soak import Sample, change, draw, kept, rates, run, verdicts

STEADY = [Sample(60.0 * i, 500.0, 40, 6000 * i) for i in range(1, 41)]


def verdict(samples: list[Sample]) -> list[str]:
    return [row[-1] for row in verdicts(samples)]


def test_what_is_steady_meets_all() -> None:
    assert rates(STEADY) == [6000.0] * 39
    assert verdict(STEADY) == ["met"] * 3


def test_leaks_slowing_down_and_handles_are_seen() -> None:
    leaking = [Sample(s.seconds, 500 + s.seconds / 30, 40, s.clips) for s in STEADY]
    slowing = [Sample(s.seconds, 500.0, 40, int(s.clips * (1 - s.seconds / 20_000))) for s in STEADY]
    opening = [Sample(s.seconds, 500.0, 40 + int(s.seconds / 300), s.clips) for s in STEADY]
    assert verdict(leaking) == ["missed", "met", "met"]
    assert verdict(slowing) == ["met", "missed", "met"]
    assert verdict(opening) == ["met", "met", "missed"]


def test_warming_up_does_not_count() -> None:
    assert change([1.0] * 4 + [10.0] * 36) == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_run_cut_short_is_drawn_all_the_same(count: int) -> None:
    assert len(verdicts(STEADY[:count])) == 3
    assert len(draw({"stream": STEADY[:count]}).axes) == 3


def test_a_phase_is_kept_for_when_the_other_runs(tmp_path: Path) -> None:
    assert kept(tmp_path) == {}
    told = {"phases": {"stream": [asdict(sample) for sample in STEADY]}}
    (tmp_path / "soak.json").write_text(json.dumps(told))
    assert kept(tmp_path) == {"stream": STEADY}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_phase_is_sampled_with_its_children_and_ends() -> None:
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "while True: open(sys.argv[1], 'ab').write(b'.'); time.sleep(0.1)\n"
    )
    samples = list(run(code, 3.0, 1.0))
    assert len(samples) == 3
    assert all(a.clips < b.clips and a.handles > 5 and a.memory > 10 for a, b in pairwise(samples))


def test_a_phase_that_ends_by_itself_is_an_error() -> None:
    with pytest.raises(SystemExit, match="with code 3"):
        list(run("import sys; sys.exit(3)", 30.0, 0.5))
