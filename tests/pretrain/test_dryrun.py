"""The dry run: a recipe that can be run, and numbers that are the run's."""

import dataclasses
import json
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fractalvid.pretrain.cli import main
from fractalvid.pretrain.dryrun import Measured, dry_run, probed
from fractalvid.pretrain.engine import read_rows
from fractalvid.pretrain.models.cost import cost
from fractalvid.pretrain.objectives.config import MoCoConfig, ObjectiveConfig
from fractalvid.pretrain.probe import FEW_STEPS, SETTLING, STEPS, affordable_batch, clip_macs, measure
from fractalvid.pretrain.recipes.fields import override, to_json, to_toml
from fractalvid.pretrain.recipes.load import load_recipe, recipe_names
from fractalvid.pretrain.run.config import EngineConfig, PretrainConfig
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError

SMALL = PretrainConfig(
    arch="r3d_10",
    classes=4,
    batch_size=4,
    val_clips=0,
    stream=StreamConfig(clip_len=4, size=32, points=2000),
    engine=EngineConfig(epochs=500, torch_threads=1),
)


@pytest.mark.parametrize("name", recipe_names())
def test_what_is_printed_is_the_recipe(name: str) -> None:
    config = load_recipe(name, PretrainConfig())
    again = override(PretrainConfig(), tomllib.loads(to_toml(to_json(config))), where="here")
    assert to_json(again) == to_json(config)


def row(step: int, rate: float, waited: float) -> dict[str, Any]:
    return {"kind": "train", "step": step, "clips_per_s": rate, "data_wait": waited}


