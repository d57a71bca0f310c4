from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.report.findings import analyse
from fractalvid.finetune.report.tables import single_table
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import RunResult, read_run
from fractalvid.utils.errors import UserError
from tests.finetune.report.helpers import metrics, run_of, write_run_folder

ANSWERS = [True, False, True, True, False, True]


def test_runs_tested_on_other_videos_or_labels_do_not_compare(tmp_path: Path) -> None:
    folders = {
        name: write_run_folder(tmp_path / name, run_of(ANSWERS, label=name, split=split))
        for name, split in (("scratch", "1"), ("ours", "1"), ("elsewhere", "2"))
    }
    results = [read_run(folder) for folder in folders.values()]
    path = folders["ours"] / "predictions.csv"
    text = path.read_text()
    check_comparable(results)
    path.write_text("".join(text.splitlines(keepends=True)[k] for k in (0, 3, 1, 2, 6, 5, 4)))
    check_comparable(results)  # in another order
    path.write_text(text.replace("v4,", "w4,"))
    with pytest.raises(UserError, match=r"of split 1 differ in test videos or labels \(v4 as 'jump' is in .*scratch"):
        check_comparable(results)
    swapped = text.replace("v4,jump,run_fast", "v4,run_fast,jump")
    assert swapped != text
    path.write_text(swapped)
    with pytest.raises(UserError, match=r"differ in test videos or labels \(v4 as .*: they do not compare") as caught:
        check_comparable(results)
    assert "\n" not in str(caught.value)
    path.unlink()
    check_comparable(results)  # nothing tells


def result(label: str = "a", split: str = "1", seed: int = 0, **changes: Any) -> RunResult:
    return RunResult(label, split, seed, metrics(label, split, seed, **changes))


def test_runs_trained_in_another_precision_do_not_compare() -> None:
    before, linear = result(), result("b", mode="linear", lr=0.1, precision="bf16")
    check_comparable([before, result("b", precision="fp32")])
    with pytest.raises(UserError, match=r'the runs differ in precision \("bf16", "fp32"\): they do not compare'):
        check_comparable([before, result("b", precision="bf16")])
    with pytest.raises(UserError, match="differ in precision"):
        check_comparable([before, linear])
    check_comparable([linear, result("b", mode="test")])  # which was not trained


LEARNED = {"target": "ucf101", "split": "1", "mode": "full", "epochs": 30, "precision": "fp32"}


def of_weights(label: str = "a", **learned: Any) -> RunResult:
    return result(label, "", mode="test", trained_on=LEARNED | learned)


def test_tests_of_differently_trained_weights_are_no_repetitions() -> None:
    check_comparable([of_weights(split=split) for split in "123"] + [of_weights("b", precision="fp32")])
    for changes in ({"mode": "linear"}, {"epochs": 5}, {"target": "hmdb51"}, {"precision": "bf16"}):
        (name,) = changes
        with pytest.raises(UserError, match=f"the runs differ in trained_on {name}, the training of the weights"):
            check_comparable([of_weights(), of_weights(split="2", **changes)])
    with pytest.raises(UserError, match="two runs of 'a', trained on split 1, have split"):
        check_comparable([of_weights(), of_weights()])


def test_tests_are_paired_by_the_split_of_their_training(tmp_path: Path) -> None:
    right = {("a", "1"): "100", ("a", "2"): "110", ("b", "2"): "111", ("b", "1"): "110"}
    runs = []
    for (label, split), answers in right.items():
        run = run_of([one == "1" for one in answers], label=label, split="")
        learned = LEARNED | {"split": split}
        folder = write_run_folder(tmp_path / label / split, run, mode="test", trained_on=learned)
        runs.append(read_run(folder))
    found = analyse(runs)
    (compared,) = found.comparisons
    assert compared.difference.n == 2
    assert compared.difference.deviation == pytest.approx(0)
    assert len(compared.pairs) == 2
    assert single_table(found).head[1:] == ("weights of split 1, seed 0", "weights of split 2, seed 0")
