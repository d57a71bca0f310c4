"""On what pixels were made: the same fingerprint means the same bits."""

import platform
from importlib.metadata import version

from llvmlite.binding import get_host_cpu_name

from fractalvid.core.seeds import STREAM_VERSION


def fingerprint() -> dict[str, str]:
    """Backend, processor family and the versions that decide a clip's bits."""
    return {
        "stream_version": str(STREAM_VERSION),
        "backend": "cpu",
        "processor": f"{platform.machine()} {get_host_cpu_name()}",
        **{name: version(name) for name in ("numba", "llvmlite", "numpy", "scipy")},
    }
