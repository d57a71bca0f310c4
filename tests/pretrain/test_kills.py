"""Runs that are killed without warning, and go on."""

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.utils.errors import UserError
from tests.pretrain.engine.test_training import untimed
from tests.pretrain.helpers import dawdle, equal_state, fit, tiny
from tests.pretrain.ranks import ends, start

STEPS = 150
ROOT = Path(__file__).parents[2]


def written(path: Path) -> int:
    """When a file was last replaced; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def test_a_run_that_is_killed_ten_times_ends_with_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    moments, checkpoint = random.Random(0), tmp_path / "killed" / CHECKPOINT
    killed: list[int] = []
    while len(killed) < 10:
        before, deadline = written(checkpoint), time.monotonic() + 200
        process = start(dawdle, tmp_path / "killed", STEPS)
        while written(checkpoint) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.05))  # some steps, or half a checkpoint, later
        assert process.is_alive(), "nothing left to kill"
        process.kill()
        process.join()
        killed.append(load_checkpoint(checkpoint)["step"])
    assert killed == sorted(set(killed))
    assert killed[-1] < STEPS
    assert ends([start(dawdle, tmp_path / "killed", STEPS), start(dawdle, tmp_path / "whole", STEPS)]) == [0, 0]
    ours, theirs = (load_checkpoint(tmp_path / name / CHECKPOINT) for name in ("killed", "whole"))
    assert ours["step"] == theirs["step"] == STEPS
    for part in ("model", "ema"):
        assert all(torch.equal(ours[part][k], theirs[part][k]) for k in theirs[part])
    logs = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("killed", "whole")]
    first, second = (untimed([json.loads(line) for line in log]) for log in logs)
    assert first == second
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["checkpoint.pt", "metrics.jsonl"]


COMMAND = [
    *("--arch", "r3d_10", "--classes", "3", "--batch-size", "8", "--clip-len", "2", "--frame-stride", "2"),
    *("--size", "16", "--points", "500", "--val-clips", "3", "--device", "cpu", "--threads", "1"),
    *("--no-tensorboard", "--no-progress", "--checkpoint-every", "2", "--log-every", "1", "--steps", "6"),
]
DYING = """
import os, signal, sys
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.update import Update
step = Update.step
def dies(self, batch, lr):
    if os.environ["RANK"] == "1" and batch.next_index > 32:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, lr)
Update.step = dies
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_under_torchrun_ends_with_a_killed_process_and_goes_on_alone(tmp_path: Path) -> None:
    script, out = tmp_path / "dying.py", tmp_path / "run"
    script.write_text(DYING)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*torchrun, *COMMAND, "--out", str(out)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode != 0
    assert "8 (2 processes x 4) a step, learning rate 0.0002" in done.stderr
    # Where torchrun is faster than the network, it asks the other process to stop, which is an end as orderly.
    assert re.search(
        r"pretrain \(rank 0 of 2\): (error: another process of this run has ended|interrupted)", done.stderr
    )
    assert not (out / "weights.safetensors").exists()
    state = load_checkpoint(out / CHECKPOINT)
    assert (state["step"], state["next_index"]) == (4, 32)
    assert main(["--resume", "--no-progress", "--out", str(out)]) == 0
    assert (out / "weights.safetensors").exists()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3, 4, 5, 6]


def test_what_a_full_disk_leaves_of_a_checkpoint_is_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, first, resumed = tiny(), tiny(), tiny(seed=3)
    fit(tmp_path / "whole", whole)
    save, saved = torch.save, []

    def fills_up(content: Any, file: Any) -> None:
        saved.append(content["step"])
        if content["step"] == 8:
            file.write(b"half of it")
            raise OSError(28, "No space left on device")
        save(content, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fills_up)
        with pytest.raises(UserError, match=r"can't write .*checkpoint\.pt: No space left.* --resume goes on"):
            fit(tmp_path / "run", first, checkpoint_every=4)
    assert saved == [4, 8]
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT)["step"] == 4
    fit(tmp_path / "run", resumed, resume=True)
    assert equal_state(whole, resumed)
