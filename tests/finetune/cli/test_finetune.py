"""`finetune` as a user would run it."""

import csv
import json
import re
from dataclasses import fields
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fractalvid.finetune.cli import main
from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.clips.loader import ClipBatch, TrainLoader
from fractalvid.finetune.clips.prediction import predict
from fractalvid.finetune.recipes.recipe import LR, Recipe
from fractalvid.finetune.results.scores import scores
from fractalvid.finetune.run import outcome, pipeline, train
from fractalvid.finetune.targets.demo.stick_figures import ACTIONS
from fractalvid.finetune.targets.demo.target import DemoSet
from fractalvid.finetune.targets.registry import TARGETS, TargetOptions, make_target
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.optim.optimizer import build_optimizer
from fractalvid.pretrain.weights.cards import load_card
from tests.finetune.helpers import SMALL, command, folder_set, hmdb_set, metrics, plan_of, show_help
from tests.finetune.targets.test_hmdb51 import FILES, LISTS


def test_a_run_leaves_all_its_results(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert command("--target", "folder", "--data", data, "--out", out, cache=tmp_path / "c") == 0
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.json",
        "metrics.json",
        "metrics.jsonl",
        "predictions.csv",
        "confusion.png",
        "weights.safetensors",
        "weights.json",
        "report.html",
        "report.md",
        "report.tex",
    }
    got = metrics(out)
    assert got["videos"] == {
        "train": 8,
        "val": 0,
        "test": 4,
        "missing": 0,
        "skipped": 0,
        "damaged": 0,
        "shorter_than_window": 0,
    }
    assert (got["views"], got["crops"], got["seed"], got["steps"]) == (2, 1, 0, 4)
    assert got["init"]["label"] == "scratch"
    assert got["versions"]["torch"] == package_metadata.version("torch")
    with (out / "predictions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    right = sum(line["label"] == line["predicted"] for line in lines)
    assert got["top1"] == pytest.approx(100 * right / 4)
    told = capsys.readouterr()
    assert f"top-1 {got['top1']:.1f} %" in told.out
    assert "note: 2 epochs of 8 videos make only 4 steps; a smaller --batch-size than 4 makes more of them" in told.err


@pytest.mark.parametrize("words", [(), ("compare", "--seeds", 0, 1)])
def test_classes_that_mirror_images_exchange_are_noted_once(
    words: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder_set(tmp_path / "set", classes=("turn_left", "turn_right"), train=2, test=1)
    args = [*words, "--target", "folder", "--data", root, "--out"]
    said = (
        "note: classes 'turn_left' and 'turn_right' look like mirror images; --augment.flip 0 leaves clips unmirrored"
    )
    assert command(*args, tmp_path / "mirrored", cache=tmp_path / "c") == 0
    assert capsys.readouterr().err.count(said) == 1
    assert command(*args, tmp_path / "as_they_are", "--augment.flip", 0, cache=tmp_path / "c") == 0
    assert "mirror" not in capsys.readouterr().err


def test_help_names_the_targets_that_are_not_mirrored(capsys: pytest.CaptureFixture[str]) -> None:
    targets = [make_target(TargetOptions(name, Path() if row.needs_data else None)) for name, row in TARGETS.items()]
    names = [target.name for target in targets if not target.protocol.mirror]
    with pytest.raises(SystemExit):
        show_help()
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"default 0.5, and 0 for {', '.join(names[:-1])} and {names[-1]}," in text


def test_the_seed_determines_the_result(data: Path, tmp_path: Path) -> None:
    states = []
    for number, (seed, threads) in enumerate(((1, 1), (1, 3), (2, 1))):
        args = ["--target", "folder", "--data", data, "--out", tmp_path / str(number), "--seed", seed]
        assert command(*args, "--threads", threads, cache=tmp_path / "c") == 0
        states.append(load_file(tmp_path / str(number) / "weights.safetensors"))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["stem.0.weight"], states[2]["stem.0.weight"])


def test_mixing_is_part_of_the_recipe(data: Path, tmp_path: Path) -> None:
    states = []
    for name, alphas in (("plain", ()), ("mixed", ("--mixup", 0.4, "--cutmix", 1.0))):
        args = ["--target", "folder", "--data", data, "--out", tmp_path / name]
        assert command(*args, *alphas, cache=tmp_path / "c") == 0
        states.append(load_file(tmp_path / name / "weights.safetensors"))
    assert not torch.equal(states[0]["stem.0.weight"], states[1]["stem.0.weight"])
    config = json.loads((tmp_path / "mixed" / "config.json").read_text())
    assert (config["mixup"], config["cutmix"]) == (0.4, 1.0)


def test_a_network_learns_what_can_be_told_apart(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--target", "folder", "--data", data, "--out", tmp_path / "out", "--eval-every", 12]
    plain = ["--augment.brightness", 0, "--augment.contrast", 0, "--mode", "full"]
    small = f"{SMALL} --epochs 24 --batch-size 8 --no-progress --device cpu"
    words = [str(arg) for arg in (*args, *plain, *small.split(), "--cache-dir", tmp_path / "c")]
    assert main(words) == 0
    assert "step 12: test videos top1" in capsys.readouterr().err
    assert metrics(tmp_path / "out")["top1"] == 100.0
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "val"] == [12, 24]


@pytest.mark.parametrize(
    ("videos", "epochs", "every", "steps"),
    [(6, 100, 10, 4), (6, 30, 30, 12), (40, 30, 10, 25), (1, 30, 1, 1), (6, 9, 0, 0)],
)
def test_curves_have_a_point_every_so_many_epochs_however_few_videos_there_are(
    videos: int, epochs: int, every: int, steps: int
) -> None:
    plan = plan_of(Recipe(epochs=epochs, eval_every=every))
    assert train._engine_config(plan, plan.steps(videos), Machine()).val_every == steps


def test_a_linear_probe_trains_the_head_alone(data: Path, weights: Path, tmp_path: Path) -> None:
    args = [
        "--target",
        "folder",
        "--data",
        data,
        "--init",
        weights,
        "--mode",
        "linear",
        "--out",
        tmp_path / "o",
    ]
    assert command(*args, cache=tmp_path / "c") == 0
    before, after = (load_file(folder / "weights.safetensors") for folder in (weights, tmp_path / "o"))
    frozen = [name for name in before if not name.startswith("fc.")]
    changed = {name for name in frozen if not torch.equal(before[name], after[name])}
    assert {name.rpartition(".")[2] for name in changed} == {"running_mean", "running_var", "num_batches_tracked"}
    config = json.loads((tmp_path / "o" / "config.json").read_text())
    assert config["lr"] == LR["linear"]
    assert config["mean"] == [0.0, 0.0, 0.0]  # the card says that values stay in [0, 1]
    assert json.loads((tmp_path / "o" / "weights.json").read_text())["num_classes"] == 2


def test_random_features_are_probed_with_statistics_of_training_clips(data: Path, tmp_path: Path) -> None:
    args = ["--target", "folder", "--data", data, "--init", "scratch", "--mode", "linear", "--seed", "3"]
    assert command(*args, "--out", tmp_path / "o", cache=tmp_path / "c") == 0
    after, fresh = load_file(tmp_path / "o" / "weights.safetensors"), build_model("r3d_10", 2, seed=3).state_dict()
    running = [name for name in fresh if "running_var" in name]
    assert running
    assert not any(torch.allclose(after[name], fresh[name]) for name in running)
    frozen = [name for name in fresh if not name.startswith("fc.") and "running" not in name and "num_" not in name]
    assert all(torch.equal(after[name], fresh[name]) for name in frozen)
    assert command(*args, "--out", tmp_path / "again", cache=tmp_path / "c") == 0
    again = load_file(tmp_path / "again" / "weights.safetensors")
    assert all(torch.equal(after[name], again[name]) for name in after)


def test_an_interrupted_run_resumes_exactly(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 1)
    args = ["--target", "folder", "--data", data]
    assert command(*args, "--out", tmp_path / "whole", cache=tmp_path / "c") == 0
    real, seen = TrainLoader._finish, []

    def stop_at_third(self: TrainLoader, pending: Any) -> ClipBatch:
        seen.append(1)
        if len(seen) == 3:
            raise RuntimeError("the plug was pulled")
        return real(self, pending)

    again = [*args, "--out", tmp_path / "again"]
    with monkeypatch.context() as patch:
        patch.setattr(TrainLoader, "_finish", stop_at_third)
        with pytest.raises(RuntimeError, match="plug"):
            command(*again, cache=tmp_path / "c")
    assert (tmp_path / "again" / "checkpoint.pt").exists()
    assert command(*again, cache=tmp_path / "c") == 2
    assert "unfinished run; --resume continues it" in capsys.readouterr().err
    assert command(*again, "--resume", "--seed", 4, cache=tmp_path / "c") == 2
    assert "begun with other settings (seed: 0, not 4)" in capsys.readouterr().err
    assert command(*again, "--resume", cache=tmp_path / "c") == 0
    whole, resumed = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "again"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not (tmp_path / "again" / "checkpoint.pt").exists()
    assert command(*again, "--resume", cache=tmp_path / "c") == 0
    assert "is finished" in capsys.readouterr().err


def test_hmdb51_with_missing_and_broken_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"clap": FILES["clap"], "wave": [*FILES["wave"], "extra.avi"]}
    lists = {"clap": LISTS["clap"], "wave": LISTS["wave"] + "extra.avi 1\r\ngone_wave.avi 2\r\n"}
    root = hmdb_set(tmp_path / "hmdb", lists, files)
    (root / "wave" / "extra.avi").write_text("not a video at all")
    args = ["--target", "hmdb51", "--data", root, "--split", 1, "--out", tmp_path / "out"]
    assert command(*args, cache=tmp_path / "c") == 2
    assert "gone_wave.avi; --allow-missing" in capsys.readouterr().err
    assert command(*args, "--allow-missing", cache=tmp_path / "c") == 2
    assert "videos in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert command(*args, "--allow-missing", "--max-broken", 0.5, cache=tmp_path / "c") == 0
    got = metrics(tmp_path / "out")
    assert got["videos"] == {
        "train": 3,
        "val": 0,
        "test": 2,
        "missing": 1,
        "skipped": 1,
        "damaged": 0,
        "shorter_than_window": 0,
    }
    assert (got["classes"], got["official_classes"]) == (2, 51)
    assert got["missing"] == ["wave/gone_wave.avi"]
    assert [video["path"] for video in got["skipped"]] == ["wave/extra.avi"]
    assert got["class_names"] == ["clap", "wave"]


