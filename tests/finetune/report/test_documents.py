import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.finetune.report.findings import Comparison, analyse
from fractalvid.finetune.report.markup import Table, as_latex, as_markdown
from fractalvid.finetune.report.page import against
from fractalvid.finetune.report.published import PublishedNumber, published_beside, published_numbers
from fractalvid.finetune.report.statistics import Interval, Spread
from fractalvid.finetune.report.tables import about, class_table, confused_table, paired_table, published_table
from fractalvid.finetune.report.write import write_comparison, write_run
from fractalvid.finetune.results.predictions import read_predictions
from fractalvid.finetune.results.read import RunResult, read_run
from fractalvid.finetune.targets.diving48 import Diving48
from fractalvid.utils.errors import UserError
from tests.finetune.report.helpers import metrics, run_of, write_run_folder

RNG = np.random.default_rng(0)


def beside(values: dict[str, Any]) -> tuple[tuple[PublishedNumber, ...], str]:
    return published_beside(RunResult("a", "1", 0, values))


def runs(root: Path, *, groups: bool = True) -> list[Path]:
    """Two initialisations on two splits; the second is better on classes 0 and 1."""
    folders = []
    for split in "12":
        sources = [f"film{k // 3}" for k in range(30)] if groups else []
        right = RNG.random(30) < 0.4
        better = right | ((np.arange(30) % 3 < 2) & (RNG.random(30) < 0.5))
        for label, answers in (("scratch", right), ("a<b>_$", better)):
            run = run_of([bool(x) for x in answers], sources, label=label, split=split)
            folders.append(write_run_folder(root / label.strip("<>$") / split, run))
    return folders


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("comparison")
    write_comparison(root / "out", [read_run(folder) for folder in runs(root / "runs")])
    return root / "out"


