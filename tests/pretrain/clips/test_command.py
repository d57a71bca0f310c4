"""Other clips than the stream's, from the public command."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.run.config import EngineConfig, PretrainConfig
from fractalvid.pretrain.weights.cards import load_card, load_tensors
from fractalvid.sets import SetConfig, generate
from fractalvid.stream import StreamConfig

_SMALL = "--arch r3d_10 --batch-size 6 --clip-len 4 --size 32 --points 2000 --val-clips 6 --no-progress"
SMALL = _SMALL.split()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 3 classes, and beside it, under own/, its clips as somebody's videos of 2 classes."""
    root = tmp_path_factory.mktemp("clips")
    generate(
        ClassBank.sample(3, seed=1), root / "set", SetConfig(clips=4, size=32, points=5000), workers=1, progress=False
    )
    for number, name in enumerate(("run", "jump")):
        shutil.copytree(root / "set" / "clips" / f"{number:06d}", root / "own" / name)
    return root


def run(*options: object) -> int:
    return main([*SMALL, *map(str, options)])


def test_a_set_on_disk(stored: Path, tmp_path: Path) -> None:
    assert run("--data", stored / "set", "--epochs", 2, "--emulate", "paper", "--out", tmp_path / "run") == 0
    assert load_card(tmp_path / "run").num_classes == 3
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4  # two epochs of 12 clips, 6 a step
    moved = tmp_path / "moved"
    shutil.copytree(stored / "set", moved)
    assert main(["--data", str(moved), "--out", str(tmp_path / "run"), "--resume"]) == 0


def test_a_set_that_has_moved_is_found_from_then_on(stored: Path, tmp_path: Path) -> None:
    """Also where the number of clips decides over which emulation comes in, and by --resume alone the next time."""
    there, moved, out = tmp_path / "set", tmp_path / "moved", tmp_path / "run"
    shutil.copytree(stored / "set", there)
    assert run("--data", there, "--steps", 1, "--emulate", "light", "--out", out) == 0
    there.rename(moved)
    resume = ["--resume", "--no-progress", "--out", str(out)]
    assert main([*resume, "--steps", "2"]) == 2
    assert main([*resume, "--steps", "2", "--data", str(moved)]) == 0
    moved.rename(there)
    (out / "weights.safetensors").unlink()
    assert main([*resume, "--data", str(there)]) == 0
    assert json.loads((out / "config.json").read_text())["config"]["data"] == str(there)
    (out / "weights.safetensors").unlink()
    assert main(resume) == 0


def test_a_mixture_tells_both_apart(stored: Path, tmp_path: Path) -> None:
    options = ["--classes", 4, "--videos", stored / "own", "--mix", 0.5, "--steps", 2]
    assert run(*options, "--out", tmp_path / "run") == 0
    assert load_card(tmp_path / "run").num_classes == 4 + 2


def test_own_videos_alone_without_labels(stored: Path, tmp_path: Path) -> None:
    for path in (stored / "own").rglob("*.mp4"):
        shutil.copy(path, tmp_path / f"{path.parent.name}-{path.name}")
    options = ["--videos", tmp_path, "--objective", "moco", "--moco.queue", 24, "--epochs", 3, "--classes", 4]
    assert run(*options, "--out", tmp_path / "run") == 0
    assert load_card(tmp_path / "run").num_classes == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4  # three epochs of 8 videos, 6 a step


