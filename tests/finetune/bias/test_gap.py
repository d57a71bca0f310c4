from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.bias.gap import gap_table, read_gaps
from fractalvid.finetune.cli import main
from fractalvid.utils.errors import UserError
from tests.finetune.report.helpers import run_of, write_run_folder


def runs(folder: Path, label: str, right: list[bool], *, seeds: int = 2, **changes: Any) -> Path:
    for seed in range(seeds):
        write_run_folder(folder / f"{label}{seed}", run_of(right, label=label), seed=seed, **changes)
    return folder


def test_the_gap_is_the_ratio_of_the_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = runs(tmp_path / "fake", "fractal", [True, False, True, False, False, False], target="ucf101")
    real = runs(tmp_path / "real", "kinetics", [True, True, True, False, False, False], target="ucf101")
    gap = read_gaps(fake, real)[0]
    assert (gap.target, gap.mode, gap.model, gap.runs) == ("ucf101", "full", "r3d_10", (2, 2))
    assert gap.ratio == pytest.approx(2 / 3)
    assert main(["bias", "gap", str(fake), str(real), "--out", str(tmp_path / "gap.json")]) == 0
    out = capsys.readouterr().out
    assert "0.667" in out and "Other people's on ucf101: 83.40 / 86.17 = 0.968 with TSN-R50 (SynAPT" in out
    assert '"ratio": 0.66' in (tmp_path / "gap.json").read_text()


def test_a_split_with_more_seeds_counts_no_more(tmp_path: Path) -> None:
    good, bad = [True, True, True, False], [True, False, False, False]
    fake, real = tmp_path / "fake", tmp_path / "real"
    for seed in range(3):
        write_run_folder(fake / f"first{seed}", run_of(good, label="fractal"), seed=seed)
    write_run_folder(fake / "second", run_of(bad, label="fractal"), split="2")
    for split in ("1", "2"):
        write_run_folder(real / split, run_of(good, label="kinetics"), split=split)
    gap = read_gaps(fake, real)[0]
    assert (gap.synthetic, gap.real) == pytest.approx((50, 75))
    assert gap.runs == (4, 2)


def test_nothing_that_real_pretraining_names_has_no_ratio(tmp_path: Path) -> None:
    fake = runs(tmp_path / "fake", "fractal", [True, False, True])
    real = runs(tmp_path / "real", "kinetics", [False, False, False])
    gaps = read_gaps(fake, real)
    assert gaps[0].ratio is None and "| 0.00" in gap_table(gaps)


def test_what_does_not_compare_is_refused(tmp_path: Path) -> None:
    right = [True, False, True]
    fake = runs(tmp_path / "fake", "fractal", right)
    with pytest.raises(UserError, match=r"no target and mode in common: .* has folder, .* has hmdb51"):
        read_gaps(fake, runs(tmp_path / "a", "kinetics", right, target="hmdb51"))
    with pytest.raises(UserError, match="differ in model"):
        read_gaps(fake, runs(tmp_path / "b", "kinetics", right, model="r3d_18"))
    two = runs(runs(tmp_path / "c", "kinetics", right), "scratch", right)
    with pytest.raises(UserError, match=r"runs from several initialisations \(kinetics, scratch\)"):
        read_gaps(fake, two)
    with pytest.raises(UserError, match="is no folder of runs"):
        read_gaps(fake, tmp_path / "absent")
