"""CUDA sources as one text each: files of `cuda/` with what they include, and the variations that jobs take."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kernels.translate import variations_header

FOLDER = Path(__file__).parent / "cuda"
KERNELS = {
    "accumulate": ("accumulate",),
    "boxes": ("boxes", "tone_boxes"),
    "jobs": ("words", "instances", "class_maps", "instance_maps", "project", "plan"),
    "orbit": ("orbit", "growth"),
    "points": ("extent", "share_within", "on_grid"),
    "render": ("render",),
    "verdicts": ("admit", "view_boxes", "judge", "settle", "damp"),
}
"""The kernels of each file `cuda/*.cu`."""

_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)


@dataclass(frozen=True)
class Module:
    """A file of `cuda/` as it is compiled for some jobs.

    Attributes:
        name: of the file.
        fused: variations that a job may take for all its maps at amount 1: each has a loop of its own.
        summed: those that other jobs may sum, or choose by map.
        walkers: walkers a thread.
        block: most threads a block, which bounds the registers of a thread.
        coloured: count colours too.
    """

    name: str
    fused: tuple[int, ...] = ()
    summed: tuple[int, ...] = ()
    walkers: int = 1
    block: int = 1024
    coloured: bool = False

    def source(self) -> str:
        """The whole text.

        One text, since whoever keeps compiled code tells sources apart by their text, not by that of their headers.
        """
        defined = {"WALKERS": self.walkers, "BLOCK": self.block, "COLOURED": int(self.coloured)}
        lines = [f"#define {name} {value}" for name, value in defined.items()]
        lines += [_each("EACH_FUSED", self.fused), _each("EACH_SUMMED", self.summed)]
        return "\n".join([*lines, _expanded(self.name)])


def _each(name: str, numbers: Iterable[int]) -> str:
    return f"#define {name}(DO) " + " ".join(f"DO({number})" for number in numbers)


@cache
def _expanded(name: str) -> str:
    """The text of `cuda/<name>.cu`, each header in the place where it is first included."""
    seen: set[str] = set()

    def included(match: re.Match[str]) -> str:
        header = match[1]
        if header in seen:
            return ""
        seen.add(header)
        text = variations_header() if header == "variations.cuh" else (FOLDER / header).read_text(encoding="utf-8")
        return f'#line 1 "{header}"\n' + _INCLUDE.sub(included, text.replace("#pragma once\n", "\n"))

    return f'#line 1 "{name}.cu"\n' + _INCLUDE.sub(included, (FOLDER / f"{name}.cu").read_text(encoding="utf-8"))
