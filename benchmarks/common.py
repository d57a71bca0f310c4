"""What every benchmark shares: the machine's description, medians, and results written as JSON and Markdown."""

import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fractalvid.fingerprint import fingerprint
from kernels.threads import available_cores

RESULTS = Path(__file__).parent / "results"


def timed(work: Callable[[], Any], runs: int) -> list[float]:
    """Seconds of `runs` calls after one that is not counted."""
    work()
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def shown(values: list[float], digits: int = 0) -> str:
    """Median (min to max)."""
    s = spread(values)
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f} to {s['max']:.{digits}f})"


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cores": available_cores(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
    } | fingerprint()


def write(
    name: str,
    title: str,
    header: list[str],
    rows: list[list[str]],
    data: dict[str, Any],
    notes: str = "",
    *,
    show: bool = True,
) -> None:
    """Write results/<name>.json and .md, and print the table where `show`."""
    command = "python -m " + " ".join([f"benchmarks.{Path(sys.argv[0]).stem}", *map(shlex.quote, sys.argv[1:])])
    about = machine()
    RESULTS.mkdir(exist_ok=True)
    whole = {"command": command, "machine": about, **data}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    lines = [f"# {title}", "", f"`{command}`", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    described = ", ".join(f"{k} {v}" for k, v in about.items())
    text = "\n".join([*lines, "", notes.strip(), "", f"Measured on: {described}."]).replace("\n\n\n", "\n\n") + "\n"
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    if show:
        print(text)
