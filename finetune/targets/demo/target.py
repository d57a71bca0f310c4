"""The demo as a target: what a set of its clips is made from, where that lies, and how it is trained and tested."""

from dataclasses import dataclass
from pathlib import Path

from fractalvid.finetune.targets.base import TargetProtocol
from fractalvid.finetune.targets.demo.stick_figures import ACTIONS
from fractalvid.finetune.targets.folder import Folder

_OBTAIN = "The demo's clips of twelve actions by stick figures are drawn on the spot: there is nothing to obtain."


@dataclass(frozen=True)
class DemoSet:
    """What a set of demo clips is made from; two equal ones hold the same clips."""

    seed: int = 0
    """Everything random follows from it."""
    clips_per_class_train: int = 20
    """Training clips of each of the twelve actions."""
    clips_per_class_test: int = 20
    """Test clips of each of the twelve actions."""
    size: int = 72
    """Height and width in pixels."""
    frames: int = 16
    """Frames a clip, at 12 a second."""
    version: int = 1
    """Which drawing rules: another number, other pixels."""


def demo_protocol() -> TargetProtocol:
    """How the demo target is trained and tested: 8 frames, every second one, so that a clip is one window."""
    return TargetProtocol(clip_len=8, frame_stride=2, views=1, num_classes=len(ACTIONS))


def demo_target() -> Folder:
    """The target: its clips lie in folders as anybody's own videos do."""
    return Folder(name="demo", protocol=demo_protocol(), obtain=_OBTAIN, layout="nothing")


def demo_path(cache_dir: Path, config: DemoSet) -> Path:
    """The folder in the cache for the embedded target's clips, drawn or not."""
    name = f"seed{config.seed}-{config.clips_per_class_train}+{config.clips_per_class_test}"
    return cache_dir / "demo" / f"{name}-{config.size}px-{config.frames}frames-v{config.version}"
