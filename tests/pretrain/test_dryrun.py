"""The dry run: a recipe that can be run, and numbers that are the run's."""

import dataclasses
import json
import os
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fractalvid.pretrain.cli import main
from fractalvid.pretrain.dryrun import dry_run, dry_run_parts
from fractalvid.pretrain.engine import training
from fractalvid.pretrain.engine.update import Update
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


def test_numbers_are_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = dry_run(SMALL)
    assert "(4, 3, 4, 32, 32), 4 a step" in told
    assert "a head of 4 classes" in told
    assert "500 steps are about" in told  # 500 epochs of 4 classes, 4 clips a step
    assert "by supervised" in told
    assert tomllib.loads(told)["classes"] == 4
    assert not list(tmp_path.iterdir())


def test_a_budget_in_time_becomes_steps() -> None:
    engine = EngineConfig(hours=2.0, torch_threads=1)
    assert "2.00 hours are about" in dry_run(dataclasses.replace(SMALL, engine=engine))


def test_the_command_prints_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = "--arch r3d_10 --classes 3 --steps 9 --clip-len 2 --size 32 --points 1000 --batch-size 4 --objective byol"
    assert main([*options.split(), "--dry-run"]) == 0
    assert "9 steps are about" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_what_a_run_refuses_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="classes is 1"):
        dry_run(dataclasses.replace(SMALL, classes=1))
    (tmp_path / "notes.txt").touch()
    assert main(["--arch", "r3d_10", "--steps", "9", "--size", "32", "--dry-run", "--out", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err


class Stopped(Update):
    """Ctrl-C in the midst of the probe."""

    def step(self, batch: Any, lr: float) -> dict[str, float] | None:
        os.kill(os.getpid(), signal.SIGINT)
        return super().step(batch, lr)


def test_an_interrupted_one_does_not_speak_of_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "Update", Stopped)
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


def test_what_is_known_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fractalvid.pretrain.dryrun.train", slow)
    parts = dry_run_parts(SMALL)
    assert "M parameters" in next(parts)
    with pytest.raises(KeyboardInterrupt):
        next(parts)


def test_a_probe_of_a_large_network_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.pretrain.dryrun.MACS_A_CORE", 1.0)
    told = dry_run(SMALL)
    assert "measured with 2 a step" in told
    assert "500 steps are about" in told