class Page(html.parser.HTMLParser):
    """Collects what a page refers to, and checks that tags close."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.refers: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.refers += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (
            Interval(-1.0, 4.6),
            "No difference between b and a can be told (+1.8 points, interval over test videos -1.0 to",
        ),
        (Interval(0.2, 3.4), "b is 1.8 points above a (interval over test videos 0.2 to 3.4, which excludes 0)"),
        (None, "b is 1.8 points above a (no interval known)"),
    ],
)
def test_a_difference_is_claimed_only_where_its_interval_shows_one(interval: Interval | None, said: str) -> None:
    compared = Comparison("a", "b", Spread(1.8, None, 1), "seed", interval, None, None, None, None, ())
    assert against(compared).startswith(said)


def test_the_page_is_whole_and_loads_nothing(written: Path) -> None:
    text = (written / "comparison.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.tags
    assert all(value.startswith(("#", "data:")) for value in page.refers)
    assert not re.search(r"url\((?!#)|@import", text)
    for word in ("Paired tests", "Change by class", "Confusion", "Curves", "Budget and throughput", "10 sources"):
        assert word in text
    assert "a<b>" not in text
    assert re.search(
        r"a&lt;b&gt;_\$ is [\d.]+ points above scratch \(interval over test videos .*, which excludes 0", text
    )
    assert "&amp;#x27;" not in text


def test_the_markdown_says_how_sure_it_is(written: Path) -> None:
    text = (written / "comparison.md").read_text(encoding="utf-8")
    assert "95 % interval of top-1" in text
    assert "the 10 sources of the 30 test videos" in text
    assert "with 2 pairs no p is below 0.50" in text
    assert "## Change by class" in text


def test_the_numbers_are_there_as_data(written: Path) -> None:
    saved = json.loads((written / "comparison.json").read_text())
    (compared,) = saved["comparisons"]
    assert (compared["first"], compared["second"]) == ("scratch", "a<b>_$")
    assert compared["difference"]["n"] == 2
    assert len(compared["pairs"]) == 2
    assert all(0 <= pair["p"] <= 1 for pair in compared["pairs"])
    for entry in saved["initialisations"]:
        interval = entry["intervals"]["top1"]
        assert interval["low"] <= entry["top1"]["mean"] <= interval["high"]
        assert np.sum(entry["confusion"]) == 60
        share = np.trace(entry["confusion"]) / 60
        assert 100 * share == pytest.approx(entry["top1"]["mean"])
        assert np.mean(entry["classes"]) == pytest.approx(entry["mean_class"]["mean"])


def test_latex_is_escaped_and_balanced(written: Path) -> None:
    text = (written / "comparison.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") >= 4
    assert r"a\textless{}b\textgreater{}\_\$" in text
    assert r"clap \& wave" in text
    assert text.isascii()
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert "&" in line.replace(r"\&", "")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not there")
def test_latex_compiles(written: Path, tmp_path: Path) -> None:
    body = (written / "comparison.tex").read_text(encoding="utf-8")
    (tmp_path / "a.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}{body}\\end{{document}}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_markup_survives_any_cell() -> None:
    table = Table("T", ("a|b", "c"), (("x\ny", "-1.5"), ("~^\\{", "{}")))
    lines = as_markdown(table).splitlines()
    assert lines[0] == r"| a\|b | c    |"
    assert "x y" in lines[2]
    assert r"x" in as_latex(table)
    assert "$-$1.5" in as_latex(table)
    assert r"\textasciitilde{}\textasciicircum{}\textbackslash{}\{" in as_latex(table)


def test_without_predictions_the_rest_is_said(tmp_path: Path) -> None:
    folders = runs(tmp_path / "runs", groups=False)
    (folders[0] / "predictions.csv").unlink()
    text = write_comparison(tmp_path / "out", [read_run(folder) for folder in folders])
    assert "| scratch" in text
    assert "sources are not known" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| scratch") and "2    |" in line]
    assert "–" in line  # no interval
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Accuracy by class" in page


def test_a_single_run_has_a_report_of_its_own(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "run", run_of([True, False, True] * 4))
    write_run(folder, json.loads((folder / "metrics.json").read_text()))
    assert "Accuracy by class" in (folder / "report.md").read_text()
    page = (folder / "report.html").read_text()
    assert "Paired tests" not in page
    assert "training loss" in page
    assert (folder / "report.tex").read_text().startswith("% Fine-tuning on folder, a")


def test_the_headline_accuracy_is_the_protocols(tmp_path: Path) -> None:
    folders = []
    for label in "ab":
        answers = run_of([True, label == "b", False, False] * 3, label=label)
        folders.append(write_run_folder(tmp_path / label, answers, metric="mean_class"))
    findings = analyse([read_run(folder) for folder in folders])
    (compared,) = findings.comparisons
    means = [read_run(folder).metrics["mean_class"] for folder in folders]
    assert compared.difference.mean == pytest.approx(means[1] - means[0])
    text = write_comparison(tmp_path / "out", [read_run(folder) for folder in folders])
    assert "95 % interval of mean per class" in text


@pytest.mark.parametrize(
    "text",
    ["", "path,label\n", "path,label,predicted,top5\na,ghost,jump,jump\n", "path,label,predicted\na,jump,jump\n"],
)
def test_damaged_predictions_are_one_line(text: str, tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "run", run_of([True, False, True]))
    (folder / "predictions.csv").write_text(text)
    with pytest.raises(UserError, match=r"predictions\.csv is damaged"):
        read_predictions(read_run(folder))


def test_predictions_that_broke_off_are_noticed(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "run", run_of([True, False, True, True]))
    lines = (folder / "predictions.csv").read_text().splitlines(keepends=True)
    (folder / "predictions.csv").write_text("".join(lines[:-1]))
    with pytest.raises(UserError, match=r"3 videos with a top-1 of 66.67 %, where metrics.json says 4 and 75.00 %"):
        read_predictions(read_run(folder))
    (folder / "predictions.csv").write_text("".join([*lines[:-1], lines[2]]))
    with pytest.raises(UserError, match="is damaged, or not of the run beside it"):
        write_comparison(tmp_path / "out", [read_run(folder)])
    assert not (tmp_path / "out").exists()


def test_cuts_of_one_file_are_told_apart(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "run", run_of([True, False, True]))
    text = (folder / "predictions.csv").read_text().replace("v1,", "v0,").replace("v2,", "v0,")
    (folder / "predictions.csv").write_text(text)
    found = read_predictions(read_run(folder))
    assert found is not None
    assert found.videos == ("v0", "v0#2", "v0#3")
    assert (found.groups, found.grouped) == (("v0",) * 3, True)


def test_tables_of_classes_are_sorted_by_change(tmp_path: Path) -> None:
    findings = analyse([read_run(folder) for folder in runs(tmp_path)])
    body = class_table(findings).body
    changes = [float(line[-1]) for line in body]
    assert changes == sorted(changes, reverse=True)
    assert len(class_table(findings, most=1).body) == 2
    for line in confused_table(findings, "scratch").body:
        assert line[0] != line[1]


def test_published_numbers_stand_beside_whole_benchmarks_only() -> None:
    whole = metrics("a", "1", 0, target="hmdb51", classes=51, official_classes=51)
    numbers, why = beside(whole)
    assert why == ""
    assert {n.target for n in numbers} == {"hmdb51"}
    assert 57.45 in [n.top1 for n in numbers]
    assert all(n.mode == "full" and n.source and n.conditions for n in numbers)
    assert {n.top1 for n in beside(whole | {"mode": "linear"})[0]} == {24.64, 12.35}
    numbers, why = beside(whole | {"classes": 21})
    assert numbers == ()
    assert "21 of them" in why
    numbers, why = beside(whole | {"videos": {"train": 10, "test": 5, "missing": 5}})
    assert (numbers, why) == ((), "None: 5 of the 20 videos of hmdb51 are missing here.")
    numbers, why = beside(whole | {"videos": {"train": 88, "test": 6, "missing": 3, "skipped": 3}})
    assert (numbers, why) == ((), "None: 6 of the 100 videos of hmdb51 are missing here or do not decode.")
    assert beside(whole | {"videos": {"train": 89, "test": 6, "missing": 2, "skipped": 3}})[0]
    assert beside(whole | {"shots": 5})[0] == ()
    assert beside(metrics("a", "1", 0)) == ((), "")


def test_runs_that_hold_videos_out_stand_beside_no_published_numbers() -> None:
    videos = {"train": 9, "val": 4, "test": 5}
    values = metrics("a", "1", 0, target="hmdb51", classes=51, official_classes=51, videos=videos)
    official, drawn = (RunResult("a", "1", 0, values, settings=held) for held in ({}, {"held_out": {"share": 0.3}}))
    assert published_beside(official)[0]
    why = "None: these runs hold 4 training videos out to choose by, the published ones learn from all."
    assert published_beside(drawn) == ((), why)
    assert "1 of the 100 videos" not in beside(values | {"videos": {"train": 5, "val": 89, "test": 5, "missing": 1}})[1]


def test_what_was_neither_trained_on_nor_tested_is_said() -> None:
    videos = {"train": 9, "val": 4, "test": 5, "missing": 3, "skipped": 1}
    text = about(metrics("a", "1", 0, videos=videos, left_out=2, validation={"side": "val", "top1": 61.24}))
    told = "3 missing, 1 not decodable, 2 of classes left out, 4 to choose by (top-1 61.2 %)"
    assert f"9 training and 5 test videos ({told}); " in text


def test_runs_on_the_first_frames_stand_beside_no_published_numbers() -> None:
    whole = metrics("a", "1", 0, target="hmdb51", classes=51, official_classes=51, first_frames=None)
    assert beside(whole)[0]
    numbers, why = beside(whole | {"first_frames": 1})
    assert (numbers, why) == (
        (),
        "None: these runs see only the first frame of each video, the published ones all of it.",
    )


def test_published_numbers_of_diving48_are_of_the_classes_that_the_lists_of_v2_use(tmp_path: Path) -> None:
    # 48 labels, of which the official lists use 47: a complete run has 47 classes.
    whole = metrics("a", "v2", 0, target="diving48", classes=47, official_classes=Diving48().protocol.num_classes)
    numbers, why = beside(whole)
    assert why == ""
    assert {n.target for n in numbers} == {"diving48"}
    assert "v1" in Diving48().protocol.splits
    numbers, why = beside(whole | {"split": "v1"})
    assert (numbers, why) == ((), "None: what others have published is of diving48 v2, and this is about v1.")
    numbers, why = beside(whole | {"classes": 46})
    assert numbers == ()
    assert "all 47 classes of diving48, and this is about 46" in why
    run = run_of([True, False, True])
    changes = {name: whole[name] for name in ("target", "classes", "official_classes")}
    both = [read_run(write_run_folder(tmp_path / split, run, split=split, **changes)) for split in ("v2", "v1")]
    table = published_table(analyse(both))
    assert table is not None
    assert (table.body, table.note) == ((), beside(whole | {"split": "v1"})[1])


def test_published_numbers_are_percentages_with_a_source() -> None:
    numbers = published_numbers()
    assert len(numbers) > 60
    assert all(0 < n.top1 < 100 for n in numbers)
    assert len({(n.target, n.network, n.mode, n.pretraining, n.source) for n in numbers}) == len(numbers)


def test_the_published_table_says_whose_they_are(tmp_path: Path) -> None:
    run = run_of([True, False, True])
    folder = write_run_folder(tmp_path / "run", run, target="ucf101", official_classes=3)
    table = published_table(analyse([read_run(folder)]))
    assert table is not None
    assert "Measured by others" in table.note
    assert any("SynAPT" in line[4] for line in table.body)


def test_what_was_run_is_said_in_a_line() -> None:
    text = about(metrics("a", "1", 0, sampling="segments", shots=5, voting="votes"))
    assert "8 segments of 64 x 64" in text
    assert "5 videos a class" in text
    assert "majority vote" in text
    assert "first" not in text
    assert "64 x 64, only the first frame of each video, full" in about(metrics("a", "1", 0, first_frames=1))
    assert "only the first 8 frames of each video" in about(metrics("a", "1", 0, first_frames=8, sampling="segments"))


def test_one_pair_is_said_to_be_no_test(tmp_path: Path) -> None:
    results = [read_run(folder) for folder in runs(tmp_path)]
    assert "with 2 pairs no p is below 0.50." in paired_table(analyse(results)).note
    note = paired_table(analyse([result for result in results if result.split == "1"])).note
    assert "one pair cannot be tested." in note
    assert "is below" not in note


def test_published_tests_are_of_weights_that_were_not_trained_on_the_target() -> None:
    def of(trained: str) -> tuple[int, str]:
        learned = {"target": trained, "split": "", "mode": "full", "epochs": 30}
        said = metrics("a", "", 0, target="anigifs", mode="test", trained_on=learned, classes=536, official_classes=536)
        numbers, why = beside(said)
        return len(numbers), why

    assert of("kinetics-gifs") == (2, "")
    for trained in ("anigifs", "anigifs-40"):
        why = f"None: these weights were trained on {trained}, those of the published tests on another target."
        assert of(trained) == (0, why)
