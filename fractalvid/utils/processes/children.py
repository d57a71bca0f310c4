"""Child processes that run this very package, installed or not."""

import os
from pathlib import Path

import fractalvid


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment, in which Python finds the package that runs here, with `more` in it."""
    package = str(Path(fractalvid.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **more}
