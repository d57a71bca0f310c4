"""Every CUDA source compiled by NVRTC, which comes with PyTorch's CUDA build and needs no driver and no GPU."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fractalvid.gpu import jobs
from fractalvid.kernels.cuda.source import FOLDER, Module
from fractalvid.kernels.variations import VARIATIONS

PAPER = (0, 4, 14, 16, 17, 20, 27, 29)
SOURCES = sorted([*FOLDER.glob("*.cu"), *jobs.MODULE.folder.glob("*.cu")])


@cache
def nvrtc() -> Any:
    """NVRTC's bindings, with a library behind them."""
    found = pytest.importorskip("cuda.bindings.nvrtc", reason="no NVRTC bindings (cuda-bindings, part of torch's CUDA)")
    try:
        code, *_ = found.nvrtcVersion()
    except Exception as error:
        pytest.skip(f"the NVRTC library does not load: {error}")
    assert int(code) == 0
    return found


def compiled(module: Module, architecture: str) -> str:
    """What the assembler says of a module."""
    library = nvrtc()
    _, program = library.nvrtcCreateProgram(module.source().encode(), f"{module.name}.cu".encode(), 0, [], [])
    # As CuPy compiles, but for its headers, of which no source takes any.
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17", b"-ftz=true", b"--ptxas-options=-v"]
    (code,) = library.nvrtcCompileProgram(program, len(options), options)
    _, size = library.nvrtcGetProgramLogSize(program)
    log = b" " * size
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(program)
    text: str = log.decode(errors="replace")
    assert int(code) == 0, text[:4000]
    return text


def spills(log: str) -> set[str]:
    """Bytes of registers kept in memory, of all kernels."""
    return set(re.findall(r"(\d+) bytes spill", log))


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_source_compiles(path: Path, architecture: str) -> None:
    module = Module(path.stem, (0,), (13, 24), coloured=True, folder=path.parent)
    log = compiled(module, architecture)
    assert set(re.findall(r"Compiling entry function '(\w+)'", log)) == set(module.kernels())
    assert "warning" not in log
    assert spills(log) == {"0"}


@pytest.mark.parametrize(("architecture", "fused"), [("sm_90", PAPER), ("sm_80", (0, 17))])
def test_the_hot_kernel_keeps_all_in_registers(architecture: str, fused: tuple[int, ...]) -> None:
    """For the reference method's variations: no spills, and registers for 1024 threads a multiprocessor."""
    log = compiled(Module("render", fused, walkers=2, block=512), architecture)
    used = [int(number) for number in re.findall(r"Used (\d+) registers", log)]
    assert len(used) == 1
    assert max(used) <= 64
    assert spills(log) == {"0"}


def test_all_variations_compile() -> None:
    log = compiled(Module("accumulate", (), tuple(VARIATIONS)), "sm_90")
    assert spills(log) == {"0"}
