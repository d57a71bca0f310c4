"""Processes that share the tests share the cores: one thread of PyTorch in each, and in what it starts."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
