import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.report.charts import curves
from fractalvid.finetune.report.documents import as_document
from fractalvid.finetune.report.findings import Comparison, _comparisons, analyse, analyse_modes, summarise
from fractalvid.finetune.report.statistics import spread
from fractalvid.finetune.report.write import FILES, write_comparison
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import RunResult, find_runs, read_run
from fractalvid.utils.errors import UserError
from tests.finetune.report.helpers import run_of, write_run_folder


def result(label: str, split: str, seed: int, top1: float, **changes: Any) -> RunResult:
    metrics: dict[str, Any] = {
        "top1": top1,
        "top5": min(100.0, 2 * top1),
        "mean_class": top1 - 1.0,
        "target": "folder",
        "split": split,
        "seed": seed,
        "init": {"label": label},
        "mode": "full",
        "metric": "top1",
        "precision": "fp32",
        "sampling": "window",
        "voting": "softmax",
        "frames": "files, 73 pixels",
        "model": "r3d_10",
        "clip": {"clip_len": 8, "frame_stride": 2, "size": 64},
        "views": 2,
        "crops": 1,
        "classes": 21,
        "videos": {"train": 600, "test": 300, "missing": 0, "skipped": 0},
        "epochs": 30,
        "batch_size": 16,
    }
    return RunResult(label, split, seed, metrics | changes)


SCRATCH = [result("scratch", fold, 0, top1) for fold, top1 in (("0", 23.6), ("1", 23.4), ("2", 27.3))]
FRACTAL = [result("fractal", fold, 0, top1) for fold, top1 in (("0", 28.5), ("1", 34.7), ("2", 36.3))]


def test_mean_and_deviation_are_the_samples() -> None:
    values = [23.6, 23.4, 27.3]
    got = spread(values)
    assert got.mean == pytest.approx(sum(values) / 3)
    assert got.deviation == pytest.approx(statistics.stdev(values))
    assert str(got) == "24.8 ± 2.2"
    assert str(spread([31.25])) == "31.2"


def test_gains_are_paired_by_split_and_seed() -> None:
    entries = summarise([*SCRATCH, *FRACTAL, result("half", "1", 0, 30.0), result("half", "9", 0, 90.0)])
    assert [entry["label"] for entry in entries] == ["scratch", "fractal", "half"]
    assert entries[0]["gain"] is None
    gains = [28.5 - 23.6, 34.7 - 23.4, 36.3 - 27.3]
    assert entries[1]["gain"].mean == pytest.approx(statistics.fmean(gains))
    assert entries[1]["gain"].deviation == pytest.approx(statistics.stdev(gains))
    assert (entries[2]["gain"].mean, entries[2]["gain"].n) == (pytest.approx(6.6), 1)


def several(label: str, tops: dict[str, list[list[bool]]], **changes: Any) -> list[Any]:
    """Runs of each split with a seed for each list of answers."""
    runs = []
    for split, answers in tops.items():
        for seed, right in enumerate(answers):
            run = run_of(right, [f"{split}{k}" for k in range(len(right))], label=label, split=split)
            values = run.result.metrics | {"seed": seed} | changes
            runs.append(replace(run, result=replace(run.result, seed=seed, metrics=values)))
    return runs


def compared(first: list[Any], second: list[Any]) -> Comparison:
    results = [run.result for run in (*first, *second)]
    (comparison,) = _comparisons(results, {run.result.label: part for part in (first, second) for run in part}, "top1")
    return comparison


def test_folds_count_alike_in_the_difference_and_its_interval() -> None:
    """Five seeds of one fold at +20 points, one of the other at 0: both say 10."""
    low, high = [True, False, False, False, False] * 10, [True, True, False, False, False] * 10
    first = several("a", {"1": [low] * 5, "2": [low]})
    second = several("b", {"1": [high] * 5, "2": [low]})
    found = compared(first, second)
    assert found.difference.mean == pytest.approx(10)
    assert found.unit == "fold"
    assert found.interval is not None and found.interval.low < 10 < found.interval.high
    assert (found.interval.low + found.interval.high) / 2 == pytest.approx(10, abs=1.5)
    gain = summarise([run.result for run in (*first, *second)])[1]["gain"]
    assert gain.mean == pytest.approx(10)
    assert gain.n == 2


def test_tests_of_weights_have_no_corrected_p() -> None:
    """It needs to know how many videos were trained on, and a test of weights does not."""
    answers = [[k % 10 < n for k in range(50)] for n in (3, 4, 5, 6)]
    for trained, known in ((60, True), (0, False)):
        videos = {"videos": {"train": trained, "test": 50, "missing": 0, "skipped": 0}}
        first = several("a", {"1": [answers[0]], "2": [answers[1]]}, **videos)
        second = several("b", {"1": [answers[2]], "2": [answers[2]]}, **videos)
        assert (compared(first, second).corrected_t_test is not None) == known


