"""Sweeps with trainings that are pretended, and one with a tiny network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.cli.sweep import split_axes
from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.results.folder import METRICS, VALIDATION, claim_folder
from fractalvid.finetune.results.read import read_run
from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, save_checkpoint
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import command, folder_set

FOUND = {0.1: 40.0, 0.2: 60.0, 0.3: 60.0, 0.4: 50.0}
"""Rate -> what a pretended training comes to on validation videos; others diverge."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set", train=6)


class Trainer:
    """What was trained and tested, without training anything; after `until` trainings comes Ctrl-C."""

    def __init__(self) -> None:
        self.trained: list[float] = []
        self.tested: list[float] = []
        self.until = 100

    def validate(self, data: Any, plan: Plan, *, out: Path, **_: Any) -> None:
        if len(self.trained) == self.until:
            raise KeyboardInterrupt
        claim_folder(out, plan)
        self.trained.append(plan.recipe.lr)
        save_checkpoint(out / CHECKPOINT, {"step": 1})
        if plan.recipe.lr not in FOUND:
            raise UserError("the weights are not finite: training has diverged")
        write(out / VALIDATION, FOUND[plan.recipe.lr] + plan.seed)

    def transfer(self, data: Any, plan: Plan, *, out: Path, **_: Any) -> None:
        assert (out / CHECKPOINT).exists()
        self.tested.append(plan.recipe.lr)
        write(out / METRICS, 30.0)


def write(path: Path, top1: float) -> None:
    path.write_text(json.dumps({"top1": top1, "top5": 100.0, "mean_class": top1}))


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr("fractalvid.finetune.sweep.run.validate", made.validate)
    monkeypatch.setattr("fractalvid.finetune.sweep.run.transfer", made.transfer)
    return made


@pytest.fixture
def sweep(data: Path, tmp_path: Path) -> Callable[..., int]:
    out = tmp_path / "out"

    def run(*words: object) -> int:
        given = ["sweep", "--target", "folder", "--data", data, "--val-share", 0.4, "--val-by", "file", "--out", out]
        return command(*given, *words, cache=tmp_path / "cache")

    return run


def result(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "out" / "sweep.json").read_text())
    return content


