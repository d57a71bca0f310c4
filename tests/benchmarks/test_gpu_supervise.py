"""`benchmarks.gpu` without a GPU: its sections' order, deadlines, crashes, and what is saved of them when."""

import json
import os
import time
from pathlib import Path

import pytest

import benchmarks.gpu.__main__ as command
from benchmarks.common import RESULTS
from benchmarks.gpu.report import Report, rows_of
from benchmarks.gpu.results import all_right, save
from benchmarks.gpu.sections import MINUTES, SECTIONS
from benchmarks.gpu.supervise import GRACE, KEPT_LINES, Outcome, Section, run_all
from tests.benchmarks import stubs

ENOUGH = 60.0
"""Seconds in which a section that does nothing is done, on a busy machine too."""
SHORT = 3.0
"""Seconds in which a process starts."""


def section(name: str, share: float = 1.0, **options: float) -> Section:
    return Section(name, f"{stubs.__name__}:{name}", share, **options)


def run(*sections: Section, seconds: float = ENOUGH, saved: list[list[str]] | None = None) -> list[Outcome]:
    def note(outcomes: list[Outcome]) -> None:
        if saved is not None:
            saved.append([outcome.name for outcome in outcomes])

    return run_all(sections, seconds, index=3, save=note, say=lambda line: None)


def test_sections_come_in_order_and_all_is_saved_after_each() -> None:
    saved: list[list[str]] = []
    outcomes = run(section("quick"), section("wrong"), section("crashes"), saved=saved)
    assert saved == [["quick"], ["quick", "wrong"], ["quick", "wrong", "crashes"]]
    assert [outcome.state for outcome in outcomes] == ["done", "done", "failed"]
    assert outcomes[0].rows[1] == {"what": "speed", "shown": "3 a|s", "wanted": "fast", "numbers": {"speed": 3}}


def test_one_that_hangs_is_ended_in_time_and_the_rest_goes_on() -> None:
    share = SHORT / ENOUGH
    begin = time.monotonic()
    hung, done = run(section("hangs", share), section("quick", 1 - share))
    assert (hung.state, done.state) == ("cut off", "done")
    assert SHORT <= hung.seconds < SHORT + GRACE + 1
    assert [row["what"] for row in hung.rows] == ["before"]
    assert any("stubs.py" in line and "in hangs" in line for line in hung.last_lines), "where it hung"
    assert done.limit > ENOUGH - hung.seconds - 1
    assert time.monotonic() - begin < ENOUGH


def test_one_that_can_not_end_itself_is_killed_with_all_that_it_started() -> None:
    (killed,) = run(section("stops"), seconds=SHORT)
    assert killed.state == "cut off"
    assert SHORT + GRACE <= killed.seconds < SHORT + 2 * GRACE + 1
    assert not is_running(int(killed.rows[0]["shown"]))


def is_running(pid: int) -> bool:
    for _ in range(50):
        try:
            os.kill(pid, 0)
            # A zombie only waits for somebody to ask how it ended.
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8"):
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.1)
    return True


def test_of_one_that_crashes_rows_and_last_lines_are_kept() -> None:
    crashed, dead, done = run(section("crashes"), section("dies"), section("quick"))
    assert [outcome.state for outcome in (crashed, dead, done)] == ["failed", "failed", "done"]
    assert [len(outcome.rows) for outcome in (crashed, dead)] == [1, 1]
    assert crashed.last_lines[-1] == "ValueError: nothing fits"
    assert len(crashed.last_lines) == KEPT_LINES
    assert any("Fatal Python error: Aborted" in line for line in dead.last_lines)
    assert not done.last_lines


def test_time_that_is_left_over_goes_to_the_next_and_what_has_too_little_is_left_out() -> None:
    first, second, spare = run(
        section("quick", 0.25), section("wrong", 0.75), section("hangs", 0, least=ENOUGH), seconds=ENOUGH
    )
    assert first.limit == pytest.approx(ENOUGH / 4, abs=0.5)
    assert second.limit == pytest.approx(ENOUGH - first.seconds, abs=0.5)
    assert spare.state == "left out" and spare.limit == pytest.approx(second.limit - second.seconds, abs=0.5)
    assert "too few" in spare.described()


def test_a_row_that_is_not_complete_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    assert rows_of(path) == []
    Report(path).add("one", "1")
    Report(path).add("two", "2")
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[:-3], encoding="utf-8")
    assert [row["what"] for row in rows_of(path)] == ["one"]


def test_results_tell_what_became_of_each_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [str(command.__file__), "--minutes", "1"])
    outcomes = run(section("quick"), section("wrong"), section("crashes"))
    save(outcomes, "gpu", tmp_path / "new")
    page = (tmp_path / "new" / "gpu.md").read_text(encoding="utf-8")
    assert "`python -m benchmarks.gpu --minutes 1`" in page
    assert "On Some GPU, 1 multiprocessor." in page
    assert "| quick | speed | 3 a\\|s | fast |" in page
    assert "Not as wanted:\n\n- wrong: counts\n" in page
    assert "- crashes: failed after" in page and "    ValueError: nothing fits" in page
    data = json.loads((tmp_path / "new" / "gpu.json").read_text(encoding="utf-8"))
    assert data["gpu"]["name"] == "Some GPU"
    assert list(data["sections"]) == ["quick", "wrong", "crashes"]
    assert data["sections"]["crashes"]["state"] == "failed"