SETTLED = Measured([row(k, rate, 0.25) for k, rate in enumerate((1.0, 2.0, 8.0, 7.0, 80.0))], 4, 2, 1e9, True, 0)
"""A probe that was done: the middle of what has settled is 8 clips a second."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[Measured], None]:
    """Has dry runs see a probe that was made before."""
    return lambda found: monkeypatch.setattr("fractalvid.pretrain.dryrun.probed", lambda *_: found)


def test_numbers_are_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: Callable[[Measured], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen(SETTLED)
    told = dry_run(SMALL)
    assert "(4, 3, 4, 32, 32), 4 a step" in told
    assert "a head of 4 classes" in told
    assert "by supervised" in told
    # 500 epochs of 4 classes, 4 clips a step of half a second
    assert told.endswith(
        "# time: 8 clips a second, 500 steps are about 0.07 hours without validation; 25% of it is waiting for clips"
    )
    assert tomllib.loads(told)["classes"] == 4
    assert not list(tmp_path.iterdir())


def test_a_budget_in_time_becomes_steps(seen: Callable[[Measured], None]) -> None:
    seen(SETTLED)
    engine = EngineConfig(hours=2.0, torch_threads=1)
    assert "2.00 hours are about 14400 steps" in dry_run(dataclasses.replace(SMALL, engine=engine))


def test_what_was_not_measured_to_its_end_is_called_estimated(seen: Callable[[Measured], None]) -> None:
    seen(dataclasses.replace(SETTLED, rows=SETTLED.rows[:3], batch=2, finished=False))
    told = dry_run(SMALL).splitlines()[-1]
    assert told.startswith("# time: 5 clips a second")
    assert told.endswith("measured with 2 a step, estimated from 2 steps: the probe's time was over")
    seen(Measured(SETTLED.rows[:1], macs_a_second=6 * cost("r3d_10", 2, clip_len=4, size=32).macs))
    told = dry_run(SMALL).splitlines()[-1]
    assert told.startswith("# time: 2 clips a second, 500 steps are about 0.28 hours")
    assert told.endswith(
        "estimated from the network on small clips alone: the probe's time was over before two steps were done"
    )
    seen(Measured([]))
    assert dry_run(SMALL).endswith("# time: not known: the probe's time was over before two steps were done")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say what a process took at most")
def test_what_memory_was_taken_says_by_how_many_clips(seen: Callable[[Measured], None]) -> None:
    seen(SETTLED)
    assert "GiB with the 4 clips a step that the run has\n" in dry_run(SMALL)
    seen(dataclasses.replace(SETTLED, batch=2))
    assert "GiB with 2 of the 4 clips a step: the run takes more (less with --accumulate)\n" in dry_run(SMALL)
    seen(dataclasses.replace(SETTLED, batch=2, gpu_bytes=2**30))
    assert "the probe took up to 1.00 GiB of the GPU with 2 of the 4 clips" in dry_run(SMALL)
    seen(Measured([]))
    assert "GiB before its first step; the run takes more, with 4 clips a step\n" in dry_run(SMALL)


def test_the_command_prints_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = "--arch r3d_10 --classes 3 --steps 9 --clip-len 2 --size 32 --points 1000 --batch-size 4 --objective byol"
    assert main([*options.split(), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("# dry run of r3d_10 by byol: its settings, then a probe of it\n")
    assert "9 steps are about" in told
    assert tomllib.loads(told)["arch"] == "r3d_10"
    assert not list(tmp_path.iterdir())


def test_a_probe_of_all_its_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure(SMALL, tmp_path, seconds=1e6)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["macs_a_second"] > 0
    assert told[1:] == [{"batch": 4, "settling": SETTLING}, {"finished": True, "gpu_bytes": 0}]
    assert len(read_rows(tmp_path / "metrics.jsonl")) == STEPS


def test_a_timer_ends_a_probe_in_the_midst_of_what_it_does() -> None:
    large = dataclasses.replace(SMALL, arch="r3d_18", stream=StreamConfig(clip_len=16, size=256, points=2000))
    started = time.monotonic()
    found = probed(large, 0.5)
    assert time.monotonic() - started < 60  # most of it to import torch
    assert (found.rows, found.finished) == ([], False)


def test_what_a_probe_refuses_is_refused() -> None:
    with pytest.raises(UserError, match=r"nosuch\.npz"):
        probed(dataclasses.replace(SMALL, bank=Path("nosuch.npz")), 60)


def test_what_a_run_refuses_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="classes is 1"):
        dry_run(dataclasses.replace(SMALL, classes=1))
    (tmp_path / "notes.txt").touch()
    assert main(["--arch", "r3d_10", "--steps", "9", "--size", "32", "--dry-run", "--out", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err


def test_an_interrupted_one_does_not_speak_of_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fractalvid.pretrain.dryrun.probed", stopped)
    options = "--arch r3d_10 --classes 3 --steps 9 --clip-len 2 --size 32 --points 1000 --batch-size 4"
    assert main([*options.split(), "--dry-run"]) == 130
    told = capsys.readouterr()
    assert told.err == "pretrain: interrupted\n"
    assert "M parameters" in told.out  # what was known before the probe
    assert "# time" not in told.out
    assert not list(tmp_path.iterdir())


def test_absent_values_are_left_out() -> None:
    config = {"a": None, "b": {"c": [1, 2.5], "d": None, "e": {"f": "x"}}, "g": True}
    assert tomllib.loads(to_toml(config)) == {"b": {"c": [1, 2.5], "e": {"f": "x"}}, "g": True}
    assert json.dumps(1e-5) in to_toml({"lr": 1e-5})


def test_a_probe_of_a_large_network_is_short() -> None:
    eight = dataclasses.replace(SMALL, batch_size=8)
    each = clip_macs(eight)
    assert each == 3 * cost("r3d_10", 2, clip_len=4, size=32).macs
    assert affordable_batch(eight, 8 * STEPS * each) == (8, False)
    assert affordable_batch(eight, 8 * FEW_STEPS * each) == (8, True)
    assert affordable_batch(eight, each) == (2, True)
    in_parts = dataclasses.replace(eight, engine=dataclasses.replace(eight.engine, accumulate=2))
    assert affordable_batch(in_parts, each) == (4, True)
    objective = ObjectiveConfig("moco", moco=MoCoConfig(bn_groups=4))
    assert affordable_batch(dataclasses.replace(eight, objective=objective), each) == (8, True)
