"""CUDA sources as one text each: a `.cu` file with what it includes, and the variations that jobs take."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fractalvid.kernels.cuda.translate import variations_header

FOLDER = Path(__file__).parent
_HEADERS = FOLDER / "include"
_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\w+\)\s+)?(\w+)\(')
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)


@dataclass(frozen=True)
class Module:
    """A CUDA source file as it is compiled for some jobs.

    Attributes:
        name: of the file, without `.cu`.
        fused: variations that a job may take for all its maps at amount 1: each has a loop of its own.
        summed: those that other jobs may sum, or choose by map.
        walkers: walkers a thread.
        block: most threads a block, which bounds the registers of a thread.
        coloured: count colours too.
        folder: where the file lies.
    """

    name: str
    fused: tuple[int, ...] = ()
    summed: tuple[int, ...] = ()
    walkers: int = 1
    block: int = 1024
    coloured: bool = False
    folder: Path = FOLDER

    def kernels(self) -> tuple[str, ...]:
        """The names of the kernels that the file defines."""
        return tuple(_KERNEL.findall((self.folder / f"{self.name}.cu").read_text(encoding="utf-8")))

    def source(self) -> str:
        """The whole text.

        One text, since whoever keeps compiled code tells sources apart by their text, not by that of their headers.
        """
        defined = {"WALKERS": self.walkers, "BLOCK": self.block, "COLOURED": int(self.coloured)}
        lines = [f"#define {name} {value}" for name, value in defined.items()]
        lines += [_each("EACH_FUSED", self.fused), _each("EACH_SUMMED", self.summed)]
        return "\n".join([*lines, _expanded(self.folder / f"{self.name}.cu")])


def _each(name: str, numbers: Iterable[int]) -> str:
    return f"#define {name}(DO) " + " ".join(f"DO({number})" for number in numbers)


@cache
def _expanded(path: Path) -> str:
    """The text of a source file, each header in the place where it is first included."""
    seen: set[str] = set()

    def included(match: re.Match[str]) -> str:
        header = match[1]
        if header in seen:
            return ""
        seen.add(header)
        text = variations_header() if header == "variations.cuh" else (_HEADERS / header).read_text(encoding="utf-8")
        return f'#line 1 "{header}"\n' + _INCLUDE.sub(included, text.replace("#pragma once\n", "\n"))

    return f'#line 1 "{path.name}"\n' + _INCLUDE.sub(included, path.read_text(encoding="utf-8"))
