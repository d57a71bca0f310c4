"""Help, lists and mistakes of the commands wait for nothing heavy; neither does who imports the library."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "matplotlib", "av", "numba", "sklearn")


def brought(code: str) -> set[str]:
    """Which heavy packages are there after some code."""
    there = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{there}"], capture_output=True, text=True, check=True)
    return set(result.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--epochz 3",
        "--list",
        "compare --help",
        "compare --runs x",
        "predict --help",
        "prepare",
        "probe",
        "generalise",
        "shortcuts",
        "test",
    ],
)
def test_commands_read_their_options_first(words: str) -> None:
    code = f"from fractalvid.finetune.cli import main\ntry:\n    main({words.split()})\nexcept SystemExit:\n    pass"
    assert brought(code) == set()


def test_a_library_imports_what_is_used() -> None:
    assert brought("from fractalvid import finetune as ft; dir(ft); ft.Recipe; ft.TargetOptions('demo')") == set()
    assert "torch" in brought("from fractalvid import finetune as ft; ft.transfer")
