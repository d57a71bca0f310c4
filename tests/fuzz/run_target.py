"""One target in a process of its own, at length: `python -m tests.fuzz.run_target NAME CASES SEED FOLDER`.

Each input is written to FOLDER before it is tried, so that the parent knows what ended this process; findings, and
what was covered, are lines of JSON in FOLDER/log.jsonl.
"""

import json
import random
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import CodeType
from typing import Any

from tests.fuzz.mutations import mutated
from tests.fuzz.oracle import Oracle
from tests.fuzz.targets import BY_NAME

HANGS = 30.0
"""Seconds of the processor after which SIGPROF ends a process that is still at the same input."""
PACKAGES = ("/fractalvid/", "/kernels/", "/pretrain/", "/finetune/")


class Coverage:
    """Lines of our own code that ran, by `sys.monitoring`, or `sys.settrace` before Python 3.12."""

    def __init__(self) -> None:
        """Begin to look."""
        self.lines = set[tuple[CodeType, int]]()
        if sys.version_info >= (3, 12):
            watch = sys.monitoring
            watch.use_tool_id(watch.COVERAGE_ID, "fuzz")
            watch.register_callback(watch.COVERAGE_ID, watch.events.LINE, self._line)
            watch.set_events(watch.COVERAGE_ID, watch.events.LINE)
        else:
            sys.settrace(self._call)

    def _line(self, code: CodeType, line: int) -> object:
        if any(name in code.co_filename for name in PACKAGES):
            self.lines.add((code, line))
        if sys.version_info >= (3, 12):
            return sys.monitoring.DISABLE
        return None

    def _call(self, frame: Any, event: str, _: Any) -> Any:
        code = frame.f_code
        return self._trace if any(name in code.co_filename for name in PACKAGES) else None

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        self.lines.add((frame.f_code, frame.f_lineno))
        return self._trace


def main(name: str, cases: int, seed: int, folder: Path) -> None:
    """Try mutations of seeds, and of inputs that reached lines which nothing before them did."""
    target = BY_NAME[name]
    with tempfile.TemporaryDirectory(dir=folder) as scratch, (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        corpus, oracle, chance = list(target.seeds()), Oracle(Path(scratch), target), random.Random(seed)
        oracle.warm(corpus)

        def try_one(data: bytes) -> None:
            (folder / "last").write_bytes(data)
            signal.setitimer(signal.ITIMER_PROF, HANGS)
            finding = oracle.check(data)
            if finding is not None:
                tell(finding=asdict(finding), data=data[:300].decode("latin-1"))

        def tell(**what: object) -> None:
            log.write(json.dumps(what) + "\n")
            log.flush()

        coverage = Coverage()
        for data in corpus:
            try_one(data)
        begun = reached = len(coverage.lines)
        for number in range(1, cases + 1):
            data = mutated(corpus, chance)
            try_one(data)
            if len(coverage.lines) > reached:
                reached = len(coverage.lines)
                corpus.append(data)
            if number % 50 == 0 or number == cases:
                tell(cases=number, lines_of_seeds=begun, lines=reached, corpus=len(corpus))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
