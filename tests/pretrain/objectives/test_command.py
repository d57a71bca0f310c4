"""`pretrain --objective ...`, as a user would run it: weights, resumes, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import load_card, load_tensors
from fractalvid.pretrain.weights.loading import load_backbone
from fractalvid.utils.errors import UserError

SMALL = [
    *("--arch", "r3d_10", "--classes", "4", "--batch-size", "4", "--clip-len", "4", "--frame-stride", "2"),
    *("--size", "32", "--points", "1000", "--val-clips", "8", "--device", "cpu", "--threads", "1"),
    *("--no-tensorboard", "--no-progress"),
]
MOCO = ["--objective", "moco", "--moco.queue", "10", "--aux-mask", "1", "--aux-curve", "0.5", "--key-strength", "0.5"]
BYOL = ["--objective", "byol", "--byol.hidden", "32", "--reverse", "1"]


def run(out: Path, *options: str) -> int:
    return main([*SMALL, "--out", str(out), *options])


@pytest.mark.parametrize("options", [MOCO, BYOL])
def test_weights_of_a_resumed_run_are_those_of_one_in_one_go(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(whole, *options, "--steps", "4", "--log-every", "1") == 0
    step = Update.step

    def fails(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        if batch.next_index > 12:
            raise UserError("power failure")
        return step(self, batch, lr)

    with monkeypatch.context() as patch:
        patch.setattr(Update, "step", fails)
        assert run(parts, *options, "--steps", "4", "--log-every", "1", "--checkpoint-every", "2") == 2
    assert main(["--resume", "--no-progress", "--out", str(parts)]) == 0  # its own settings hold
    first, second = load_tensors(whole), load_tensors(parts)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    checkpoints = [torch.load(out / "checkpoint.pt", weights_only=True)["objective"] for out in (whole, parts)]
    assert all(torch.equal(checkpoints[0][name], checkpoints[1][name]) for name in checkpoints[0])


@pytest.mark.parametrize("objective", ["supervised", "moco", "simclr", "byol"])
def test_a_run_goes_on_in_other_parts_only_where_they_are_not_what_clips_are_told_from(
    objective: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--objective", objective, "--val-clips", "0", "--steps", "1") == 0
    capsys.readouterr()
    resume = ["--resume", "--no-progress", "--out", str(tmp_path)]
    assert main([*resume, "--accumulate", "2"]) == (0 if objective == "supervised" else 2)
    assert ("engine.accumulate differ" in capsys.readouterr().err) == (objective != "supervised")
    assert main([*resume, "--log-every", "3"]) == 0


def test_weights_without_a_head_start_a_network_with_one(tmp_path: Path) -> None:
    assert run(tmp_path, *BYOL, "--steps", "2", "--log-every", "1") == 0
    network = build_model("r3d_10", 7, seed=3)
    head = network.fc.weight.clone()  # type: ignore[union-attr,operator]  # it has one
    report = load_backbone(network, tmp_path)
    assert report.missing == ("fc.weight", "fc.bias")
    assert report.unexpected == ()
    kept = load_tensors(tmp_path)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in kept.items())
    assert torch.equal(network.fc.weight, head)  # type: ignore[union-attr,arg-type]  # likewise
    card = load_card(tmp_path)
    assert (card.architecture, card.config["objective"]["name"]) == ("r3d_10", "byol")
    assert set(card.metrics) == {"knn_top1"}
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "agreement", "spread"} <= rows[0].keys()
    assert 0 <= rows[0]["loss"] <= 8


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--objective", "moco", "--mixup", "0.2"], "mixup and cutmix mix labels"),
        (["--objective", "byol", "--moco.queue", "5"], "moco is set, but --objective is byol"),
        (["--aux-curve", "1", "--kind", "shapes", "--points", "60000"], "classes of shapes have no interpolation"),
        (["--objective", "moco", "--moco.temperature", "0"], "moco.temperature is 0.0"),
        (["--objective", "mocha"], "mocha"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    options: list[str], match: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", *options, "--steps", "2") == 2
    told = capsys.readouterr().err.strip()
    assert match in told
    assert "\n" not in told
    assert not (tmp_path / "run").exists()


def test_a_recipe_can_name_it(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('arch = "r3d_10"\n[objective]\nname = "moco"\naux_mask = 0.5\n[objective.moco]\nqueue = 12\n')
    assert run(tmp_path / "run", "--recipe", str(recipe), "--steps", "2") == 0
    assert load_card(tmp_path / "run").config["objective"]["moco"]["queue"] == 12


def test_the_list_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {name} " in told for name in ("supervised", "moco", "simclr", "byol"))
