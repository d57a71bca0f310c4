"""Which kernels to compile in a second process: `python -m fractalvid.kernels.cpu.ahead WISH ...` compiles them.

A wish is "task:NAME:LOOPS:fused" or "task:NAME:LOOPS:summed" for a driver and a number of row loops,
"loop:NUMBER:fused" or "loop:NUMBER:summed" for a variation, or "points" for the statistics of points.
"""

import gc
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from numba import config

from fractalvid.kernels.compiled import ahead
from fractalvid.kernels.compiled.cache import CAN_KEEP
from fractalvid.kernels.compiled.compile import digest
from fractalvid.kernels.compiled.threads import available_cores
from fractalvid.kernels.cpu import drivers, points
from fractalvid.kernels.cpu.frames import ColourRenderTask, RenderTask
from fractalvid.kernels.cpu.row_loops import row_loop
from fractalvid.kernels.variations import LINEAR, by_name

FUSED, SUMMED = "fused", "summed"
_TASKS = {task.__name__: task for task in drivers.DRIVERS}


def begin(variations: Iterable[str], *, summed: bool, coloured: bool) -> None:
    """Start compiling what clips of fractals need, beside this process, where there is a core and a cache for it.

    Those kernels come first that this process, which samples classes first, needs last.

    Args:
        variations: names of those that classes may take.
        summed: whether they are summed or chosen by map, too.
        coloured: whether clips are.
    """
    task = ColourRenderTask if coloured else RenderTask
    if not CAN_KEEP or available_cores() < 2 or _kept(drivers.DRIVERS[task][0].__name__):
        return
    numbers = sorted({LINEAR, *(by_name(name).number for name in variations)}, reverse=True)
    kinds = (FUSED, SUMMED) if summed else (FUSED,)
    many = [f"task:{task.__name__}:{drivers.loops_for(3)}:{SUMMED}"] if summed else []
    loops = [f"loop:{number}:{kind}" for number in numbers for kind in kinds]
    ahead.start([f"task:{task.__name__}:1:{FUSED}", "points", *many, *loops])


def _kept(name: str) -> bool:
    """Whether a kernel of that name, as it is now, is in the disk cache."""
    chosen = cast(Any, config).CACHE_DIR
    folder = Path(chosen) if chosen else Path(__file__).parent / "__pycache__"
    return any(folder.rglob(f"*.{name}_{digest()}-*.nbi"))


def grant(wish: str) -> None:
    """Compile what a wish asks for."""
    what, *rest = wish.split(":")
    if what == "points":
        points.compile_all()
    elif what == "loop":
        row_loop(int(rest[0]), rest[1] == FUSED)
    else:
        drivers.compiled(_TASKS[rest[0]], int(rest[1]), rest[2] == FUSED)


def main(wishes: Iterable[str]) -> None:
    """Grant wishes, and say on standard output which kernels are begun and done."""
    gc.disable()  # compilers make many objects that live as long as this process
    ahead.report_to(sys.stdout)
    try:
        for wish in wishes:
            grant(wish)
    except (BrokenPipeError, KeyboardInterrupt):  # the process that asked is gone, or stopped
        sys.stderr.close()


if __name__ == "__main__":
    main(sys.argv[1:])