def test_the_demo_target_needs_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = DemoSet(clips_per_class_train=2, clips_per_class_test=1, size=32, frames=4)
    monkeypatch.setattr("fractalvid.finetune.videos.data.demo_set", lambda _: tiny)
    args = ["--target", "demo", "--out", tmp_path / "out", "--epochs", 1, "--model", "r3d_10", "--size", 16]
    words = [*map(str, args), "--clip-len", "2", "--warmup-epochs", "0", "--no-progress", "--device", "cpu"]
    assert main([*words, "--cache-dir", str(tmp_path / "c")]) == 0
    got = metrics(tmp_path / "out")
    assert (got["target"], got["classes"], got["videos"]["test"]) == (
        "demo",
        len(ACTIONS),
        len(ACTIONS),
    )


def test_what_a_killed_write_left_is_in_nobodys_way(data: Path, tmp_path: Path) -> None:
    for name in ("out", "compared/scratch/seed-0"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / ".config.json.tmp").write_text("{")
    args = ["--target", "folder", "--data", data]
    assert command(*args, "--out", tmp_path / "out", cache=tmp_path / "c") == 0
    assert command("compare", *args, "--out", tmp_path / "compared", cache=tmp_path / "c") == 0


def test_results_name_the_device_that_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: f"GPU at {device}")
    assert outcome.versions(torch.device("cpu"))["device"] == "cpu"
    assert outcome.versions(torch.device("cuda:1"))["device"] == "GPU at cuda:1"


