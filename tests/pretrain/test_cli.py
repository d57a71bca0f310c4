"""The command `pretrain` on a tiny bank, as a user would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.classes import ClassBank
from fractalvid.dataset import SetConfig, generate
from fractalvid.errors import UserError
from fractalvid.stream import StreamConfig
from pretrain.checkpoint import load_card, load_tensors
from pretrain.cli import last_budget_wins, main
from pretrain.configs import override
from pretrain.engine_config import EngineConfig
from pretrain.job import PretrainConfig, shortest_stride
from pretrain.mixing import Mixture
from pretrain.models import ARCHITECTURES
from pretrain.recipes import load_recipe, recipe_names
from pretrain.update import Update
from tests.pretrain.helpers import equal_state, saved_model

SMALL = [
    *("--arch", "r3d_10", "--classes", "3", "--batch-size", "4", "--clip-len", "4", "--frame-stride", "2"),
    *("--size", "32", "--points", "2000", "--val-clips", "6", "--device", "cpu", "--threads", "1"),
    *("--no-tensorboard", "--no-progress"),
]


def run(out: Path, *options: str) -> int:
    return main([*SMALL, "--out", str(out), *options])


def test_from_nothing_to_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "4", "--val-every", "2") == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.json", "classes.npz", "metrics.jsonl", "checkpoint.pt", "weights.safetensors", "weights.json"
    }  # fmt: skip
    told = capsys.readouterr().out.strip()
    assert "\n" not in told
    assert f"finetune --target hmdb51 --data DIR --init {out}/weights.safetensors" in told
    card = load_card(out)
    assert (card.architecture, card.num_classes, card.clip_len, card.size) == ("r3d_10", 3, 4, 32)
    assert card.config == json.loads((out / "config.json").read_text())["config"]
    assert set(card.metrics) == {"loss", "top1", "top5"}
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "val"] == [2, 4]
    model = saved_model(out)
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--steps", "6", "--mixup", "0.4", "--cutmix", "1.0")
    assert run(tmp_path / "whole", *options) == 0
    parts = tmp_path / "parts"
    step = Update.step

    def fails(self: Update, batch: Any, lr: float, mixture: Mixture | None) -> dict[str, float] | None:
        assert mixture is not None
        if batch.next_index > 16:
            raise UserError("power failure")
        return step(self, batch, lr, mixture)

    with monkeypatch.context() as patch:
        patch.setattr(Update, "step", fails)
        assert run(parts, *options, "--checkpoint-every", "2") == 2
    assert torch.load(parts / "checkpoint.pt", weights_only=True)["step"] == 4
    assert main(["--resume", "--no-progress", "--out", str(parts)]) == 0  # its own settings hold
    assert equal_state(saved_model(parts), saved_model(tmp_path / "whole"))
    assert load_card(parts).metrics == load_card(tmp_path / "whole").metrics


def test_a_run_that_died_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        assert run(tmp_path / name, "--steps", "2") == 0
    for path in (tmp_path / "parts").iterdir():
        if path.name != "config.json":
            path.unlink()
    assert main(["--resume", "--no-progress", "--out", str(tmp_path / "parts")]) == 0
    assert equal_state(saved_model(tmp_path / "parts"), saved_model(tmp_path / "whole"))


def test_a_bank_from_a_file_trains_the_same_network(tmp_path: Path) -> None:
    ClassBank.sample(3, seed=0).save(tmp_path / "bank.npz")
    assert run(tmp_path / "a", "--steps", "2") == 0
    assert run(tmp_path / "b", "--steps", "2", "--bank", str(tmp_path / "bank.npz")) == 0
    assert equal_state(saved_model(tmp_path / "a"), saved_model(tmp_path / "b"))


def test_folders_and_changed_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "2", "--val-clips", "0") == 0
    before = (out / "weights.safetensors").read_bytes()
    capsys.readouterr()
    for options, told in [
        (["--steps", "2", "--val-clips", "0"], "holds a run already"),
        (["--steps", "3", "--val-clips", "0", "--resume"], "engine.steps differ"),
        (
            ["--steps", "2", "--val-clips", "0", "--lr", "0.1", "--size", "48", "--resume"],
            "stream.size, optim.lr",
        ),
    ]:
        assert run(out, *options) == 2
        error = capsys.readouterr().err
        assert error.startswith("pretrain: error: ")
        assert error.count("\n") == 1
        assert told in error
    assert (out / "weights.safetensors").read_bytes() == before


def test_a_resumed_run_keeps_its_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, bank = tmp_path / "run", tmp_path / "bank.npz"
    ClassBank.sample(3, seed=0).save(bank)
    assert run(out, "--steps", "2", "--val-clips", "0", "--bank", str(bank)) == 0
    ClassBank.sample(3, seed=5).save(tmp_path / "other.npz")
    ClassBank.sample(4, seed=0).save(tmp_path / "larger.npz")
    bank.rename(tmp_path / "moved.npz")
    resume = ["--resume", "--no-progress", "--out", str(out)]
    for options, told in [
        (["--classes", "7"], "has 3 classes, not 7"),
        (["--bank", str(tmp_path / "other.npz")], "seed 5, not 0"),
        (["--bank", str(tmp_path / "larger.npz")], "4 classes, not 3"),
        (["--bank", str(tmp_path / "absent.npz")], "absent.npz"),
    ]:
        capsys.readouterr()
        assert main([*resume, *options]) == 2, options
        assert told in capsys.readouterr().err
    assert main([*resume, "--bank", str(tmp_path / "moved.npz")]) == 0
    assert main(resume) == 0


def test_a_full_disk_at_the_start_leaves_the_command_to_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: ClassBank, path: Path) -> None:
        raise UserError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(ClassBank, "save", full)
        assert run(tmp_path / "run", "--steps", "2", "--val-clips", "0") == 2
    assert "no space left" in capsys.readouterr().err
    assert run(tmp_path / "run", "--steps", "2", "--val-clips", "0") == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--steps", "0"], "steps"),
        ([], "budget"),
        (["--steps", "2", "--hours", "1"], "one budget"),
        (["--hours", "soon"], "'soon' is no time"),
        (["--steps", "2", "--arch", "r3d18"], "did you mean r3d_18"),
        (["--steps", "2", "--classes", "1"], "at least 2"),
        (["--steps", "2", "--batch-size", "0"], "batch-size"),
        (["--steps", "2", "--lr", "-1"], "lr"),
        (["--steps", "2", "--mixup", "-1"], "mixup is -1"),
        (["--steps", "2", "--cutmix", "inf"], "cutmix is inf"),
        (["--steps", "2", "--epochs", "2"], "both --steps and --epochs are given"),
        (["--epochs", "0"], "epochs is 0"),
        (["--epochs", "2", "--epoch-clips", "0"], "epoch-clips is 0"),
        (["--steps", "2", "--ema", "1"], "ema is 1"),
        (["--steps", "2", "--accumulate", "0"], "accumulate is 0"),
        (["--steps", "2", "--accumulate", "3"], "batch-size is 4; it must be a multiple of 3"),
        (["--steps", "2", "--accumulate", "4"], "BatchNorm needs 2"),
        (["--steps", "2", "--sync-bn"], "sync-bn needs CUDA"),
        (["--steps", "2", "--objective", "moco", "--mixup", "0.2"], "mixup"),
        (["--steps", "2", "--seed", "-1"], "seed"),
        (["--steps", "2", "--seed", str(2**64)], "below 2^64"),
        (["--steps", "2", "--val-clips", "-1"], "val-clips"),
        (["--steps", "2", "--threads", "0"], "threads"),
        (["--steps", "2", "--clip-len", "0"], "clip"),
        (["--steps", "2", "--size", "0"], "size"),
        (["--steps", "2", "--device", "cuda:77"], "cuda:77"),
        (["--steps", "2", "--precision", "fp16"], "fp16"),
        (["--steps", "2", "--bank", "/nowhere/x.npz"], "/nowhere/x.npz"),
        (["--steps", "2", "--recipe", "smallcpu"], "did you mean small_cpu"),
        (["--step", "2"], "did you mean --steps"),
        (["--steps", "2", "--resume"], "no run in"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert run(tmp_path / "run", *options) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("pretrain: error: ")
    assert captured.err.count("\n") == 1
    assert told in captured.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"no bank", None], ids=["empty", "foreign", "truncated"])
def test_a_broken_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    bank = tmp_path / "bank.npz"
    ClassBank.sample(3, seed=0).save(bank)
    bank.write_bytes(bank.read_bytes()[:200] if content is None else content)
    assert run(tmp_path / "run", "--steps", "2", "--bank", str(bank)) == 2
    assert "bank.npz" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_bank_of_another_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClassBank.sample(4, seed=0).save(tmp_path / "bank.npz")
    assert run(tmp_path / "run", "--steps", "2", "--bank", str(tmp_path / "bank.npz")) == 2
    assert "has 4 classes, not 3" in capsys.readouterr().err


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
    assert last_budget_wins(base, given).engine.steps is None
    assert last_budget_wins(base, base) == base
    third = override(base, {"engine": {"epochs": 2.0}}, where="test")
    assert last_budget_wins(base, third).engine == EngineConfig(epochs=2.0)


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


@pytest.mark.parametrize("share", [0.0, 0.5, None], ids=["empty", "truncated", "foreign"])
def test_a_broken_checkpoint_is_one_line_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: float | None
) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "1", "--val-clips", "0") == 0
    checkpoint = out / "checkpoint.pt"
    data = b"not a checkpoint" if share is None else checkpoint.read_bytes()[: int(share * checkpoint.stat().st_size)]
    checkpoint.write_bytes(data)
    capsys.readouterr()
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("pretrain: error: the checkpoint")
    assert "can't be read: truncated, or not written by this program; delete it" in error
    assert checkpoint.read_bytes() == data


def test_a_run_of_an_older_version_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--steps", "2", "--val-clips", "0") == 0
    weights = saved_model(out)
    content = json.loads((out / "config.json").read_text())
    del content["config"]["objective"], content["config"]["epoch_clips"]
    for name in ("epochs", "accumulate", "ema", "sync_bn"):
        del content["config"]["engine"][name]
    (out / "config.json").write_text(json.dumps(content))
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    for name in ("objective", "ema", "batch_size", "optimizer_kind", "precision"):
        del state[name]
    torch.save(state, out / "checkpoint.pt")
    (out / "weights.safetensors").unlink()
    assert run(out, "--steps", "2", "--val-clips", "0", "--resume") == 0
    assert equal_state(saved_model(out), weights)


@pytest.mark.parametrize("name", ["moco", "simclr"])
def test_an_older_run_without_labels_goes_on_as_it_began(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, begun = tmp_path / "run", ["--objective", name, "--recolour", "0", "--steps", "2", "--val-clips", "0"]
    begun += ["--colour", "structural", "--checkpoint-every", "1"]
    begun += ["--moco.bn-groups", "1"] if name == "moco" else []
    assert run(out, *begun) == 0
    weights = load_tensors(out)
    content = json.loads((out / "config.json").read_text())
    del content["config"]["objective"]["recolour"], content["config"]["objective"]["moco"]["bn_groups"]
    (out / "config.json").write_text(json.dumps(content))
    for file in ("weights.safetensors", "checkpoint.pt"):
        (out / file).unlink()
    capsys.readouterr()
    resume = ["--resume", "--no-progress", "--out", str(out)]
    assert main([*resume, "--recolour", "0.8"]) == 2
    assert "objective.recolour differ" in capsys.readouterr().err
    assert main(resume) == 0
    again = load_tensors(out)
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    kept = load_card(out).config["objective"]
    assert (kept["recolour"], kept["moco"]["bn_groups"]) == (0.0, 1 if name == "moco" else None)


@pytest.mark.parametrize(("known", "name"), [({}, "fp32"), ({"amx_bf16": True}, "bf16")])
def test_the_arithmetic_is_kept(
    known: dict[str, bool], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: known)
    out = tmp_path / "run"
    assert run(out, "--steps", "2", "--val-clips", "0") == 0
    assert load_card(out).precision == torch.load(out / "checkpoint.pt", weights_only=True)["precision"] == name
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {} if known else {"amx_bf16": True})
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 0
    assert load_card(out).precision == name


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    for name in (*recipe_names(), "r3d_18", "r3d_10"):
        assert name in told


def test_as_a_module(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "pretrain", "--help"],
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


def test_one_class_cannot_be_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, folder = ClassBank.sample(1, seed=0), tmp_path / "set"
    bank.save(tmp_path / "one.npz")
    generate(bank, folder, SetConfig(clips=4, size=32, points=2000), workers=1, progress=False)
    options = [*SMALL[:2], *SMALL[4:10], "--val-clips", "0", *SMALL[14:], "--steps", "1"]
    for where in (["--bank", str(tmp_path / "one.npz")], ["--data", str(folder)]):
        for more in ([], ["--dry-run"]):
            assert main([*options, *where, *more, "--out", str(tmp_path / "run")]) == 2
            told = capsys.readouterr().err
            assert f"{where[1]} has 1 class; telling classes apart needs at least 2" in told
            assert told.count("\n") == 1
            assert not (tmp_path / "run").exists()
    assert main([*options, *where, "--objective", "simclr", "--out", str(tmp_path / "run")]) == 0
    assert "on 1 class of ifs" in capsys.readouterr().err


def test_a_low_rate_needs_no_final_one(tmp_path: Path) -> None:
    assert run(tmp_path / "run", "--steps", "2", "--lr", "1e-6", "--val-clips", "0") == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {row["lr"] for row in rows if row["kind"] == "train"} == {1e-6 * 4 / 32}
    assert load_card(tmp_path / "run").config["optim"]["final_lr"] == 1e-5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--resume"], "--resume needs --out, the folder of the run to go on with"),
        (["--resume", "--seed", "3"], "--resume needs --out"),
        (["--resume=yes", "--out", "x"], "--resume takes no value; see pretrain --help"),
        (["--resume", "--steps", "3"], "there is no run in runs/r3d_18-seed0 to resume"),
        (["--recipe="], "there is no recipe ''"),
    ],
)
def test_what_to_resume_has_to_be_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    error = capsys.readouterr().err
    assert error.startswith("pretrain: error: ")
    assert error.count("\n") == 1
    assert told in error


def test_the_next_command_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "one run #&e"
    assert run(out, "--steps", "1", "--val-clips", "0") == 0
    assert f"--init '{out}/weights.safetensors'" in capsys.readouterr().out
