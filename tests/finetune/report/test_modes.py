"""Fine-tuning and linear probe in one report: side by side, and tested apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.report.findings import analyse_modes
from fractalvid.finetune.report.write import write_comparison
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import RunResult, read_run
from fractalvid.utils.errors import UserError
from tests.finetune.report.helpers import run_of, write_run_folder

ANSWERS = {"full": {"a": "110110", "b": "111110"}, "linear": {"a": "100100", "b": "100110"}}


def write_runs(root: Path, **linear: Any) -> list[RunResult]:
    """Two initialisations in two modes on two splits; the head alone has a learning rate of its own."""
    results = []
    for split in "12":
        for mode, answers in ANSWERS.items():
            changes = {"lr": 0.01, **linear} if mode == "linear" else {"lr": 0.001}
            for label, right in answers.items():
                run = run_of([one == "1" for one in right], label=label, split=split)
                folder = write_run_folder(root / mode / label / split, run, mode=mode, **changes)
                results.append(read_run(folder))
    return results


def test_a_paper_has_its_table(tmp_path: Path) -> None:
    text = write_comparison(tmp_path / "out", write_runs(tmp_path / "runs"))
    assert text.startswith("# Transfer to folder\n")
    table = [line for line in text.splitlines() if line.startswith("|")][:4]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0] == ["initialisation", "Fine-tuning (top-1, %)", "Linear probe (top-1, %)"]
    assert cells[2:] == [["a", "66.7 ± 0.0", "33.3 ± 0.0"], ["b", "83.3 ± 0.0", "50.0 ± 0.0"]]
    assert text.index("## Fine-tuning\n") < text.index("## Linear probe\n")
    assert "linear probe, 30 epochs of batch 16" in text
    assert text.count("Paired tests") == 2
    latex = (tmp_path / "out" / "comparison.tex").read_text()
    assert r"initialisation & Fine-tuning (top-1, \%) & Linear probe (top-1, \%) \\" in latex
    assert r"\caption{Linear probe: Paired tests." in latex
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert page.count("Paired tests</h2>") == 2
    assert "<h2>Linear probe: Confusion</h2>" in page


def test_nothing_is_paired_across_modes(tmp_path: Path) -> None:
    parts = analyse_modes(write_runs(tmp_path))
    assert [part.results[0].mode for part in parts] == ["full", "linear"]
    for part, gain in zip(parts, (100 / 6, 100 / 6), strict=True):
        (compared,) = part.comparisons
        assert (compared.first, compared.second, compared.difference.n) == ("a", "b", 2)
        assert compared.difference.mean == pytest.approx(gain)
        assert len(compared.pairs) == 2
        assert {result.mode for result in part.results} == {part.results[0].mode}


def test_the_numbers_say_their_mode(tmp_path: Path) -> None:
    write_comparison(tmp_path / "out", write_runs(tmp_path / "runs"))
    saved = json.loads((tmp_path / "out" / "comparison.json").read_text())
    named = [(entry["label"], entry["mode"]) for entry in saved["initialisations"]]
    assert named == [("a", "full"), ("b", "full"), ("a", "linear"), ("b", "linear")]
    assert [entry["mode"] for entry in saved["comparisons"]] == ["full", "linear"]
    assert len(saved["runs"]) == 8


def test_one_mode_is_reported_as_ever(tmp_path: Path) -> None:
    linear = [result for result in write_runs(tmp_path / "runs") if result.mode == "linear"]
    text = write_comparison(tmp_path / "out", linear)
    assert text.startswith("# Linear probe on folder\n")
    assert "## Paired tests" in text
    assert "Fine-tuning" not in text


def test_modes_may_differ_in_their_budget_and_in_nothing_else(tmp_path: Path) -> None:
    check_comparable(write_runs(tmp_path / "fine", epochs=5, batch_size=64))
    for name, value in (("model", "r3d_18"), ("views", 7), ("classes", 9)):
        with pytest.raises(UserError, match=f"the runs differ in {name}"):
            check_comparable(write_runs(tmp_path / name, **{name: value}))
    few = {"videos": {"train": 60, "test": 5, "missing": 0, "skipped": 0}}
    with pytest.raises(UserError, match=r"of split 1 differ in videos \(5 to test, 6 to test\)"):
        check_comparable(write_runs(tmp_path / "few", **few))
    results = write_runs(tmp_path / "twice")
    with pytest.raises(UserError, match="two runs of 'a' have split 1 and seed 0"):
        check_comparable([*results, results[0]])
