"""The README's examples run, and what it promises is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
SAID = {
    "FractalSet(": "torch.Size([32, 3, 8, 256, 256]) torch.Size([32])",
    "lightning.Trainer(": "2",
    "FractalStream(bank": "torch.Size([32, 3, 8, 112, 112]) torch.Size([32])",
}
"""What tells a block from the others, and what its last line prints."""


@pytest.mark.parametrize("mark", SAID)
def test_the_python_examples_run(mark: str, tmp_path: Path) -> None:
    assert len(BLOCKS) == len(SAID)
    (block,) = (block for block in BLOCKS if mark in block)
    if "import lightning" in block:
        pytest.importorskip("lightning", reason="this example needs the package lightning, which dev brings")
    if 'FractalSet("dataset"' in block:
        generate = [
            sys.executable,
            "-m",
            "fractalvid",
            "generate",
            "--classes",
            "8",
            "--clips",
            "5",
            "--points",
            "5000",
        ]
        subprocess.run([*generate, "--out", "dataset"], cwd=tmp_path, env=environment(), check=True, timeout=120)
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, timeout=250, cwd=tmp_path, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == SAID[mark]


def environment() -> dict[str, str]:
    """Examples run in a folder of their own, with this copy of the project."""
    return os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}


def test_linked_files_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_options_it_names_exist() -> None:
    named: dict[str, set[str]] = {}
    for line in README.replace("\\\n", " ").splitlines():
        command = re.match(r"\s*(fractalvid \w+|pretrain|finetune compare|finetune)\s", line)
        if command:
            named.setdefault(command[1], set()).update(re.findall(r"(--[a-z-]+)", line))
    assert set(named) >= {"fractalvid generate", "pretrain", "finetune", "finetune compare"}
    for name, options in named.items():
        program, *rest = name.split()
        call = [sys.executable, "-m", program, *rest, "--help"]
        text = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120).stdout
        missing = {option for option in options - {"--help"} if option not in text}
        assert not missing, f"{name} has no {missing}"
