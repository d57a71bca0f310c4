"""Processes that share the tests share the cores, and chance is the same at every run."""

import os
import sys

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of PyTorch in each, and in what it starts


@pytest.fixture(autouse=True)
def _chance() -> None:
    """Seed PyTorch where a test may draw from it without a generator; tests that import it later seed nothing."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
