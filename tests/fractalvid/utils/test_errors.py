"""Whatever goes wrong that is no mistake of the program is one line and an exit code."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fractalvid.utils.errors import UserError, run_cli


def raising(error: BaseException) -> Callable[[list[str]], int]:
    def main(arguments: list[str]) -> int:
        raise error

    return main


ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"
WINDOWS = "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."
SHORT = "p: error: not enough memory: {}; smaller batches or clips take less\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("too large: choose less"), 2, "p: error: too large: choose less\n"),
        (OSError(36, "File name too long", "x"), 2, "p: error: x: File name too long\n"),
        (OSError(28, "No space left on device"), 2, "p: error: No space left on device\n"),
        (OSError("first\nsecond"), 2, "p: error: first\n"),
        (MemoryError("Unable to allocate 625. GiB"), 2, "p: error: not enough memory: Unable to allocate 625. GiB\n"),
        (MemoryError(), 2, "p: error: not enough memory: MemoryError\n"),
        (torch.OutOfMemoryError("CUDA out of memory.\nMore"), 2, SHORT.format("CUDA out of memory.")),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, SHORT.format(ALLOCATOR)),
        (RuntimeError(WINDOWS), 2, SHORT.format(WINDOWS)),
        (RuntimeError("could not execute a primitive"), 2, SHORT.format("could not execute a primitive")),
        (KeyboardInterrupt(), 130, "p: interrupted\n"),
        (SystemExit(0), 0, ""),
    ],
)
def test_errors_are_one_line(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("p", raising(error), []) == code
    assert capsys.readouterr().err == said


def test_pytorch_says_so_itself_where_memory_is_out() -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        torch.empty(1 << 50, dtype=torch.uint8)


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("could not create a primitive descriptor")])
def test_mistakes_of_the_program_keep_their_traces(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run_cli("p", raising(error), [])
    with pytest.raises(SystemExit):
        run_cli("p", raising(SystemExit(3)), [])


def printing(text: str, output: int) -> subprocess.CompletedProcess[str]:
    """A command that prints to a file descriptor."""
    code = (
        f"import sys; from fractalvid.utils.errors import run_cli; sys.exit(run_cli('p', lambda _: print({text}), []))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )


@pytest.mark.parametrize("times", [1, 100_000])  # written at the end, and in between
def test_output_that_nobody_reads_ends_a_command_quietly(times: int) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = printing(f"'much to say ' * {times}", write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_finds_no_space_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = printing("'text'", full.fileno())
    assert (done.returncode, done.stderr) == (2, "p: error: No space left on device\n")


def test_names_that_are_not_utf_8_are_printed(tmp_path: Path) -> None:
    with (tmp_path / "said").open("w") as file:
        done = printing("'q' + chr(0xdcff)", file.fileno())
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "said").read_text() == "q\\udcff\n"


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_outputs_are_no_error(tmp_path: Path, closed: str) -> None:
    code = (
        "import subprocess, sys, pathlib; from fractalvid.utils.errors import run_cli\n"
        "def main(arguments):\n"
        "    print('out'), print('err', file=sys.stderr)\n"
        "    subprocess.run([sys.executable, '-c', 'print(1, flush=True)'], check=True)\n"
        "    pathlib.Path('made').touch()\n"
        "sys.exit(run_cli('p', main, []))\n"
    )
    (tmp_path / "p.py").write_text(code)
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(["sh", "-c", f'"$0" p.py {closed}', sys.executable], cwd=tmp_path, env=here, check=False)
    assert done.returncode == 0
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-summed", "0"], "--max-summed must be 1 or more"),
        (["--max-summed=0"], "--max-summed must be 1 or more"),
        (["--max_summed", "0"], "--max_summed must be 1 or more"),
        (["--summed", "0"], "max_summed must be 1 or more"),
    ],
)
def test_a_setting_is_named_as_it_was_typed(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: list[str]) -> None:
        raise UserError("max_summed must be 1 or more")

    assert run_cli("tool", refuse, arguments) == 2
    assert capsys.readouterr().err == f"tool: error: {said}\n"


def test_a_setting_that_is_said_with_hyphens_is_named_as_it_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: list[str]) -> None:
        raise UserError("batch-size is 0; it must be at least 2")

    assert run_cli("tool", refuse, ["--batch-size", "0"]) == 2
    assert capsys.readouterr().err == "tool: error: --batch-size is 0; it must be at least 2\n"
