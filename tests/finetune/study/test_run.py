"""Studies with pre-trainings and transfers that are pretended, and one that is real and tiny."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.results.folder import METRICS, claim_folder
from fractalvid.finetune.study.plan import Cell
from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.engine import CHECKPOINT
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.recipes import to_json
from fractalvid.pretrain.run import WEIGHTS, PretrainConfig
from fractalvid.pretrain.run.folder import begin_run
from fractalvid.pretrain.weights.cards import Card, save_weights
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import folder_set

GRID = """
axis = "classes"
values = [2, 3, { start = "scratch" }]
pretrain_seeds = [0, 1]
[pretrain]
arch = "r3d_10"
batch_size = 4
val_clips = 2
[pretrain.stream]
clip_len = 2
size = 16
points = 100
[pretrain.engine]
steps = 2
tensorboard = false
[finetune]
epochs = 1
batch_size = 4
views = 1
frame_stride = 1
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set", train=2, test=1)


class Trainer:
    """What was pre-trained and transferred, without training anything; after `until` of them comes Ctrl-C."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.resumed: list[str] = []
        self.until = 100
        self.diverges = ""

    def pretrain(self, config: PretrainConfig, out: Path, *, resume: bool = False, **_: Any) -> None:
        if not resume:
            begin_run(out, to_json(config))
        self.resumed += [f"{config.classes} {config.seed}"] * (out / CHECKPOINT).exists()
        self._note(f"{config.classes} {config.seed}")
        stream = config.stream
        card = Card(config.arch, 2, stream.clip_len, stream.size, 2, None, None, config.seed, 1, metrics={"top1": 0.5})
        number = (config.classes or 0) + 10 * config.seed
        save_weights(out / WEIGHTS, build_model(config.arch, 2, seed=number), card)

    def transfer(self, data: Any, plan: Plan, *, out: Path, **_: Any) -> None:
        self._note(f"{plan.init.label} {plan.recipe.mode} {plan.seed}")
        claim_folder(out, plan)
        (out / METRICS).write_text(json.dumps(metrics_of(plan)))

    def _note(self, what: str) -> None:
        if len(self.done) == self.until:
            raise KeyboardInterrupt
        self.done.append(what)
        if what == self.diverges:
            raise UserError("the weights are not finite: training has diverged")


def metrics_of(plan: Plan) -> dict[str, Any]:
    """What a transfer would have said."""
    top1 = 50.0 + 5 * (plan.init.label == "3")
    told = {"top1": top1, "top5": 100.0, "mean_class": top1, "init": asdict(plan.init), "precision": "fp32"}
    same = {name: getattr(plan, name) for name in ("target", "split", "seed")}
    names = "mode metric epochs batch_size lr optimizer model views crops sampling voting settle standardise"
    recipe = {name: getattr(plan.recipe, name) for name in names.split()}
    clip = {name: getattr(plan.recipe, name) for name in ("clip_len", "frame_stride", "size")}
    videos = {"train": 4, "val": 0, "test": 2, "missing": 0, "skipped": 0}
    return told | same | recipe | {"classes": 2, "videos": videos, "clip": clip, "frames": "2 videos, whole"}


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr("fractalvid.finetune.study.run.pretrain", made.pretrain)
    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", made.transfer)
    for report in ("report.draw_study", "run.write_comparison"):  # which take a second each
        monkeypatch.setattr(f"fractalvid.finetune.study.{report}", lambda *_: None)
    return made


@pytest.fixture
def study(data: Path, tmp_path: Path) -> Callable[..., int]:
    (tmp_path / "grid.toml").write_text(GRID)

    def run(*words: object, axis: str = "classes") -> int:
        given = ["study", axis, tmp_path / "grid.toml", "--target", "folder", "--data", data, "--out", tmp_path / "out"]
        machine = ["--cache-dir", tmp_path / "cache", "--no-progress", "--device", "cpu"]
        return main([str(word) for word in (*given, *machine, *words)])

    return run


def result(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "out" / "study.json").read_text())
    return content


FIRST = ["scratch full 0", "scratch linear 0"]
SEED_0 = ["2 0", "2 full 0", "2 linear 0", "3 0", "3 full 0", "3 linear 0"]
SEED_1 = ["2 1", "2 full 0", "2 linear 0", "3 1", "3 full 0", "3 linear 0"]


def test_every_column_is_pretrained_with_every_seed_and_transferred(
    trainer: Trainer, study: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study() == 0
    assert trainer.done == FIRST + SEED_0 + SEED_1
    told = result(tmp_path)
    assert len(told["rows"]) == 10
    assert {row["status"] for row in told["rows"]} == {"finished"}
    modes = told["columns"][1]["modes"]
    assert (modes["full"]["mean"], modes["full"]["runs"]) == (55.0, 2)
    assert [one["metrics"]["top1"] for one in told["pretrainings"]] == [0.5] * 4
    out = capsys.readouterr().out
    assert "2 pre-trainings of each column, all of 2 steps of 4, 8 clips" in out
    assert "8 clips" in (tmp_path / "out" / "study.md").read_text()


def test_ctrl_c_loses_what_is_in_flight_alone_and_columns_may_be_added(
    trainer: Trainer, study: Callable[..., int], tmp_path: Path
) -> None:
    for until in (3, 7):
        trainer.until = until
        assert study() == 130
    states = [row["status"] for row in result(tmp_path)["rows"]]
    assert states == ["finished"] * 5 + ["to come"] * 5
    trainer.until = 100
    assert study() == 0
    assert trainer.done == FIRST + SEED_0 + SEED_1
    grid = tmp_path / "grid.toml"
    grid.write_text(GRID.replace("[2, 3,", "[2, 3, 4,"))
    assert study("--pretrain-seeds", 0) == 0
    assert trainer.done[14:] == ["4 0", "4 full 0", "4 linear 0"]


def test_what_diverges_is_a_row_with_its_reason(
    trainer: Trainer, study: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.diverges = "2 1"
    assert study() == 0
    rows = [row for row in result(tmp_path)["rows"] if row["status"] == "failed"]
    assert [(row["column"], row["pretrain_seed"], row["mode"]) for row in rows] == [
        ("2", 1, "full"),
        ("2", 1, "linear"),
    ]
    assert "2_pretraining-1_seed-0: the weights are not finite" in capsys.readouterr().out
    before = len(trainer.done)
    assert study() == 0
    assert len(trainer.done) == before
    trainer.diverges = "2 full 0"
    assert study("--retry-failed") == 0
    assert trainer.done[before:] == ["2 1", "2 full 0", "2 linear 0"]
    assert [row["mode"] for row in result(tmp_path)["rows"] if row["status"] == "failed"] == ["full"]


def test_only_what_has_failed_begins_anew(trainer: Trainer, study: Callable[..., int], tmp_path: Path) -> None:
    """A pre-training that was interrupted goes on from its checkpoint, whatever another one came to."""
    trainer.diverges = "2 1"
    assert study("--pretrain-seeds", 0, 1) == 0
    for column in ("2", "3"):
        folder = tmp_path / "out" / "pretrain" / column / "seed-1"
        (folder / CHECKPOINT).touch()
        (folder / WEIGHTS).unlink(missing_ok=True)
    shutil.rmtree(tmp_path / "out" / "transfer" / "pretraining-1" / "3")
    trainer.diverges = ""
    assert study("--retry-failed") == 0
    assert {"2 1", "3 1"} <= set(trainer.done[-6:]) and trainer.resumed == ["3 1"]


def test_a_study_of_an_earlier_version_goes_on(trainer: Trainer, study: Callable[..., int], tmp_path: Path) -> None:
    assert study("--pretrain-seeds", 0) == 0
    told = result(tmp_path)
    del told["settings"]["columns"]["2"]["grow"], told["settings"]["recipes"]["full"]["cutmix"]
    (tmp_path / "out" / "study.json").write_text(json.dumps(told))
    assert study("--pretrain-seeds", 0) == 0
    assert len(trainer.done) == 8


def test_how_the_data_folder_is_written_makes_no_difference(
    trainer: Trainer, study: Callable[..., int], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study("--pretrain-seeds", 0) == 0
    told = result(tmp_path)
    monkeypatch.chdir(data.parent)
    for kept in (told["settings"]["target"]["data"], data.name):  # earlier versions kept what was written
        told["settings"]["target"]["data"] = kept
        (tmp_path / "out" / "study.json").write_text(json.dumps(told))
        for now in (data, data.name, f"../{data.parent.name}/{data.name}"):
            assert study("--pretrain-seeds", 0, "--data", now) == 0
    assert len(trainer.done) == 8
    assert study("--pretrain-seeds", 0, "--data", folder_set(tmp_path / "other", train=2, test=1)) == 2


def test_targets_share_pretrainings(trainer: Trainer, study: Callable[..., int], tmp_path: Path) -> None:
    assert study("--pretrainings", tmp_path / "shared", "--pretrain-seeds", 0) == 0
    assert trainer.done == FIRST + SEED_0
    words = ["--pretrainings", tmp_path / "shared", "--pretrain-seeds", 0, "--out", tmp_path / "other"]
    assert study(*words) == 0
    assert trainer.done[8:] == [*FIRST, "2 full 0", "2 linear 0", "3 full 0", "3 linear 0"]


@pytest.mark.parametrize(
    ("other", "name"),
    [("classes = 3", "classes"), ('classes = 2, kind = "shapes"', "kind"), ('bank = "bank.npz"', "bank")],
)
def test_pretrainings_of_other_clips_are_not_shared(
    other: str,
    name: str,
    trainer: Trainer,
    study: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ClassBank.sample(2, seed=0).save("bank.npz")
    words = ["--pretrainings", tmp_path / "shared", "--pretrain-seeds", 0]
    for settings, out, code in (("classes = 2", "one", 0), ("classes = 2", "two", 0), (other, "three", 2)):
        column = f'values = [{{ label = "a", {settings} }}]'
        (tmp_path / "grid.toml").write_text(GRID.replace('values = [2, 3, { start = "scratch" }]', column))
        assert study(*words, "--out", tmp_path / out) == code
    assert f"was begun with other settings ({name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 1", "epochs = 2", "holds a study with other settings (epochs of full; epochs of linear)"),
        ("steps = 2", "steps = 3", "holds a study with other settings (engine.steps of 2; engine.steps of 3)"),
    ],
)
def test_another_study_in_the_folder_is_refused(
    old: str,
    new: str,
    message: str,
    trainer: Trainer,
    study: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert study("--pretrain-seeds", 0) == 0
    (tmp_path / "grid.toml").write_text(GRID.replace(old, new))
    assert study("--pretrain-seeds", 0) == 2
    assert message in capsys.readouterr().err
    assert len(trainer.done) == 8


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("out/pretrain/2/seed-0/config.json", "{", "remove {} to run it again"),
        ("out/pretrain/2/seed-0/weights.json", "{", "weights.json is damaged"),
        ("out/transfer/pretraining-0/2/seed-0/metrics.json", "{}", "remove {} to run it again"),
        ("out/study.json", '{"what": "a study"}', "is damaged (no settings)"),
        ("out/study.json", '{"what": "a sweep"}', "is not that of a study"),
    ],
)
def test_damaged_folders_are_named_before_anything_runs(
    file: str,
    text: str,
    message: str,
    trainer: Trainer,
    study: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert study("--pretrain-seeds", 0) == 0
    (tmp_path / file).write_text(text)
    assert study() == 2
    assert message.format((tmp_path / file).parent) in capsys.readouterr().err
    assert len(trainer.done) == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seeds 0 0", "--seeds names something twice"),
        ("--pretrain-seeds -1", "--pretrain-seeds is -1"),
        ("--splits 1", "has no splits or folds"),
        ("--jobs 0", "--jobs must be"),
        ("--device cuda:7", "is not there"),
    ],
)
def test_mistakes_show_before_anything_runs(
    words: str, message: str, trainer: Trainer, study: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(*words.split()) == 2
    assert message in capsys.readouterr().err
    assert trainer.done == []


def test_an_axis_of_another_grid_is_refused(study: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert study(axis="kinds") == 2
    assert "is one of classes: say finetune study classes" in capsys.readouterr().err


def test_a_dry_run_tells_the_plan_and_leaves_nothing(
    study: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fractalvid.finetune.study.dryrun.probed", lambda *_: Probe())
    assert study("--dry-run") == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines()[1:])
    assert lines["columns"] == "2, 3, scratch"
    assert lines["pre-trainings"] == "4, seeds 0 1; 0 there"
    assert lines["transfers"] == "10, full and linear, 1 seed; 0 there"
    assert lines["videos"] == "4 to train on, 2 to test, 2 classes"
    assert lines["pre-training"] == "3: 2 steps of 4, 8 clips, 2 s each, at 4 clips a second"
    assert lines["time"].startswith("about 8 s of pre-training and ")
    assert not (tmp_path / "out").exists()


class Probe:
    finished = True
    settling = 1
    rows = ({"clips_per_s": math.nan}, {"clips_per_s": 4.0})


def test_names_of_cells_tell_them_apart(tmp_path: Path) -> None:
    from fractalvid.finetune.study import Column

    column = Column("a", PretrainConfig())
    names = {Cell(column, None).name, Cell(column, 0).name, Cell(column, 1).name}
    assert len(names) == 3


def test_a_tiny_study_from_end_to_end(study: Callable[..., int], tmp_path: Path) -> None:
    grid = GRID.replace("values = [2, 3,", "modes = ['linear']\nvalues = [2,").replace("[0, 1]", "[0]")
    (tmp_path / "grid.toml").write_text(grid)
    assert study() == 0
    told = result(tmp_path)
    assert [(row["column"], row["status"]) for row in told["rows"]] == [("scratch", "finished"), ("2", "finished")]
    assert told["columns"][0]["modes"]["linear"]["interval"] is not None
    assert told["pretrainings"][0]["seconds"] > 0
    assert (tmp_path / "out" / "study.png").stat().st_size > 1000
    assert "| scratch " in (tmp_path / "out" / "comparison.md").read_text()


@pytest.mark.parametrize("help_option", ["--help", "--help-all"])
def test_help_asks_for_no_target_since_grids_name_one(help_option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", help_option]) == 0
    shown = capsys.readouterr().out
    assert "AXIS GRID" in shown
    assert "AXIS GRID --target" not in shown
    assert "required" not in shown.partition("--target STR")[2].partition("--data")[0]
