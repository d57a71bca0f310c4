"""Hostile and broken input at length: cases per target of `tests/fuzz`, the code they reach, and what was found.

Each target runs in a process of its own. A process that ends or hangs is a finding, and the next goes on with the cases
that are left. The slice in the tests is the same at every run; this one is as long as --cases says, in all, and depends
on --seed.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import command_line, write

_WAITS = 900.0
"""Seconds by the clock at one input after which a process waits for something; one that computes ends itself sooner."""
_POLL = 0.5


@dataclass
class Outcome:
    """What became of a target: cases that ran, lines covered by seeds and in the end, seconds, findings by kind."""

    cases: int = 0
    seeds: int = 0
    covered: int = 0
    seconds: float = 0.0
    findings: Counter[str] = field(default_factory=Counter)


def run_target(name: str, cases: int, seed: int) -> Outcome:
    """Try so many inputs of a target, in as many processes as it takes."""
    outcome, begin = Outcome(), time.monotonic()
    while outcome.cases < cases:
        with tempfile.TemporaryDirectory() as scratch:
            folder, before = Path(scratch), outcome.cases
            ended = _run_process(name, cases - outcome.cases, seed + outcome.cases, folder)
            _count(outcome, folder, cases)
            if ended != "ended":
                outcome.findings[f"{name}: {ended}"] += 1
            if outcome.cases == before:
                break
    outcome.seconds = time.monotonic() - begin
    return outcome


def _run_process(name: str, cases: int, seed: int, folder: Path) -> str:
    """Run it; how it ended."""
    command = [sys.executable, "-m", "tests.fuzz.run_target", name, str(cases), str(seed), str(folder)]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        while process.poll() is None:
            time.sleep(_POLL)
            last = folder / "last"
            if last.exists() and time.time() - last.stat().st_mtime > _WAITS:
                process.kill()
                process.wait()
                return "hang"
    ends = {0: "ended", -signal.SIGPROF: "hang"}
    return ends.get(process.returncode, f"crash ({process.returncode})")


def _count(outcome: Outcome, folder: Path, most: int) -> None:
    """Add what a process has told."""
    log = folder / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    told: dict[str, Any] = {}
    for line in lines:
        if "finding" in line:
            finding = line["finding"]
            outcome.findings[f"{finding['target']}: {finding['error']} at {finding['place']}"] += 1
        else:
            told = line
    outcome.cases = min(most, outcome.cases + told.get("cases", 0))
    outcome.seeds = outcome.seeds or told.get("lines_of_seeds", 0)
    outcome.covered = max(outcome.covered, told.get("lines", 0))


def main() -> None:
    """Run all targets and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("--cases", type=int, default=200_000, help="inputs in all, shared evenly by the targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of targets")
    options = parser.parse_args()
    from tests.fuzz.targets import BY_NAME

    names = options.only or list(BY_NAME)
    each = -(-options.cases // len(names))
    outcomes = {}
    for name in names:
        outcomes[name] = run_target(name, each, options.seed)
        _write(outcomes)


def _write(outcomes: dict[str, Outcome]) -> None:
    header = ["target", "cases", "lines reached by seeds", "lines reached", "s", "findings"]
    rows = [
        [name, f"{o.cases:,}", str(o.seeds), str(o.covered), f"{o.seconds:.0f}", str(len(o.findings))]
        for name, o in outcomes.items()
    ]
    total = sum(o.cases for o in outcomes.values())
    rows.append(["all", f"{total:,}", "", "", f"{sum(o.seconds for o in outcomes.values()):.0f}", ""])
    kinds = [f"- {kind} ({count} cases)" for o in outcomes.values() for kind, count in o.findings.items()]
    notes = "Findings, by kind:\n\n" + ("\n".join(kinds) or "none")
    data = {
        "cases": total,
        "targets": {name: vars(o) | {"findings": dict(o.findings)} for name, o in outcomes.items()},
    }
    write("fuzz", "Hostile and broken input", header, rows, data, notes, show=False)


if __name__ == "__main__":
    main()
