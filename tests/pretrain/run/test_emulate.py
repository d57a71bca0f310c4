"""Emulation in pre-training: its curriculum follows from the budget, recipes and resumed runs keep it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fractalvid.emulate.config import CurriculumConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.recipes.fields import override, to_json
from fractalvid.pretrain.recipes.load import load_recipe
from fractalvid.pretrain.run.config import EngineConfig, PretrainConfig
from fractalvid.pretrain.run.unused import check_run
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import equal_state, saved_model

SMALL = [
    *("--arch", "r3d_10", "--classes", "3", "--batch-size", "4", "--clip-len", "4", "--frame-stride", "2"),
    *("--size", "32", "--points", "2000", "--val-clips", "6", "--device", "cpu", "--threads", "1"),
    *("--no-tensorboard", "--no-progress"),
]
PAPER = StreamConfig(emulate=PRESETS["paper"])
STEPS = EngineConfig(steps=1000)


def samples(config: PretrainConfig) -> int | None:
    emulate = config.streamed().emulate
    assert emulate is not None
    return emulate.curriculum.samples


def test_the_curriculum_is_a_share_of_the_runs_clips() -> None:
    config = PretrainConfig(batch_size=20, stream=PAPER, engine=STEPS)
    assert samples(config) == 12_000
    assert samples(replace(config, curriculum=0.25)) == 5000
    assert samples(replace(config, curriculum=0.0)) == 0
    own = replace(PRESETS["paper"], curriculum=CurriculumConfig(samples=70, share=0.5))
    assert samples(replace(config, stream=StreamConfig(emulate=own))) == 70
    assert PretrainConfig(engine=STEPS).streamed() == StreamConfig()


@pytest.mark.parametrize("name", ["paper_supervised", "paper_moco"])
def test_the_papers_recipes_take_its_5_epochs(name: str) -> None:
    config = load_recipe(name, PretrainConfig())
    config.check()
    assert samples(config) == 5 * 100_000


def test_the_papers_loss_is_not_smoothed() -> None:
    assert load_recipe("paper_supervised", PretrainConfig()).engine.label_smoothing == 0


def test_the_same_steps_of_more_clips_have_a_longer_curriculum() -> None:
    config = PretrainConfig(batch_size=20, stream=PAPER, engine=STEPS)
    assert samples(replace(config, batch_size=40)) == 24_000
    own = StreamConfig(emulate=replace(PRESETS["paper"], curriculum=CurriculumConfig(samples=70)))
    assert samples(replace(config, stream=own, batch_size=40)) == 70


def test_a_budget_in_time_needs_a_number_of_clips() -> None:
    timed = EngineConfig(hours=1.0)
    with pytest.raises(UserError, match="paper,samples=60000"):
        PretrainConfig(stream=PAPER, engine=timed).check()
    assert samples(PretrainConfig(stream=PAPER, engine=timed, curriculum=0.0)) == 0
    own = replace(PRESETS["paper"], curriculum=CurriculumConfig(samples=70))
    PretrainConfig(stream=StreamConfig(emulate=own), engine=timed).check()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"curriculum": 0.5}, "emulation is off"),
        ({"curriculum": 1.5, "stream": PAPER}, "between 0 and 1"),
        (
            {
                "curriculum": 0.5,
                "stream": StreamConfig(emulate=replace(PRESETS["full"], curriculum=CurriculumConfig(samples=0))),
            },
            "its own number",
        ),
    ],
)
def test_curricula_that_mean_nothing_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_run(PretrainConfig(engine=STEPS, **values))


def test_recipes_name_a_preset_or_change_single_values() -> None:
    named = override(PretrainConfig(), {"stream": {"emulate": "paper,share=0.5"}}, where="here")
    assert named.stream.emulate == replace(PRESETS["paper"], curriculum=CurriculumConfig(share=0.5))
    table = {"zoom": {"p": 0.5}, "photometric": {"blur": {"p": 0.2}}, "curriculum": {"samples": 100}}
    changed = override(PretrainConfig(), {"stream": {"emulate": table}}, where="here")
    assert changed.stream.emulate is not None
    assert changed.stream.emulate.zoom.p == 0.5
    assert changed.stream.emulate.photometric.blur.p == 0.2
    assert override(PretrainConfig(), to_json(changed), where="here") == changed
    with pytest.raises(UserError, match=r"did you mean stream\.emulate\.zoom\.p"):
        override(PretrainConfig(), {"stream": {"emulate": {"zoom": {"pp": 0.5}}}}, where="here")
    with pytest.raises(UserError, match="probability"):
        override(PretrainConfig(), {"stream": {"emulate": {"zoom": {"p": 5.0}}}}, where="here")


def test_an_emulated_run_ends_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulated = [*SMALL, "--emulate", "paper", "--curriculum", "0.5", "--steps", "6", "--checkpoint-every", "2"]
    assert main([*emulated, "--out", str(tmp_path / "whole")]) == 0
    config = json.loads((tmp_path / "whole" / "config.json").read_text())["config"]
    assert config["stream"]["emulate"]["perspective"]["p"] == 0.8
    assert config["stream"]["emulate"]["curriculum"]["samples"] is None  # what follows from others isn't written back
    step = Update.step

    def fails(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        if batch.next_index > 16:
            raise UserError("power failure")
        return step(self, batch, lr)

    with monkeypatch.context() as patch:
        patch.setattr(Update, "step", fails)
        assert main([*emulated, "--out", str(tmp_path / "parts")]) == 2
    assert main(["--resume", "--no-progress", "--out", str(tmp_path / "parts")]) == 0
    assert equal_state(saved_model(tmp_path / "whole"), saved_model(tmp_path / "parts"))
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= row["data_wait"] <= 1 for row in rows if row["kind"] == "train")
