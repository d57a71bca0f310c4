"""Processes wait for the main one's lone work longer than for each other."""

import time
from datetime import timedelta
from pathlib import Path

from fractalvid.pretrain.machine.processes import from_main, rank
from tests.pretrain.ranks import on_ranks

SHORT = 6.0
"""Seconds that they wait for each other."""


def take_long() -> str:
    time.sleep(1.5 * SHORT)
    return f"tested by {rank()}"


def wait_for_main(out: Path) -> None:
    (out / f"{rank()}.txt").write_text(from_main(take_long))


def test_a_long_test_of_the_main_process_can_end(tmp_path: Path) -> None:
    codes = on_ranks(2, wait_for_main, tmp_path, told=tmp_path / "told", timeout=timedelta(seconds=SHORT))
    assert codes == [0, 0], (tmp_path / "told" / "1.txt").read_text()
    assert {(tmp_path / f"{r}.txt").read_text() for r in (0, 1)} == {"tested by 0"}
