"""A section of `benchmarks.gpu` in a process of its own, which ends itself when the section's time is up.

`python -m benchmarks.gpu.child MODULE:FUNCTION ROWS SECONDS GPU`: the function is called with a `Report` whose rows go
to the file ROWS, and the number of the GPU. It is not imported before the clock runs.
"""

import faulthandler
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.gpu.report import Report


def run(target: str, rows: str, seconds: str, index: str) -> None:
    """Call the section's function. When time is up, what each thread is at goes to standard error: where it hung."""
    faulthandler.enable()
    faulthandler.dump_traceback_later(float(seconds), exit=True)
    module, name = target.split(":")
    getattr(import_module(module), name)(Report(Path(rows)), int(index))


if __name__ == "__main__":
    run(*sys.argv[1:])
