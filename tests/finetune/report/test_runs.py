from pathlib import Path

import pytest

from finetune.report import check_comparable, read_run
from fractalvid.errors import UserError
from tests.finetune.report.helpers import run_of, write_run_folder

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