def outcome(state: str, *, spare: bool = False, ok: bool = True) -> Outcome:
    rows = [{"what": "", "shown": "", "wanted": "", "numbers": {"ok": ok}}]
    return Outcome("any", state, 1.0, spare=spare, rows=rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "right"),
    [
        (outcome("done"), True),
        (outcome("done", ok=False), False),
        (outcome("cut off"), False),
        (outcome("left out"), False),
        (outcome("failed"), False),
        (outcome("cut off", spare=True), True),
        (outcome("left out", spare=True), True),
        (outcome("failed", spare=True), False),
    ],
)
def test_when_all_is_right(given: Outcome, right: bool) -> None:
    assert all_right([outcome("done"), given]) is right


def asked(arguments: list[str], monkeypatch: pytest.MonkeyPatch, missing: str | None) -> int:
    monkeypatch.setattr("sys.argv", [str(command.__file__), *arguments])
    monkeypatch.setattr(command, "_missing", lambda index: missing)
    monkeypatch.setattr(command, "SECTIONS", (section("quick"), section("crashes"), section("wrong")))
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_without_a_gpu_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert asked(["--out", str(tmp_path)], monkeypatch, "no GPU is used: CUDA sees none") == 2
    said = capsys.readouterr()
    assert said.err == "benchmarks.gpu: nothing to measure, no GPU is used: CUDA sees none\n"
    assert not said.out and not list(tmp_path.iterdir())


def test_all_sections_or_some_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path), "--minutes", "1"]
    assert asked(out, monkeypatch, None) == 1
    assert asked([*out, "--only", "quick"], monkeypatch, None) == 0
    assert asked([*out, "--only", "wrong", "quick"], monkeypatch, None) == 1
    names = {path.stem: json.loads(path.read_text(encoding="utf-8"))["sections"] for path in tmp_path.glob("*.json")}
    assert {name: list(sections) for name, sections in names.items()} == {
        "gpu": ["quick", "crashes", "wrong"],
        "gpu_quick": ["quick"],
        "gpu_quick_wrong": ["quick", "wrong"],
    }
    assert f"{tmp_path / 'gpu_quick'}.md" in capsys.readouterr().out


@pytest.mark.parametrize("bad", [["--only", "speed"], ["--minutes", "0"], ["--minutes", "nan"], ["--minutes", "x"]])
def test_what_makes_no_sense_is_refused(bad: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(bad, monkeypatch, "not asked for") == 2


def test_the_sections_share_all_the_time_and_say_so() -> None:
    assert [part.name for part in SECTIONS] == ["correctness", "tests", "points", "clips", "host", "training", "more"]
    assert sum(part.share for part in SECTIONS) == pytest.approx(1)
    lines = (command.__doc__ or "").splitlines()
    for part in SECTIONS[:-1]:
        assert any(line.split()[:2] == [part.name, f"{part.share * MINUTES * 60:.0f}"] for line in lines), part.name


def test_every_test_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        import pytest

        def test_unmarked(): assert False

        @pytest.mark.gpu
        class TestOnAGpu:
            def test_right(self): pass
            def test_wrong(self): assert 1 == 2, "two are one"
            def test_skipped(self): pytest.skip("no time")
    """
    path = tmp_path / "test_some.py"
    path.write_text("\n".join(line[8:] for line in source.splitlines()), encoding="utf-8")
    monkeypatch.setenv(stubs.TEST_FILE, str(path))
    (done,) = run(section("runs_tests"), seconds=2 * ENOUGH)
    assert done.state == "done", done.last_lines
    rows = {row["what"].rpartition("::")[2]: row for row in done.rows}
    assert list(rows) == ["test_right", "test_wrong", "test_skipped", "pytest -m gpu"]
    assert [row["numbers"]["ok"] for row in rows.values()] == [True, False, False, False]
    assert "failed" in rows["test_wrong"]["shown"] and "two are one" in rows["test_wrong"]["shown"]
    assert rows["pytest -m gpu"]["shown"] == "1 passed, 1 failed, 1 skipped"


def test_that_no_test_can_be_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stubs.TEST_FILE, str(tmp_path / "test_nothing.py"))
    (failed,) = run(section("runs_tests"), seconds=2 * ENOUGH)
    assert failed.state == "failed" and not failed.rows[-1]["numbers"]["ok"]


def test_files_with_tests_for_a_gpu_are_found() -> None:
    from benchmarks.gpu.gpu_tests import chosen, marked

    found = {path.name for path in marked(RESULTS.parents[1] / "tests")}
    assert {"test_device.py", "test_fit.py", "test_cupy_device.py"} <= found
    assert "test_golden.py" not in found
    assert [chosen(None, 2), chosen("5,7,9", 1)] == ["2", "7"]