def test_a_run_goes_on_with_the_clips_it_began_with(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "set"
    shutil.copytree(stored / "set", copied)
    assert run("--data", copied, "--steps", 1, "--out", tmp_path / "run") == 0
    config = SetConfig(clips=5, size=32, points=5000)
    generate(ClassBank.sample(3, seed=1), copied, config, workers=1, progress=False)
    resume = ["--resume", "--steps", "2", "--out", str(tmp_path / "run")]
    assert main(resume) == 2
    said = f"the clips in {copied} are not those that the run in {tmp_path / 'run'} began with: some were added"
    assert said in capsys.readouterr().err
    assert main([*resume, "--data", str(stored / "set")]) == 0


def test_a_run_goes_on_with_the_videos_it_began_with(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, alone = tmp_path / "own", tmp_path / "alone"
    shutil.copytree(stored / "own", own)
    options = ["--classes", 4, "--steps", 1, "--val-clips", 0]
    assert run(*options, "--videos", own, "--mix", 0.5, "--out", tmp_path / "run") == 0
    assert run(*options, "--out", alone) == 0
    added = own / "run" / "added.mp4"
    shutil.copy(next((own / "jump").glob("*.mp4")), added)
    resume = ["--resume", "--steps", "2", "--out", str(tmp_path / "run")]
    changed = f"the videos in {own} are not those that the run in"
    for given, said in [
        (resume, changed),
        (
            ["--resume", "--steps", "2", "--out", str(alone), "--videos", str(own), "--mix", "0.5"],
            f"{alone} began without --videos",
        ),
        (["--recipe", "small_cpu", "--classes", "4", *resume], f"began with --videos {own}: give it again"),
    ]:
        capsys.readouterr()
        assert main(given) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert said in told
        assert "found" not in told
    added.unlink()
    assert main(resume) == 0


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_weights_to_begin_with_are_looked_for_before_videos_are_decoded(
    more: list[str], stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def decode(*args: Any, **options: Any) -> None:
        raise AssertionError("videos were decoded")

    monkeypatch.setattr("fractalvid.pretrain.clips.videos.probe_all", decode)
    mixed = ["--videos", stored / "own", "--mix", 0.5, "--steps", 1, *more]
    for given, said in [
        ([*mixed, "--init", "nothere"], "no weights at nothere"),
        ([*mixed[:1], stored / "own" / "run", *mixed[2:]], "has no labels"),
    ]:
        assert run(*given, "--out", tmp_path / "run") == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_sets_colour_is_the_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = SetConfig(clips=2, size=32, points=5000, colour=ColourConfig(gamma=2))
    generate(ClassBank.sample(3, seed=1), tmp_path / "set", config, workers=1, progress=False)
    assert run("--data", tmp_path / "set", "--steps", 1, "--out", tmp_path / "run") == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["stream"]["colour"]["gamma"] == 2
    other = ["--data", tmp_path / "set", "--colour", "structural,gamma=3", "--steps", 1]
    assert run(*other, "--out", tmp_path / "other") == 2
    assert "a colour of their own" in capsys.readouterr().err


@pytest.mark.parametrize(("changed", "said"), [({"split": "val"}, "held-out"), ({"format": "png"}, "single frames")])
def test_what_is_not_to_be_trained_on(
    changed: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(SetConfig(clips=2, size=32, points=5000), **changed)
    generate(ClassBank.sample(3, seed=1), tmp_path / "set", config, workers=1, progress=False)
    assert run("--data", tmp_path / "set", "--steps", 1, "--out", tmp_path / "run") == 2
    assert said in capsys.readouterr().err


def test_in_mixtures_epochs_and_curricula_count_the_drawn_clips(stored: Path) -> None:
    engine = EngineConfig(epochs=2)
    stream = StreamConfig(emulate="paper")  # type: ignore[arg-type]
    alone = PretrainConfig(classes=50, batch_size=10, engine=engine, stream=stream, curriculum=0.5)
    mixed = replace(alone, videos=stored / "own", mix=0.75)
    assert (alone.an_epoch(), mixed.an_epoch()) == (50, 200)
    for config in (alone, mixed):
        emulate = config.streamed().emulate
        assert emulate is not None
        assert emulate.curriculum.samples == 50


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_clips_are_drawn_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--classes", 3, "--steps", 1]
    assert run(*options, "--out", tmp_path / "cpu") == 0
    assert run(*options, "--render-on", "cuda", "--out", tmp_path / "cuda") == 0
    assert "note: cuda is not there; the stream stays on the CPU" in capsys.readouterr().err
    one, other = (load_tensors(tmp_path / where) for where in ("cpu", "cuda"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "{set}", "--bank", "x.npz"], "bank belongs to the stream"),
        (["--data", "{set}", "--classes", "9"], "has 3 classes, not 9"),
        (["--data", "{own}"], "no generated set"),
        (["--mix", "0.5"], "--videos"),
        (["--videos", "{own}"], "labels of one's own videos alone"),
        (["--videos", "{own}", "--mix", "1.5"], "between 0 and 1"),
        (["--videos", "{own}", "--mix", "0.5", "--aux-mask", "1"], "aux-mask"),
        (["--videos", "{own}/run", "--mix", "0.5"], "no labels"),
        (["--videos", "nowhere", "--mix", "0.5"], "no folder"),
        (["--videos", "{own}", "--objective", "moco", "--data", "{set}"], "data belongs to fractals"),
        (["--monitors", "depth"], "depth"),
        (["--monitor-clips", "4"], "belong to --monitors"),
        (["--epoch-clips", "4"], "not in --epochs"),
        (["--videos", "{own}", "--objective", "byol", "--emulate", "paper,samples=9"], "belongs to fractals"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], said: str, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [option.format(set=stored / "set", own=stored / "own") for option in options]
    assert run("--steps", 1, *given, "--out", tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
