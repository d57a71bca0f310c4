"""What every benchmark shares: a command line, the machine's description, medians, results as JSON and Markdown."""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fractalvid.core.fingerprint import fingerprint
from fractalvid.kernels.compiled import available_cores

RESULTS = Path(__file__).parent / "results"


def command_line(about: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the benchmark's docstring. Every `main` reads it first: `--help` must not measure."""
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m {_module()}", description=about, formatter_class=raw)


def part_of(command: str, about: str | None) -> NoReturn:
    """What a file does that only holds a part of another benchmark: it names the command that measures it."""
    parser = command_line(about)
    parser.parse_args()
    parser.error(f"this is a part of another benchmark: run python -m {command}")


def _module() -> str:
    here = Path(sys.argv[0]).resolve().relative_to(RESULTS.parent).with_suffix("")
    return ".".join(["benchmarks", *here.parts]).removesuffix(".__main__")


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
    folder: Path = RESULTS,
    show: bool = True,
) -> None:
    """Write <name>.json and .md to a folder, and print the table where `show`."""
    command = "python -m " + " ".join([_module(), *map(shlex.quote, sys.argv[1:])])
    about = machine()
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"command": command, "machine": about, **data}
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    lines = [f"# {title}", "", f"`{command}`", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    described = ", ".join(f"{k} {v}" for k, v in about.items())
    text = "\n".join([*lines, "", notes.strip(), "", f"Measured on: {described}."]).replace("\n\n\n", "\n\n") + "\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    if show:
        print(text)
