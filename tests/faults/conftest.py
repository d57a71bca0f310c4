"""One bench for all faults: undisturbed runs are shared."""

import sys

import pytest

from tests.faults.bench import Bench

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # processes are found, and descriptors named, by Linux's /proc


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Where commands are disturbed."""
    return Bench(tmp_path_factory.mktemp("faults"))
