"""The command `pretrain` on a tiny bank, as a user would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.cli import last_budget_wins, main, named_budgets
from fractalvid.pretrain.models import ARCHITECTURES
from fractalvid.pretrain.recipes.fields import override
from fractalvid.pretrain.recipes.load import load_recipe, recipe_names
from fractalvid.pretrain.run.config import EngineConfig, PretrainConfig
from fractalvid.pretrain.run.pretraining import shortest_stride
from fractalvid.pretrain.weights.cards import load_card
from fractalvid.stream import StreamConfig
from tests.pretrain.helpers import equal_state, run, saved_model


def test_from_nothing_to_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "4", "--val-every", "2") == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.json", "classes.npz", "metrics.jsonl", "checkpoint.pt", "weights.safetensors", "weights.json"
    }  # fmt: skip
    begins, told = capsys.readouterr().out.splitlines()
    assert begins == f"pre-training r3d_10 by the objective supervised, in {out}"
    assert told.endswith(f"finetune --target demo --init {out}/weights.safetensors")  # needs no videos
    card = load_card(out)
    assert (card.architecture, card.num_classes, card.clip_len, card.size) == ("r3d_10", 3, 4, 32)
    assert card.config == json.loads((out / "config.json").read_text())["config"]
    assert set(card.metrics) == {"loss", "top1", "top5"}
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "val"] == [2, 4]
    model = saved_model(out)
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())


def test_a_bank_from_a_file_trains_the_same_network(tmp_path: Path) -> None:
    ClassBank.sample(3, seed=0).save(tmp_path / "bank.npz")
    assert run(tmp_path / "a", "--steps", "2") == 0
    assert run(tmp_path / "b", "--steps", "2", "--bank", str(tmp_path / "bank.npz")) == 0
    assert equal_state(saved_model(tmp_path / "a"), saved_model(tmp_path / "b"))


def test_a_recipe_changes_defaults_and_options_change_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('seed = 3\nclasses = 5\n[engine]\nhours = "20m"\n[optim]\nlr = 0.001\n')
    assert run(tmp_path / "run", "--recipe", str(recipe), "--steps", "2") == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (config["seed"], config["classes"], config["optim"]["lr"]) == (3, 3, 0.001)
    assert (config["engine"]["steps"], config["engine"]["hours"]) == (2, None)
    recipe.write_text("[engine]\nstep = 3")
    assert run(tmp_path / "other", "--recipe", str(recipe)) == 2


def test_the_card_tells_the_stride_that_short_clips_leave() -> None:
    bank = ClassBank.sample(20, seed=0)
    shortest = int(bank.native_frames.min())
    assert shortest_stride(bank, StreamConfig(clip_len=8, frame_stride=2)) == 2
    assert shortest_stride(bank, StreamConfig(clip_len=16, frame_stride=2)) == (shortest - 1) / 15
    assert shortest_stride(bank, StreamConfig(clip_len=1, frame_stride=3)) == 3


def test_the_budget_given_last_wins() -> None:
    base = override(PretrainConfig(), {"engine": {"steps": 5}}, where="test")
    given = override(base, {"engine": {"hours": 1.0}}, where="test")
    assert last_budget_wins(given, named_budgets(["--hours", "1"])).engine == EngineConfig(hours=1.0)
    assert last_budget_wins(base, named_budgets(["--seed=5"])) == base
    third = override(base, {"engine": {"epochs": 2.0}}, where="test")
    assert last_budget_wins(third, named_budgets(["--epochs=2"])).engine == EngineConfig(epochs=2.0)


def test_two_budgets_are_one_too_many_also_at_a_recipes_value(capsys: pytest.CaptureFixture[str]) -> None:
    steps = load_recipe("small_cpu", PretrainConfig()).engine.steps
    assert main(["--recipe", "small_cpu", "--steps", str(steps), "--hours", "1", "--dry-run"]) == 2
    assert capsys.readouterr().err == "pretrain: error: both --steps and --hours are given; a run has one budget\n"


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_complete(name: str) -> None:
    config = load_recipe(name, PretrainConfig())
    config.check()
    assert config.arch in ARCHITECTURES


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (["--epochs", "2"], 2),  # 3 classes, once an epoch
        (["--epochs", "2", "--instances", "2"], 3),
        (["--epochs", "1", "--epoch-clips", "15"], 4),
    ],
)
def test_a_budget_in_epochs(tmp_path: Path, options: list[str], steps: int) -> None:
    assert run(tmp_path / "run", "--val-clips", "0", *options) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == steps
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["engine"]["steps"] is None  # what follows from others isn't written back


def test_the_opening_line_tells_the_batch_and_its_learning_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", "--steps", "1", "--val-clips", "0", "--accumulate", "2", "--lr", "1e-3") == 0
    told = capsys.readouterr().err
    assert "pre-training r3d_10 on 3 classes of ifs, clips 4 x 32 x 32, 4 (2 parts x 2) a step" in told
    assert "learning rate 0.000125," in told


def test_rows_tell_where_the_time_goes(tmp_path: Path) -> None:
    assert run(tmp_path / "run", "--steps", "3", "--val-clips", "0", "--log-every", "3") == 0
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    shares = [row[name] for name in ("data_wait", "forward", "backward")]
    assert all(0 <= share <= 1 for share in shares)
    assert 0.5 < sum(shares) <= 1


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    for name in (*recipe_names(), "r3d_18", "r3d_10"):
        assert name in told


def test_as_a_module(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "fractalvid.pretrain", "--help-all"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    for flag in (
        "--recipe",
        "--classes",
        "--bank",
        "--clip-len",
        "--hours",
        "--lr",
        "--resume",
        "--out",
        "--list",
    ):
        assert flag in done.stdout, flag


def test_a_low_rate_needs_no_final_one(tmp_path: Path) -> None:
    assert run(tmp_path / "run", "--steps", "2", "--lr", "1e-6", "--val-clips", "0") == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {row["lr"] for row in rows if row["kind"] == "train"} == {1e-6 * 4 / 32}
    assert load_card(tmp_path / "run").config["optim"]["final_lr"] == 1e-5


def test_the_next_command_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "one run #&e"
    assert run(out, "--steps", "1", "--val-clips", "0") == 0
    assert f"--init '{out}/weights.safetensors'" in capsys.readouterr().out
