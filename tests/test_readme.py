"""The README's example runs, and what it promises is there."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr
        assert "torch.Size([32, 3, 8, 112, 112]) torch.Size([32])" in done.stdout


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
