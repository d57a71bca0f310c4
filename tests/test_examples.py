"""The examples run, each in a process of its own, and say what they should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SAYS = {
    "own_loop.py --steps 10": r"step 10: loss \d\.\d{3}",
    "lightning_module.py --steps 2": r"loss \d\.\d{3} after 2 steps",
    "two_views.py --steps 2": r"step 2: loss \d\.\d{3}",
    "custom_kind.py": r"\(\d\d, 64, 64\)\n\(4, 3, 8, 64, 64\)\n20 clips in rings",
}


def run(command: str, folder: Path) -> str:
    name, *options = command.split()
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *options], cwd=folder, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_example_is_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {command.split()[0] for command in SAYS}


@pytest.mark.parametrize("command", SAYS)
def test_examples_run(command: str, tmp_path: Path) -> None:
    if command.startswith("lightning"):
        pytest.importorskip("lightning")
    assert re.search(f"{SAYS[command]}$", run(command, tmp_path))


def test_a_loop_of_ones_own_goes_on(tmp_path: Path) -> None:
    assert run("own_loop.py --steps 4", tmp_path).startswith("step 4: loss")
    assert run("own_loop.py --steps 6", tmp_path).startswith("going on at step 4\nstep 6: loss")
    assert run("own_loop.py --steps 6", tmp_path) == "finished; remove own_loop.pt to begin again"
