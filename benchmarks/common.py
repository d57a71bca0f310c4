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
    whole = {"command": _command(), "machine": machine(), **data}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    lines = [f"# {title}", "", f"`{whole['command']}`", "", *_table(header, rows)]
    lines += ["", notes.strip(), "", _measured_on(whole["machine"])]
    _write_page(folder / f"{name}.md", lines, show)


def write_beside(
    name: str, title: str, header: list[str], rows: list[list[str]], data: dict[str, Any], notes: str = ""
) -> None:
    """Write <name>.json and .md, and print them; what other kinds of processors measured stays beside it."""
    path, about = RESULTS / f"{name}.json", machine()
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found[about["processor"]] = {"command": _command(), "machine": about, "rows": rows, "notes": notes.strip(), **data}
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    lines = [f"# {title}"]
    for processor, part in found.items():
        lines += ["", f"## {processor}", "", f"`{part['command']}`", "", *_table(header, part["rows"])]
        lines += ["", part["notes"], "", _measured_on(part["machine"])]
    _write_page(RESULTS / f"{name}.md", lines, show=True)


def _command() -> str:
    return "python -m " + " ".join([_module(), *map(shlex.quote, sys.argv[1:])])


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *("| " + " | ".join(r) + " |" for r in rows)]


def _measured_on(about: dict[str, Any]) -> str:
    return f"Measured on: {', '.join(f'{k} {v}' for k, v in about.items())}."


def _write_page(path: Path, lines: list[str], show: bool) -> None:
    text = "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"
    path.write_text(text, encoding="utf-8")
    if show:
        print(text)