def test_the_best_on_validation_videos_is_tested_once(
    trainer: Trainer, sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--lr", 0.1, 0.2, 9, 0.3) == 0
    assert (trainer.trained, trainer.tested) == ([0.1, 0.2, 9.0, 0.3], [0.2])
    told = result(tmp_path)
    assert told["best"]["values"] == {"lr": 0.2}
    assert told["best"]["test"]["top1"]["mean"] == 30.0
    assert [row["status"] for row in told["rows"]] == ["finished", "finished", "failed", "finished"]
    assert "diverged" in told["rows"][2]["reason"]
    assert (told["chosen_by"]["side"], told["settings_tested"]) == ("val", 1)
    text = capsys.readouterr().out
    assert "Best of 3: lr 0.2" in text
    assert "looked at once, at the end, by the best alone" in text
    assert (tmp_path / "out" / "sweep.png").stat().st_size > 1000
    kept = {path.parents[1].name for path in (tmp_path / "out").rglob(CHECKPOINT)}
    assert kept == {"lr-0.2", "lr-9"}  # of those that are beaten nothing large is left
    assert sweep("--lr", 0.1, 0.2, 9, 0.3) == 0
    assert (len(trainer.trained), trainer.tested) == (4, [0.2])
    assert sweep("--lr", 0.1, 0.2, 9, 0.3, "--retry-failed") == 0
    assert trainer.trained == [0.1, 0.2, 9.0, 0.3, 9.0]


def test_ctrl_c_loses_the_run_in_flight_alone(trainer: Trainer, sweep: Callable[..., int], tmp_path: Path) -> None:
    trainer.until = 2
    assert sweep("--lr", 0.1, 0.2, 0.4) == 130
    assert [row["status"] for row in result(tmp_path)["rows"]] == ["finished", "finished", "to come"]
    trainer.until = 100
    assert sweep("--lr", 0.1, 0.2, 0.4) == 0
    assert (trainer.trained, trainer.tested) == ([0.1, 0.2, 0.4], [0.2])


def test_a_grid_may_grow_and_says_how_often_test_videos_were_looked_at(
    trainer: Trainer, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--lr", 0.1, 0.4, "--no-test") == 0
    assert trainer.tested == []
    assert sweep("--lr", 0.1, 0.4) == 0
    assert sweep("--lr", 0.1, 0.4, 0.2) == 0
    assert (trainer.trained, trainer.tested) == ([0.1, 0.4, 0.2], [0.4, 0.2])
    assert "looked at by 2 cells" in capsys.readouterr().out


def test_cells_of_earlier_grids_were_looked_at_too(
    trainer: Trainer, sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--lr", 0.1, 0.2) == 0
    assert sweep("--lr", 0.1, 0.4) == 0
    assert trainer.tested == [0.2, 0.4]
    assert result(tmp_path)["settings_tested"] == 2
    assert "looked at by 2 cells" in capsys.readouterr().out


def test_what_has_lost_its_checkpoint_is_said_to_be_trained_again(
    trainer: Trainer, sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--lr", 0.1, 0.2) == 0
    assert "is trained again" not in capsys.readouterr().out
    monkeypatch.setattr("fractalvid.finetune.sweep.run.transfer", lambda *_, out, **__: write(out / METRICS, 30.0))
    assert sweep("--lr", 0.1, 9) == 0  # what was beaten is the best of these
    assert "lr-0.1_seed-0 is trained again" in capsys.readouterr().out


def test_seeds_decide_together(trainer: Trainer, sweep: Callable[..., int], tmp_path: Path) -> None:
    assert sweep("--lr", 0.1, 0.4, "--seeds", 0, 2) == 0
    row = result(tmp_path)["rows"][1]
    assert (row["validation"]["top1"]["mean"], row["validation"]["top1"]["n"]) == (51.0, 2)
    assert trainer.tested == [0.4, 0.4]


def test_nothing_that_succeeds_is_an_error(
    trainer: Trainer, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--lr", 8, 9) == 2
    assert "no cell of the sweep has succeeded; the first failed by: the weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "no setting has several values"),
        ("--lr 0.1 0.1", "lr names 0.1 twice"),
        ("--lr 0.1 0", "--lr is 0"),
        ("--lr 0.1 0.2 --lr 0.3 0.4", "--lr stands there twice"),
        ("--grid nosuch", "there is no grid 'nosuch'"),
        ("--lr 0.1 --grid synapt_r50_transfer", "the grid has values of lr, and the command line another"),
        ("--lr 0.1 0.2 --seeds 1 1", "--seeds names something twice"),
        ("--lr 0.1 0.2 --jobs 0", "--jobs must be"),
        ("--lr 0.1 0.2 --shots 9", "--shots is 9: class"),
    ],
)
def test_mistakes_show_before_anything_runs(
    words: str, message: str, data: Path, tmp_path: Path, trainer: Trainer, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"sweep --target folder --data {data} --val-share 0.4 --val-by file --out {tmp_path / 'out'} --no-progress"
    assert main([*given.split(), "--cache-dir", str(tmp_path / "cache"), *words.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert [line for line in error.splitlines() if "error" in line] == [error.splitlines()[-1]]
    assert not (tmp_path / "out").exists()
    assert trainer.trained == []


def test_a_sweep_needs_validation_videos(
    data: Path, tmp_path: Path, trainer: Trainer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"sweep --target folder --data {data} --out {tmp_path / 'out'} --lr 0.1 0.2"
    assert command(*words.split(), cache=tmp_path / "c") == 2
    assert "a sweep chooses by validation videos, and there are none" in capsys.readouterr().err
    whole = ["sweep", "--target", "folder", "--data", data / "train", "--val-share", "0.3", "--val-by", "file"]
    assert command(*whole, "--out", tmp_path / "out", "--lr", 0.1, 0.2, cache=tmp_path / "c") == 2
    assert "has no test videos of its own" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_settings_and_damaged_rows_are_refused(
    trainer: Trainer, sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--lr", 0.1, 0.2) == 0
    capsys.readouterr()
    assert sweep("--lr", 0.1, 0.2, "--dropout", 0.5) == 2
    assert "was begun with other settings (dropout: 0.0, not 0.5)" in capsys.readouterr().err
    broken = tmp_path / "out" / "runs" / "lr-0.1" / "seed-0" / VALIDATION
    broken.write_text("{")
    assert sweep("--lr", 0.1, 0.2) == 2
    assert f"remove {broken.parent} to run it again" in capsys.readouterr().err
    assert len(trainer.trained) == 2


def test_options_with_several_values_are_axes() -> None:
    words = "--lr 1e-4 5e-4 --seeds 0 1 --augment.crop-scale 0.2 1 --batch-size 8 --arch r3d_10 r3d_18 --settle"
    rest, axes, fixed = split_axes(words.split())
    assert axes == {"lr": [1e-4, 5e-4], "model": ["r3d_10", "r3d_18"]}
    assert rest == ["--seeds", "0", "1", "--augment.crop-scale", "0.2", "1", "--batch-size", "8", "--settle"]
    assert fixed == {"batch_size"}
    rest, axes, fixed = split_axes(["--lr=1e-4", "5e-4", "1e-3", "--batch-size=8", "--out=a=b"])
    assert axes == {"lr": [1e-4, 5e-4, 1e-3]} and fixed == {"batch_size"}
    assert rest == ["--batch-size=8", "--out=a=b"]


def test_a_tiny_sweep_from_end_to_end(sweep: Callable[..., int], tmp_path: Path) -> None:
    assert sweep("--lr", 1e-3, 1e-2) == 0
    told = result(tmp_path)
    best = tmp_path / "out" / "runs" / f"lr-{told['best']['values']['lr']:g}" / "seed-0"
    run = read_run(best)
    assert run.metrics["side"] == "test"
    assert run.metrics["validation"]["top1"] == told["rows"][told["best"]["row"]]["validation"]["top1"]["mean"]
    assert len(list((tmp_path / "out").rglob(METRICS))) == 1
