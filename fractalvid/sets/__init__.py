"""Generated sets of clips on disk: made, resumed, read, verified and repaired."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractalvid.sets.config import SetConfig
    from fractalvid.sets.generation import generate
    from fractalvid.sets.reader import ClipError, SetReader
    from fractalvid.sets.torch_set import FractalSet
    from fractalvid.sets.verification import repair, verify

__all__ = ["ClipError", "FractalSet", "SetConfig", "SetReader", "generate", "repair", "verify"]

_MODULES = {
    "ClipError": "reader",
    "FractalSet": "torch_set",
    "SetConfig": "config",
    "SetReader": "reader",
    "generate": "generation",
    "repair": "verification",
    "verify": "verification",
}
"""Where each exported name is defined. They are imported when asked for, since only `FractalSet` needs PyTorch."""


def __getattr__(name: str) -> Any:
    """An exported name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
