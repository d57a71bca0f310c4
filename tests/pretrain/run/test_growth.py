"""Runs whose clips grow: when, what they cost, where that has no effect, and how they go on."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.kinds import sample_bank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.dryrun import Measured, dry_run
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.run import pretrain
from fractalvid.pretrain.run.config import EngineConfig, PretrainConfig
from fractalvid.pretrain.run.unused import without_unused
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import equal_state, run, saved_model

GROW = ("--grow", "2x16", "4x16")
CONFIG = PretrainConfig(
    arch="r3d_10",
    classes=4,
    batch_size=4,
    grow=("2x16", "4x16"),
    stream=StreamConfig(clip_len=4, size=32),
    engine=EngineConfig(steps=10),
)


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Frames and pixels of each step that is taken."""
    seen: list[tuple[int, int]] = []
    step = Update.step

    def noted(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        seen.append((batch.video.shape[2], batch.video.shape[3]))
        return step(self, batch, lr)

    monkeypatch.setattr(Update, "step", noted)
    return seen


def test_whole_clips_come_after_equal_parts_or_when_it_is_said() -> None:
    assert CONFIG.growth() == 24  # 6 of 10 steps: two thirds, rounded down
    assert dataclasses.replace(CONFIG, grow_clips=15).growth() == 12
    assert dataclasses.replace(CONFIG, grow=()).growth() == 0


def test_what_it_costs_is_counted_in_pixels() -> None:
    assert CONFIG.cost() == pytest.approx(0.4 + 0.6 * (1 / 8 + 1 / 4) / 2)
    assert dataclasses.replace(CONFIG, grow=()).cost() == 1


def test_a_run_sees_small_clips_first(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    assert run(tmp_path / "run", "--steps", "7", *GROW, "--val-clips", "0") == 0
    assert shapes == [(2, 16)] * 2 + [(4, 16)] * 2 + [(4, 32)] * 3
    shapes.clear()
    assert run(tmp_path / "parts", "--steps", "4", *GROW, "--grow-clips", "8", "--accumulate", "2") == 0
    assert shapes == [(2, 16), (4, 16), (4, 32), (4, 32)]


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--steps", "7", *GROW)
    assert run(tmp_path / "whole", *options) == 0
    step = Update.step

    def fails(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        if batch.next_index > 16:
            raise UserError("power failure")
        return step(self, batch, lr)

    with monkeypatch.context() as patch:
        patch.setattr(Update, "step", fails)
        assert run(tmp_path / "parts", *options, "--checkpoint-every", "3") == 2
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["step"] == 3  # in the midst of a size
    assert main(["--resume", "--no-progress", "--out", str(tmp_path / "parts")]) == 0
    assert equal_state(saved_model(tmp_path / "parts"), saved_model(tmp_path / "whole"))


def test_clips_that_are_whole_stay_so_in_a_longer_run(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "3", *GROW, "--val-clips", "0") == 0
    assert main(["--resume", "--no-progress", "--out", str(out), "--steps", "6"]) == 0
    assert main(["--resume", "--no-progress", "--out", str(out), "--steps", "7"]) == 0
    assert shapes == [(2, 16), (4, 16)] + [(4, 32)] * 5
    assert json.loads((out / "config.json").read_text())["config"]["grow_clips"] == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--grow", "2by16"], "grow has '2by16'; it takes FRAMESxPIXELS"),
        (["--grow", "8x32"], "grow is set, but some of its sizes are larger than the run's clips: leave it out"),
        (["--grow", "4x12"], "r3d_10 needs clips of at least 1 x 16 x 16, not 4 x 12 x 12"),
        ([*GROW, "--grow-clips", "8"], "grow-clips is 8, and the run has 8 clips, which would never be whole"),
        ([*GROW, "--grow-clips", "0"], "grow-clips is 0; it must be at least 1"),
        (["--grow-clips", "8"], "grow-clips is set, but nothing grows: there is no --grow"),
        ([*GROW, "--videos", "nowhere", "--mix", "0.5"], "grow is set, but it is the stream's clips that grow"),
    ],
)
def test_it_is_refused_in_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", "--steps", "2", *options) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_budget_in_time_needs_a_number_of_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "run", "--hours", "1h", *GROW) == 2
    assert (
        "grow is set, but a budget in time doesn't tell after how many clips they are whole" in capsys.readouterr().err
    )
    timed = dataclasses.replace(CONFIG, grow_clips=400, engine=EngineConfig(hours=1.0))
    timed.check()
    assert (timed.growth(), timed.cost()) == (400, 1)


@pytest.mark.parametrize("begin", [pretrain, dry_run])
def test_how_many_clips_an_epoch_has_is_asked_of_a_bank(begin: Callable[..., object], tmp_path: Path) -> None:
    sample_bank(6, kind="perlin").save(tmp_path / "bank.npz")
    config = dataclasses.replace(CONFIG, classes=None, bank=tmp_path / "bank.npz", engine=EngineConfig(epochs=2.0))
    dataclasses.replace(config, grow_clips=1200 * 2).check()  # the bank may be larger than what is invented otherwise
    with pytest.raises(UserError, match="grow-clips is 500, and the run has 12 clips"):
        begin(dataclasses.replace(config, grow_clips=500), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_that_of_a_recipe_gives_way() -> None:
    timed = dataclasses.replace(CONFIG, engine=EngineConfig(hours=1.0))
    tiny = dataclasses.replace(CONFIG, stream=StreamConfig(clip_len=2, size=16))
    for config in (timed, tiny, dataclasses.replace(CONFIG, data=Path("a set"))):
        assert without_unused(config, CONFIG).grow == ()
    assert without_unused(CONFIG, CONFIG).grow == CONFIG.grow


def test_a_dry_run_counts_small_clips_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Any] = [{"kind": "train", "step": k, "clips_per_s": 8.0, "data_wait": 0.0} for k in range(5)]
    monkeypatch.setattr("fractalvid.pretrain.dryrun.probed", lambda *_: Measured(rows, 4, 2, 1e9, True, 0))
    told = dry_run(dataclasses.replace(CONFIG, grow=("4x16",), grow_clips=20)).splitlines()[-1]
    # half the clips have a quarter of the pixels
    assert "# time: 12.8 clips a second" in told and "worked out from that of whole clips by their pixels" in told