def test_a_run_says_its_precision_and_is_scored_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = scores, []

    def counted(*args: Any) -> dict[str, float]:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(pipeline, "scores", counted)
    monkeypatch.setattr("fractalvid.pretrain.machine.precision.computes_bf16", lambda: True)
    args = ["--target", "folder", "--data", data, "--out", tmp_path / "out"]
    assert command(*args, cache=tmp_path / "c") == 0
    assert metrics(tmp_path / "out")["precision"] == "bf16"
    card = load_card(tmp_path / "out")
    assert card.precision == "bf16"
    assert card.metrics == {name: metrics(tmp_path / "out")[name] for name in card.metrics}
    assert len(calls) == 1


def test_every_option_of_augmentation_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        show_help()
    helped = capsys.readouterr().out
    for field in fields(AugmentConfig):
        option = f"--augment.{field.name.replace('_', '-')}"
        entry = re.search(rf"{re.escape(option)} .*?\(default", helped, re.S)
        assert entry, option
        words = re.findall(r"[a-z]{3,}", re.sub(r"--\S+", "", entry[0]))
        assert len(words) >= 5, entry[0]


@pytest.mark.parametrize("classic", [True, False])
def test_momentum_reaches_the_optimiser(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classic: bool
) -> None:
    used = list[torch.optim.Optimizer]()

    def built(*args: Any) -> torch.optim.Optimizer:
        used.append(build_optimizer(*args))
        return used[-1]

    monkeypatch.setattr("fractalvid.pretrain.engine.training.build_optimizer", built)
    args = ["--target", "folder", "--data", data, "--out", tmp_path / "o", "--mode", "linear", "--optimizer", "sgd"]
    assert command(*args, *(["--classic-momentum"] if classic else []), cache=tmp_path / "c") == 0
    (optimiser,) = used
    assert optimiser.defaults["momentum"] == 0.9
    assert optimiser.defaults["nesterov"] is not classic