@pytest.mark.parametrize(
    ("sides", "said"),
    [(("val", None), "validation"), ((None, None), "test"), (("val", "test"), "test or validation")],
)
def test_curves_say_whose_they_are(tmp_path: Path, sides: tuple[str | None, ...], said: str) -> None:
    folders = [
        write_run_folder(tmp_path / str(k), run_of([True, False, True], label=str(k)), curve_side=side)
        for k, side in enumerate(sides)
    ]
    found = analyse([read_run(folder) for folder in folders])
    assert f"{said} top-1, one central view" in curves(found).replace("\n", " ")


def test_the_table_says_what_was_measured() -> None:
    text = as_document(analyse_modes([*SCRATCH, *FRACTAL]), "Fine-tuning on folder")
    assert "| scratch        | 24.8 ± 2.2 " in text
    assert "33.2 ± 4.1" in text
    assert "+8.4 ± 3.2" in text
    assert "21 classes" in text
    subset = as_document(analyse_modes([result("scratch", "1", 0, 20.0, official_classes=51)]), "Fine-tuning on hmdb51")
    assert "21 of 51 classes" in subset
    assert "| split 0, seed 0 |" in text
    assert "30 epochs of batch 16" in text


def test_everything_is_written_beside_the_runs(tmp_path: Path) -> None:
    write_comparison(tmp_path / "out", [*SCRATCH, *FRACTAL])
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["comparison.html", "comparison.json", "comparison.md", "comparison.png", "comparison.tex"]
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    saved = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [entry["label"] for entry in saved["initialisations"]] == ["scratch", "fractal"]
    assert saved["initialisations"][1]["top1"]["mean"] == pytest.approx(33.1667, abs=1e-3)
    assert saved["initialisations"][0]["gain"] is None
    assert len(saved["runs"]) == 6


@pytest.mark.parametrize(
    "changes", [{"epochs": 10}, {"views": 5}, {"model": "r3d_18"}, {"classes": 51}, {"lr": 0.5}, {"class_names": ["x"]}]
)
def test_runs_of_unequal_budget_or_data_are_not_compared(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(UserError, match=f"differ in {name}"):
        check_comparable([*SCRATCH, result("fractal", "0", 0, 30.0, **changes)])


def test_runs_of_other_videos_are_not_compared() -> None:
    fewer = {"train": 400, "test": 300}
    check_comparable([*SCRATCH, result("fractal", "9", 0, 30.0, videos=fewer)])
    with pytest.raises(UserError, match=r"of split 1 differ in videos \(400 to train and 300 to test, 600"):
        check_comparable([*SCRATCH, result("fractal", "1", 0, 30.0, videos=fewer)])


def test_one_run_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"two runs of 'scratch' have split 0 and seed 0; .*LABEL="):
        check_comparable([*SCRATCH, SCRATCH[0]])


def test_runs_are_found_and_read(tmp_path: Path) -> None:
    for number, run in enumerate(SCRATCH):
        (tmp_path / f"r{number}").mkdir()
        (tmp_path / f"r{number}" / "metrics.json").write_text(json.dumps(run.metrics))
    assert find_runs([tmp_path, tmp_path / "r1"]) == [tmp_path / f"r{k}" for k in range(3)]
    assert read_run(tmp_path / "r2") == SCRATCH[2]
    assert read_run(tmp_path / "r2", "other").label == "other"
    with pytest.raises(UserError, match="no finished run"):
        find_runs([tmp_path / "absent"])


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"init": {"label": "a"}, "split": "", "seed": 0, "top1": "high"}']
)
def test_foreign_results_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match="not the result of a fine-tuning run"):
        read_run(tmp_path)


def gather(tmp_path: Path, out: Path) -> int:
    for number, run in enumerate(SCRATCH):
        (tmp_path / f"runs/{number}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"runs/{number}/metrics.json").write_text(json.dumps(run.metrics))
    return main(["compare", "--runs", str(tmp_path / "runs"), "--out", str(out)])


def test_gathering_replaces_its_own_comparison_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, ours = tmp_path / "mine", tmp_path / "ours"
    mine.mkdir()
    (mine / "comparison.md").write_text("my thesis")
    assert gather(tmp_path, mine) == 2
    assert "holds comparison.md, but no comparison" in capsys.readouterr().err
    assert (mine / "comparison.md").read_text() == "my thesis"
    (mine / "comparison.json").write_text("{}")
    assert gather(tmp_path, mine) == 2
    assert gather(tmp_path, ours) == 0
    assert gather(tmp_path, ours) == 0
    for name in FILES:
        (ours / name).unlink()
    (ours / "thesis.txt").write_text("mine")
    capsys.readouterr()
    assert gather(tmp_path, ours) == 2
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["a_file", "a_file/below", "/proc/fractalvid"])
def test_places_where_no_comparison_can_be_are_one_line(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_file").write_text("mine")
    assert gather(tmp_path, tmp_path / place) == 2
    error = capsys.readouterr().err
    assert error.startswith("finetune: error: can't make the folder")
    assert error.count("\n") == 1
    with pytest.raises(UserError, match="can't make the folder"):
        write_comparison(tmp_path / place, SCRATCH)
