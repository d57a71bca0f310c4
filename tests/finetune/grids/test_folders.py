import json
from pathlib import Path

import pytest

from fractalvid.finetune.grids import Failure, Failures, check_out, held
from fractalvid.utils.errors import UserError


def test_a_folder_is_its_own_or_empty(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert check_out(out, "sweep.json", "a sweep") is None
    with held(out):
        assert check_out(out, "sweep.json", "a sweep") is None
        with pytest.raises(UserError, match="another process works in"), held(out):
            pass
    (out / "other").touch()
    with pytest.raises(UserError, match="holds something else than a sweep"):
        check_out(out, "sweep.json", "a sweep")
    (out / "sweep.json").write_text(json.dumps({"what": "a sweep", "rows": []}))
    assert check_out(out, "sweep.json", "a sweep") == {"what": "a sweep", "rows": []}
    (out / "sweep.json").write_text(json.dumps({"what": "a study"}))
    with pytest.raises(UserError, match="is not that of a sweep"):
        check_out(out, "sweep.json", "a sweep")
    (out / "sweep.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        check_out(out, "sweep.json", "a sweep")


def test_failures_are_kept_until_they_are_forgotten(tmp_path: Path) -> None:
    failures = Failures(tmp_path / "failures")
    assert failures.of("run") is None
    failures.keep("run", Failure("why", "where"))
    assert failures.of("run") == Failure("why", "where")
    (tmp_path / "failures" / "other.json").write_text('{"reason": 3}')
    with pytest.raises(UserError, match="why a run failed"):
        failures.of("other")
    failures.forget("run")
    failures.forget("run")
    assert failures.of("run") is None