def test_a_validation_side_is_looked_at_instead_of_the_test_side(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[set[str]]()
    predicted = predict

    def noting(network: Any, videos: Any, *args: Any, **options: Any) -> Any:
        looked.append({video.side for video in videos})
        return predicted(network, videos, *args, **options)

    monkeypatch.setattr(train, "predict", noting)
    args = ["--target", "folder", "--data", data, "--val-share", 0.25, "--val-by", "file", "--eval-every", 1]
    assert command(*args, "--out", tmp_path / "out", cache=tmp_path / "c") == 0
    assert looked and all(sides == {"val"} for sides in looked)
    got = metrics(tmp_path / "out")
    assert [got["videos"][side] for side in ("train", "val", "test")] == [6, 2, 4]
    assert (got["side"], got["curve_side"], got["validation"]["side"]) == ("test", "val", "val")
    said = "".join(capsys.readouterr())
    assert "step 2: validation top1" in said and "test videos top1" not in said
    assert f"top-1 {got['validation']['top1']:.1f} % on 2 validation videos; curve of validation videos" in said
    assert "validation top-1, one central view" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["held_out"]["share"] == 0.25


@pytest.mark.parametrize("words", [(), ("--no-settle", "--no-standardise")])
def test_a_linear_probe_says_how_features_were_prepared(words: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    args = ["--target", "folder", "--data", data, "--mode", "linear", *words, "--out", tmp_path / "out"]
    assert command(*args, cache=tmp_path / "c") == 0
    got = metrics(tmp_path / "out")
    assert (got["settle"], got["standardise"]) == ((False, False) if words else (True, True))
    # What was tested is what was saved: the scale is in the head.
    again = ["test", "--target", "folder", "--data", data, "--weights", tmp_path / "out", "--out", tmp_path / "again"]
    assert main([*map(str, again), "--cache-dir", str(tmp_path / "c"), "--no-progress", "--device", "cpu"]) == 0
    assert metrics(tmp_path / "again")["top1"] == got["top1"]
