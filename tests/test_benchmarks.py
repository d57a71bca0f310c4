"""Benchmarks say what they measure before they measure anything."""

import ast
import importlib
import inspect
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from benchmarks.common import RESULTS

FOLDER = RESULTS.parent
SHARED = {f"gpu/{name}.py" for name in ("child", "place", "report", "results", "sections", "supervise")}
"""What measures nothing itself, and only serves what does."""
NAMES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if path.stem not in ("__init__", "common") and path.relative_to(FOLDER).as_posix() not in SHARED
)
PARTS = {
    "gpu.ceilings": "gpu --only points",
    "gpu.clips": "gpu --only clips host",
    "gpu.correctness": "gpu --only correctness",
    "gpu.gpu_tests": "gpu --only tests",
    "gpu.more": "gpu --only more",
    "gpu.points": "gpu --only points",
    "gpu.training": "gpu --only training",
    "kernels.plain_loop": "kernels.chaos_game",
    "fractalvid.view_statistics": "pretrain.objectives longer",
}
"""Files that another benchmark measures with, and how."""
NEEDED = {
    "pretrain.objectives": ["short"],
    "pretrain.search": ["runs", "--data", "clips", "--csv", "clips.csv"],
    "finetune.proof": ["runs", "--data", "clips", "--csv", "clips.csv"],
    "finetune.debias_transfer": ["runs", "--data", "clips", "--csv", "clips.csv"],
}
"""What they can't do without."""


def called(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The docstring and the exit code of a benchmark, with nothing there that could measure or write."""
    module = importlib.import_module(f"benchmarks.{name}")
    main: Callable[[], None] = module.main

    def measured(*_: object, **__: object) -> None:
        raise AssertionError(f"benchmarks.{name} began before it had read {arguments}")

    kept = {"main", "command_line", "part_of"}
    for other, value in vars(module).items():
        if inspect.isfunction(value) and other not in kept:
            monkeypatch.setattr(module, other, measured)
    monkeypatch.setattr("sys.argv", [str(module.__file__), *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int), ended.value.code
    return module.__doc__ or "", ended.value.code


def stamps() -> dict[Path, int]:
    """When results and pages were written."""
    folders = (RESULTS, RESULTS.parents[1] / "docs")
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_help_is_the_docstring_and_measures_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stamps()
    about, code = called(name, ["--help"], monkeypatch)
    said = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert about.strip()
    assert " ".join(about.split()) in said
    assert stamps() == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_option_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stamps()
    assert called(name, [*NEEDED.get(name, []), "--nosuch"], monkeypatch)[1] == 2
    assert "--nosuch" in capsys.readouterr().err
    assert stamps() == before


@pytest.mark.parametrize("name", PARTS)
def test_a_part_names_the_benchmark_that_measures_it(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(name, [], monkeypatch)[1] == 2
    assert f"python -m benchmarks.{PARTS[name]}\n" in capsys.readouterr().err


def imported(path: Path) -> set[str]:
    """The benchmarks' modules that a file imports, wherever in the file, types only included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("benchmarks.")}


def test_benchmarks_import_each_other_in_no_circle() -> None:
    modules = {
        ".".join(["benchmarks", *path.relative_to(FOLDER).with_suffix("").parts]): imported(path)
        for path in FOLDER.rglob("*.py")
    }
    assert "benchmarks.common" in modules["benchmarks.gpu.__main__"]
    TopologicalSorter(modules).prepare()  # raises CycleError, which names the circle
