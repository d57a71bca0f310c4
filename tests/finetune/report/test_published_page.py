from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.report.published_page import published_page, published_targets
from fractalvid.finetune.results.read import RunResult
from fractalvid.utils.errors import UserError
from tests.finetune.report.helpers import metrics, run_of, write_run_folder

ROOT = Path(__file__).parents[3]


def test_the_page_of_the_documentation_is_what_the_command_prints() -> None:
    """Made by `finetune published --out docs/published.md`."""
    assert (ROOT / "docs" / "published.md").read_text(encoding="utf-8") == published_page()


def test_own_runs_come_first_and_others_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, right in enumerate(([True, False, True], [True, True, True])):
        folder = tmp_path / "runs" / str(seed)
        write_run_folder(folder, run_of(right, label="fractal"), seed=seed, target="hmdb51", official_classes=51)
    assert main(["published", "--runs", str(tmp_path / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("| ") and "top-1" not in line]
    assert [cell.strip() for cell in rows[0].split("|")[1:5]] == ["fractal", "r3d_10", "full", "83.33"]
    assert "here: 2 runs" in rows[0] and all(" * " in row for row in rows[1:]) and len(rows) > 10
    assert any("Not to be compared" in line and "all 51 classes of hmdb51" in line for line in lines)
    assert "## hmdb51" in lines and "## ucf101" not in lines
    assert any(line.startswith("Representation bias *: 3.83 bits, 27.78 %") for line in lines)


def test_a_target_of_ones_own_has_no_rows_of_others() -> None:
    page = published_page(runs=[RunResult("a", "1", 0, metrics("a", "1", 0))])
    assert "## folder" in page and " * " not in page.partition("## Also published")[0].partition("## folder")[2]


def test_own_runs_that_differ_have_rows_of_their_own() -> None:
    """Only what divides the same videos anew is averaged, of runs that were trained and tested alike."""
    told = [
        ("1", {"top1": 70.0}),
        ("2", {"top1": 50.0}),
        ("1", {"top1": 20.0, "shots": 5}),
        ("2", {"top1": 6.0, "epochs": 1}),
        ("v1", {"top1": 40.0}),
    ]
    runs = [RunResult("a", split, 0, metrics("a", split, 0, target="ucf101", **said)) for split, said in told]
    lines = [line for line in published_page(["ucf101"], runs).splitlines() if "here:" in line]
    rows = [[cell.strip() for cell in line.split("|")[4:7:2]] for line in lines]
    assert rows == [
        ["60.00", "here: 2 runs, epochs 30"],
        ["20.00", "here: 1 run, shots 5, epochs 30"],
        ["6.00", "here: 1 run, epochs 1"],
        ["40.00", "here: 1 run, epochs 30, split v1"],
    ]


def test_unknown_targets_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="nothing is published here of 'ufc101'; did you mean 'ucf101'"):
        published_page(["ufc101"])
    assert main(["published", "--runs", "absent"]) == 2
    assert "absent holds no finished run" in capsys.readouterr().err
    assert {"ucf101", "hmdb51", "diving48", "ssv2-mini", "ikeafa", "uavhuman", "anigifs"} <= set(published_targets())
