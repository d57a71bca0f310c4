import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.recipes.recipe import Mode, Recipe
from fractalvid.finetune.results.folder import claim_folder
from fractalvid.finetune.run.compare import parse_initials, plan_jobs, recipes_for_modes, same_shape
from fractalvid.finetune.run.jobs import Job
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import open_data
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, save_checkpoint
from fractalvid.pretrain.machine.devices import PrecisionName
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from fractalvid.pretrain.weights.initial import Initial
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import command, folder_set, metrics, put


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set", train=2, test=1)


def write_table(data: Path, path: Path, *, swap: bool = False) -> Path:
    """Folds of three in two columns; with `swap` two videos of different classes have each other's label."""
    videos = sorted(data.rglob("*.mp4"))
    labels = [video.parent.name for video in videos]
    if swap:
        labels[0], labels[-1] = labels[-1], labels[0]
    lines = [
        f"{video.relative_to(data).as_posix()},{label},{k % 3},{k // 2}"
        for k, (video, label) in enumerate(zip(videos, labels, strict=True))
    ]
    path.write_text("\n".join(["path,label,fold3,other3", *lines]) + "\n")
    return path


def never(*args: object, **kwargs: object) -> None:
    raise AssertionError("nothing was to run")


def test_a_finished_run_is_not_reused_for_other_videos(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = write_table(data, tmp_path / "t.csv"), tmp_path / "out"
    args = ["compare", "--target", "folder", "--data", data, "--csv", table, "--out", out, "--folds", "0"]
    assert command(*args, "--fold-column", "fold3", cache=tmp_path / "c") == 0
    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", never)
    capsys.readouterr()
    assert command(*args, "--fold-column", "other3", cache=tmp_path / "c") == 2
    assert "begun with other settings (columns fold: fold3, not other3)" in capsys.readouterr().err
    write_table(data, table, swap=True)
    assert command(*args, "--fold-column", "fold3", cache=tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "the list of videos, their labels, sides or groups changed" in error
    assert error.count("\n") == 1


def test_a_finished_run_is_not_reused_for_replaced_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = folder_set(tmp_path / "set", train=2, test=1), tmp_path / "out"
    args = ["compare", "--target", "folder", "--data", data, "--out", out, "--seeds", "0"]
    assert command(*args, cache=tmp_path / "c") == 0
    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", never)
    monkeypatch.setattr("fractalvid.finetune.run.compare.write_comparison", lambda *_: "")
    file = data / "train" / "dark" / "0.mp4"
    file.touch()
    assert command(*args, cache=tmp_path / "c") == 0  # when it was made says nothing
    put(file, 31)
    capsys.readouterr()
    assert command(*args, cache=tmp_path / "c") == 2
    assert "the files of the videos changed, in their frames or their size" in capsys.readouterr().err
    run = out / "scratch" / "seed-0" / "config.json"
    settings = json.loads(run.read_text())
    assert len(settings.pop("files_digest")) == 32
    run.write_text(json.dumps(settings))
    assert command(*args, cache=tmp_path / "c") == 0  # a run of a version that did not keep it


@pytest.mark.parametrize(
    ("words", "message"),
    [("--folds 0 1 9", "no fold '9' in fold3"), ("--folds 0 1 --shots 3", "--shots is 3: class")],
)
def test_all_folds_are_listed_before_the_first_is_run(
    words: str,
    message: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", never)
    table = write_table(data, tmp_path / "t.csv")
    args = ["compare", "--target", "folder", "--data", data, "--csv", table, "--fold-column", "fold3"]
    assert command(*args, "--out", tmp_path / "out", *words.split(), cache=tmp_path / "c") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_each_split_is_listed_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.finetune.run.pipeline.read_videos", never)
    args = ["compare", "--target", "folder", "--data", data, "--out", tmp_path / "out"]
    assert command(*args, cache=tmp_path / "c") == 0
    config = json.loads((tmp_path / "out" / "scratch" / "seed-0" / "config.json").read_text())
    assert len(config["videos_digest"]) == 32
    assert config["columns"] is None


def test_networks_that_weights_fix_are_not_to_be_set() -> None:
    inits = [Initial(name, "weights", model=name, clip_len=8, size=64) for name in ("r3d_10", "r3d_18")]
    with pytest.raises(UserError, match=r"differ in model \(r3d_10, r3d_18\): compare those of one network") as caught:
        same_shape(Recipe(), inits)
    assert "--model" not in str(caught.value)


def test_both_modes_come_from_one_command(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    args = ["compare", "--target", "folder", "--data", data, "--out", out]
    assert command(*args, cache=tmp_path / "c") == 0  # fine-tuning alone, and later the probe beside it
    begun = (out / "scratch" / "seed-0" / "metrics.json").stat().st_mtime_ns
    both = [*args, "--modes", "linear", "full", "--linear-lr", 0.25]
    assert command(*both, cache=tmp_path / "c") == 0
    assert (out / "scratch" / "seed-0" / "metrics.json").stat().st_mtime_ns == begun
    configs = [json.loads((out / "scratch" / name / "config.json").read_text()) for name in ("seed-0", "linear_seed-0")]
    assert [(config["mode"], config["lr"]) for config in configs] == [("full", 1e-3), ("linear", 0.25)]
    saved = json.loads((out / "comparison.json").read_text())
    assert [entry["mode"] for entry in saved["initialisations"]] == ["full", "linear"]
    monkeypatch.setattr("fractalvid.finetune.run.jobs.transfer", never)
    assert command(*both, cache=tmp_path / "c") == 0
    gathered = ["compare", "--runs", f"mine={out / 'scratch'}", "--out", f"{tmp_path / 'gathered'}"]
    assert main(gathered) == 0
    text = (tmp_path / "gathered" / "comparison.md").read_text()
    assert "| initialisation | Fine-tuning (top-1, %) | Linear probe (top-1, %) |" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--modes full full", "--modes names something twice"),
        ("--modes full --linear-lr 0.1", "--linear-lr is the learning rate of --modes linear"),
        ("--mode linear --linear-lr 0.1", "--linear-lr is the learning rate of --modes linear"),
        ("--modes linear --linear-lr 0", "--lr is 0"),
        ("--modes full --mode linear", "exclude each other"),
        ("--modes half", "--modes"),
    ],
)
def test_modes_that_cannot_be_are_one_line(
    words: str, message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["compare", "--target", "folder", "--data", data, "--out", tmp_path / "out", *words.split()]
    assert main([str(word) for word in args]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def begin(data: Path, out: Path, *modes: Mode, precision: PrecisionName = "auto") -> list[Job]:
    """Begin the runs of a comparison of these modes."""
    jobs = plan_jobs(
        open_data(TargetOptions("folder", data), Machine(progress=False)),
        recipes_for_modes(Recipe(precision=precision), modes, None),
        [Initial("scratch", "scratch")],
        splits=(None,),
        seeds=(0,),
        allow_missing=False,
        out=out,
    )
    for job in jobs:
        claim_folder(job.out, job.plan)
    return jobs


def names(jobs: list[Job]) -> list[str]:
    """The names of their folders."""
    return [job.out.name for job in jobs]


@pytest.mark.parametrize("first", ["linear", "full"])
def test_runs_of_one_mode_are_found_beside_both_and_alone(first: Mode, data: Path, tmp_path: Path) -> None:
    alone = ["seed-0" if first == "full" else "linear_seed-0"]
    assert names(begin(data, tmp_path, first)) == alone
    assert names(begin(data, tmp_path, "full", "linear")) == ["seed-0", "linear_seed-0"]
    assert names(begin(data, tmp_path, first)) == alone


def test_a_run_that_was_begun_goes_on_in_what_auto_came_to(data: Path, tmp_path: Path) -> None:
    (begun,) = begin(data, tmp_path, "full")
    save_checkpoint(begun.out / CHECKPOINT, {"precision": "fp32"})
    (again,) = begin(data, tmp_path, "full", precision="fp32")
    assert again.plan == begun.plan
    with pytest.raises(UserError, match="precision: auto, not bf16"):
        begin(data, tmp_path, "full", precision="bf16")


def test_precisions_are_not_mixed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    args = ["compare", "--target", "folder", "--data", data, "--out", out, "--seeds"]
    monkeypatch.setattr("fractalvid.pretrain.machine.precision.computes_bf16", lambda: False)
    assert command(*args, 0, cache=tmp_path / "c") == 0
    assert metrics(out / "scratch" / "seed-0")["precision"] == "fp32"
    monkeypatch.setattr("fractalvid.pretrain.machine.precision.computes_bf16", lambda: True)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.finetune.run.jobs.transfer", never)
        assert command(*args, 0, 1, cache=tmp_path / "c") == 2
        error = capsys.readouterr().err
        assert "were trained in fp32 and those to come would be in bf16" in error
        assert "give --precision fp32, or choose another --out" in error
        assert error.count("\n") == 1
        assert command(*args, 0, "--precision", "bf16", cache=tmp_path / "c") == 2
        assert "begun with other settings (precision: auto, not bf16)" in capsys.readouterr().err
    assert command(*args, 0, 1, "--precision", "fp32", cache=tmp_path / "c") == 0
    made = [json.loads((out / "scratch" / f"seed-{seed}" / "config.json").read_text()) for seed in (0, 1)]
    assert [config["precision"] for config in made] == ["auto", "fp32"]


def test_a_full_disk_is_told_in_the_options_of_the_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise UserError("can't write checkpoint.pt: No space left on device")

    monkeypatch.setattr("fractalvid.pretrain.engine.checkpoint.write_with", full)
    said = []
    for words in (["compare", "--out", tmp_path / "a"], ["--out", tmp_path / "b"]):
        assert command(*words, "--target", "folder", "--data", data, cache=tmp_path / "c") == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
    told = "make room, then the same command{} goes on from the last checkpoint, if there is one"
    assert [line.partition("; ")[2] for line in said] == [told.format(""), told.format(" with --resume")]


def weights_of(folder: Path, seed: int) -> Path:
    folder.mkdir(parents=True)
    card = Card("r3d_10", 5, 2, 16, 2, None, None, seed, 1)
    save_weights(folder / "weights.safetensors", build_model("r3d_10", 5, seed=seed), card)
    return folder


def test_several_pre_trainings_are_one_row(data: Path, tmp_path: Path) -> None:
    table, out = write_table(data, tmp_path / "t.csv"), tmp_path / "out"
    row = ",".join(str(weights_of(tmp_path / name, seed)) for seed, name in enumerate(("s0", "s1")))
    args = ["compare", "--target", "folder", "--data", data, "--csv", table, "--fold-column", "fold3", "--folds", 0, 1]
    assert command(*args, "--out", out, "--init", "scratch", f"fractal={row}", cache=tmp_path / "c") == 0
    saved = json.loads((out / "comparison.json").read_text())
    assert [(entry["label"], entry["top1"]["n"]) for entry in saved["initialisations"]] == [
        ("scratch", 2),
        ("fractal", 4),
    ]
    top1 = {
        label: [
            [r["metrics"]["top1"] for r in saved["runs"] if (r["label"], r["split"]) == (label, fold)] for fold in "01"
        ]
        for label in ("scratch", "fractal")
    }
    assert [len(each) for each in top1["fractal"]] == [2, 2]
    folds = [fmean(b) - fmean(a) for a, b in zip(top1["scratch"], top1["fractal"], strict=True)]
    (compared,) = saved["comparisons"]
    assert (compared["unit"], compared["difference"]["n"]) == ("fold", 2)
    assert compared["difference"]["mean"] == pytest.approx(fmean(folds))
    assert len(compared["pairs"]) == 4
    text = (out / "comparison.md").read_text()
    assert "4 of 2 pre-trainings" in text
    for setting in ("settle", "lr", "final_lr", "augment.magnitude"):
        assert re.search(rf"^\| {re.escape(setting)} +\|", text, re.M)
    # Gathered again from their folders, under one name.
    again = ["compare", "--runs", f"both={out / 'fractal'}", out / "scratch", "--out", tmp_path / "again"]
    assert main([*map(str, again)]) == 0
    assert "4 of 2 pre-trainings" in (tmp_path / "again" / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("{a},{b}", "need a name; say LABEL={a},{b}"),
        ("x={a},{a}", "the same weights stand there twice"),
        ("x={a},scratch", "a row of several pre-trainings takes files of weights"),
        ("x={a},{a}/nothing", "--init 'x={a}/nothing': "),
    ],
)
def test_rows_that_cannot_be_are_explained(init: str, message: str, tmp_path: Path) -> None:
    names = {name: str(weights_of(tmp_path / name, seed)) for seed, name in enumerate("ab")}
    with pytest.raises(UserError, match=re.escape(message.format(**names))):
        parse_initials([init.format(**names)])


def test_a_comma_in_a_path_is_no_list(tmp_path: Path) -> None:
    folder = weights_of(tmp_path / "s0,s1", 0)
    for text in (str(folder), f"x={folder}"):
        assert len(parse_initials([text])) == 1


def test_runs_at_a_time_are_those_that_come_one_after_the_other(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["compare", "--target", "folder", "--data", data, "--seeds", "0", "1", "--out"]
    assert command(*args, tmp_path / "one", cache=tmp_path / "c") == 0
    assert command(*args, tmp_path / "two", "--jobs", "2", cache=tmp_path / "c") == 0
    told = capsys.readouterr().out
    assert "[2/2] scratch, seed-1: top-1" in told
    for seed in (0, 1):
        logs = (tmp_path / name / "scratch" / f"seed-{seed}" / "metrics.jsonl" for name in ("one", "two"))
        one, two = (json.loads(log.read_text().splitlines()[-1]) for log in logs)
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)


def test_a_run_that_fails_beside_others_ends_the_comparison(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["compare", "--target", "folder", "--data", data, "--seeds", "0", "1", "--out", tmp_path / "out"]
    # Weights are not finite after the first step.
    assert command(*args, "--jobs", "2", "--lr", "1e20", cache=tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "] scratch, " in error and "Traceback" not in error
