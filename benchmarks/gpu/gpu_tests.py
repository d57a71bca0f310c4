"""The project's tests that need a GPU, `pytest -m gpu`: a row for each as soon as it is known."""

import os
from pathlib import Path

import pytest

from benchmarks.common import RESULTS, part_of
from benchmarks.gpu.report import Report

ROOT = RESULTS.parents[1]
MARK = "mark.gpu"


def gpu_tests(report: Report, index: int) -> None:
    """The section on a GPU, which is the only one that the tests see."""
    os.environ["CUDA_VISIBLE_DEVICES"] = chosen(os.environ.get("CUDA_VISIBLE_DEVICES"), index)
    run(report, marked(ROOT / "tests"))


def chosen(visible: str | None, index: int) -> str:
    """The one of the visible GPUs that has that number, by the name that CUDA gives it."""
    return visible.split(",")[index] if visible else str(index)


def marked(folder: Path) -> list[Path]:
    """The files with such tests: to collect all the others takes longer than these tests."""
    return sorted(path for path in folder.rglob("test_*.py") if MARK in path.read_text(encoding="utf-8"))


def run(report: Report, files: list[Path]) -> None:
    """Run the marked tests of these files. That one fails is a result; that none can be run is an error."""
    rows = Rows(report)
    code = pytest.main(["-m", "gpu", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *map(str, files)], plugins=[rows])
    counts = {name: rows.outcomes.count(name) for name in ("passed", "failed", "skipped")}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    report.add("pytest -m gpu", shown, "all passed", ok=code == 0 and counts["skipped"] == 0, **counts)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(int(code))


class Rows:
    """Pytest's plugin that makes rows of what pytest finds."""

    def __init__(self, report: Report) -> None:
        """Rows go to that report."""
        self.report = report
        self.outcomes: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the row of a test that has run, has been skipped or has failed around its run."""
        if report.when != "call" and report.passed:
            return
        self.outcomes.append(report.outcome)
        name = report.nodeid.rpartition("/")[2]
        failure = "" if report.skipped or report.passed else f": {_what_went_wrong(report.longreprtext)}"
        shown = f"{report.outcome} after {report.duration:.1f} s{failure}"
        self.report.add(name, shown, "passed", ok=report.passed, seconds=report.duration)


def _what_went_wrong(text: str) -> str:
    """The first of pytest's lines that say so: they begin with E."""
    said = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return said[0] if said else text.strip().splitlines()[-1]


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only tests", __doc__)


if __name__ == "__main__":
    main()
