import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.pretrain.run.folder import begin_run, read_config, resume_run
from fractalvid.utils.errors import UserError

CONFIG: dict[str, Any] = {"seed": 0, "engine": {"steps": 5, "device": "cpu"}}


def start(out: Path, config: dict[str, Any] = CONFIG, *, resume: bool = False) -> None:
    if resume:
        resume_run(out, config, free={"engine.device"})
    else:
        begin_run(out, config)


def test_a_new_or_empty_folder_gets_the_configuration(tmp_path: Path) -> None:
    start(tmp_path / "a" / "b")
    assert json.loads((tmp_path / "a" / "b" / "config.json").read_text())["config"] == CONFIG
    (tmp_path / "c").mkdir()
    start(tmp_path / "c")
    assert read_config(tmp_path / "c") == CONFIG


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
    assert read_config(tmp_path) == CONFIG


def test_fields_that_a_run_did_not_have_yet_mean_their_defaults(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", {"steps": 3, "engine": {"ema": 0.9}})
    now = {"steps": 3, "grow": None, "engine": {"ema": 0.9, "wait": 1}}
    defaults = {"steps": 1, "grow": None, "engine": {"ema": 0.0, "wait": 1}}
    resume_run(tmp_path / "run", now, free=(), defaults=defaults)
    with pytest.raises(UserError, match=r"grow, engine\.wait differ"):
        resume_run(tmp_path / "run", now | {"grow": 2, "engine": {"ema": 0.9, "wait": 2}}, free=(), defaults=defaults)
    with pytest.raises(UserError, match=r"engine\.ema"):
        resume_run(tmp_path / "run", now | {"engine": {"ema": 0.0, "wait": 1}}, free=(), defaults=defaults)
