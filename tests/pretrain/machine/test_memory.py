"""Freed memory that is used again."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from fractalvid.pretrain.machine import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
FEW = 16
"""Half as many pages as 64 MiB have where they are of 2 MiB."""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps memory")


def faults(**environment: str) -> int:
    """Pages of 64 MiB that were handed out anew, the second time that so much was asked for."""
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_large_block_takes_pages_that_are_there() -> None:
    assert faults() < FEW


def test_what_the_user_has_said_of_memory_holds() -> None:
    assert faults(MALLOC_MMAP_THRESHOLD_="1048576") >= FEW
