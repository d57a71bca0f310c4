import json
from pathlib import Path

import pytest

from fractalvid.finetune.targets.registry import TARGETS, TargetOptions, make_target
from tests.finetune.helpers import command, put

CLASSES = ("Archery", "Biking")


def ucf_set(root: Path) -> Path:
    """Two classes of three groups, each of which is the test set of one split."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 Archery\r\n2 Biking\r\n")
    for split in (1, 2, 3):
        for side in ("train", "test"):
            lines = []
            for label, name in enumerate(CLASSES):
                for group in (1, 2, 3):
                    if (group == split) == (side == "test"):
                        lines.append(
                            f"{name}/v_{name}_g0{group}_c01.avi" + f" {label + 1}" * (side == "train") + "\r\n"
                        )
            (lists / f"{side}list0{split}.txt").write_text("".join(lines))
    for label, name in enumerate(CLASSES):
        for group in (1, 2, 3):
            put(root / "UCF-101" / name / f"v_{name}_g0{group}_c01.avi", 5 + group, level=120 * label + group)
    return root


def test_three_splits_and_their_mean(tmp_path: Path) -> None:
    root, out = ucf_set(tmp_path / "ucf"), tmp_path / "out"
    args = ["compare", "--target", "ucf101", "--data", root, "--out", out, "--splits", "1", "2", "3"]
    assert command(*args, cache=tmp_path / "cache") == 0
    top1 = []
    for split in "123":
        run = out / "scratch" / f"split-{split}_seed-0"
        metrics = json.loads((run / "metrics.json").read_text())
        assert (metrics["split"], metrics["videos"]["train"], metrics["videos"]["test"]) == (split, 4, 2)
        assert f"g0{split}" in (run / "predictions.csv").read_text()
        top1.append(metrics["top1"])
    (scratch,) = json.loads((out / "comparison.json").read_text())["initialisations"]
    assert scratch["top1"]["mean"] == pytest.approx(sum(top1) / 3)


@pytest.mark.parametrize("target", ["diving48 v2 v1", "kinetics400 val test"])
def test_versions_and_test_sets_are_not_averaged(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *splits = target.split()
    args = ["compare", "--target", name, "--data", tmp_path, "--out", tmp_path / "out", "--splits", *splits]
    assert command(*args, cache=tmp_path / "cache") == 2
    assert f"those of {name} are no repetitions" in capsys.readouterr().err


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_says_where_its_files_come_from(name: str, tmp_path: Path) -> None:
    target = make_target(TargetOptions(name, tmp_path if TARGETS[name].needs_data else None))
    assert target.name == name
    assert target.obtain.endswith(".") and len(target.obtain) > 60 and "\n" not in target.obtain
    assert target.layout and "\n" not in target.layout
