"""Drivers call their own copies of what they call."""

import re

import pytest

from fractalvid.kernels.compiled import compile as compiling
from fractalvid.kernels.cpu import drivers, frames


def test_copies_are_of_the_driver_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linker that knows another function of the same name takes that one where a copy is weak."""
    monkeypatch.setattr(compiling, "CAN_KEEP", False)
    signature = drivers.signature_of(frames.CountTask, 1, fused=True)
    made = compiling.driver(signature, drivers.DRIVERS[frames.CountTask][0])
    defined = re.findall(r"^define (\w+).*@\"?(\S*10fractalvid\S*)\(", made.library.get_llvm_str(), re.MULTILINE)
    copies = {name: linkage for linkage, name in defined if "locate_and_count" in name or "philox" in name}
    assert len(copies) >= 2
    assert set(copies.values()) == {"internal"}
