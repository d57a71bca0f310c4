"""Names of files that break lines, tables or encodings: results stay valid, and messages are one line."""

import csv
import json
import os
from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.utils.errors import UserError, run_cli
from tests.finetune.helpers import command, put

NAMES = ("ends in blanks .mp4  ", "line\nfeed.mp4", 'quo"te.mp4', "com,ma;semi|bar.mp4", os.fsdecode(b"caf\xe9.mp4"))


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    for level, name in enumerate(("da,rk", "li\tght")):
        for side, more in (("train", 0), ("test", 9)):
            folder = tmp_path / "data" / side / name
            folder.mkdir(parents=True)
            for number, file in enumerate(NAMES):
                put(tmp_path / "made.mp4", 6 + number, level=100 * level + more).rename(folder / file)
    return tmp_path / "data"


def test_results_stay_valid_and_lines_whole(odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert command("--target", "folder", "--data", odd, "--out", out, cache=tmp_path / "c") == 0
    with (out / "predictions.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {Path(row["path"]).name for row in rows} == set(NAMES)
    assert {row["label"] for row in rows} == {"da,rk", "li\tght"}
    assert json.loads((out / "metrics.json").read_text())["class_names"] == ["da,rk", "li\tght"]
    capsys.readouterr()
    folder = odd / "test" / "da,rk"
    assert main(["predict", "--weights", str(out), str(folder), "--no-progress", "--device", "cpu"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)
    words = ["--format", "json", "--no-progress", "--device", "cpu"]
    assert main(["predict", "--weights", str(out), str(folder), *words]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {Path(video["path"]).name for video in shown["videos"]} == set(NAMES)


def test_an_error_that_names_them_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: list[str]) -> None:
        raise UserError(f"no such file: {NAMES[1]} or {NAMES[4]}")

    assert run_cli("program", fail, []) == 2
    assert capsys.readouterr().err == "program: error: no such file: line\\nfeed.mp4 or caf\\udce9.mp4\n"
