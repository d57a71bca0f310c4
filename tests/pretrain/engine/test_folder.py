import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.pretrain.engine.folder import check_can_make, is_empty, prepare_run, read_config
from fractalvid.utils.errors import UserError

CONFIG: dict[str, Any] = {"seed": 0, "engine": {"steps": 5, "device": "cpu"}}


def start(out: Path, config: dict[str, Any] = CONFIG, *, resume: bool = False) -> None:
    prepare_run(out, program="pretrain", config=config, resume=resume, free={"engine.device"})


def test_a_new_or_empty_folder_gets_the_configuration(tmp_path: Path) -> None:
    start(tmp_path / "a" / "b")
    assert json.loads((tmp_path / "a" / "b" / "config.json").read_text())["config"] == CONFIG
    (tmp_path / "c").mkdir()
    start(tmp_path / "c")
    assert read_config(tmp_path / "c", "pretrain") == CONFIG


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    start(tmp_path / "run")
    with pytest.raises(UserError, match="holds a run already"):
        start(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        start(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"
    with pytest.raises(UserError, match="can't make the folder"):
        start(tmp_path / "other" / "thesis.txt" / "run")


def test_resuming_names_the_settings_that_changed(tmp_path: Path) -> None:
    start(tmp_path)
    start(tmp_path, resume=True)
    start(tmp_path, {"seed": 0, "engine": {"steps": 5, "device": "cuda"}}, resume=True)
    with pytest.raises(UserError, match=r"seed, engine\.steps differ"):
        start(tmp_path, {"seed": 1, "engine": {"steps": 6, "device": "cuda"}}, resume=True)


def test_there_must_be_a_run_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run in"):
        start(tmp_path / "typo", resume=True)
    (tmp_path / "config.json").write_text('{"program": "finetune", "config": {}}')
    with pytest.raises(UserError, match="no run of pretrain"):
        start(tmp_path, resume=True)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        start(tmp_path, resume=True)


@pytest.mark.parametrize("name", [".config.json.tmp", ".checkpoint.pt.0123abcd.tmp"])
def test_what_a_killed_write_left_does_not_fill_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{")
    start(tmp_path)
    assert read_config(tmp_path, "pretrain") == CONFIG


@pytest.mark.parametrize("name", ["tmp", "a.tmp", ".git"])
def test_other_files_do_fill_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    assert not is_empty(tmp_path)


def test_a_folder_can_be_made_or_not(tmp_path: Path) -> None:
    check_can_make(tmp_path / "a" / "b")
    check_can_make(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "a", Path("/proc/fractalvid"), tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="can't make the folder"):
            check_can_make(out)


def test_settings_of_a_later_version_mean_what_they_meant_before(tmp_path: Path) -> None:
    start(tmp_path)
    later = {"seed": 0, "engine": {"steps": 5, "device": "cpu", "parts": 1}, "aim": {"name": "classes", "weight": 0.5}}
    defaults = {"seed": 7, "engine": {"steps": None, "parts": 1}, "aim": {"name": "classes", "weight": 0.5}}
    prepare_run(tmp_path, program="pretrain", config=later, resume=True, defaults=defaults)
    changed = {**later, "aim": {"name": "other", "weight": 0.5}}
    with pytest.raises(UserError, match=r"aim\.name differ"):
        prepare_run(tmp_path, program="pretrain", config=changed, resume=True, defaults=defaults)
