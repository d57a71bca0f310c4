"""The demo as a target: what a set of its clips is made from, where that lies, and how it is trained and tested."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fractalvid.finetune.targets.base import TargetProtocol
from fractalvid.finetune.targets.demo.stick_figures import ACTIONS
from fractalvid.finetune.targets.folder import Folder

Style = Literal["filmed", "cartoon"]

CARTOON = "demo-cartoon"
"""The target whose clips are the demo's actions drawn as animated GIFs."""
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
    style: Style = "filmed"
    """filmed: videos of textured scenes; cartoon: GIFs of few colours, faster, with uneven timing."""

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return ".gif" if self.style == "cartoon" else ".mp4"


def demo_protocol() -> TargetProtocol:
    """How the demo target is trained and tested: 8 frames, every second one, so that a clip is one window."""
    return TargetProtocol(clip_len=8, frame_stride=2, views=1, num_classes=len(ACTIONS))


def demo_set(name: str) -> DemoSet:
    """What the clips of the target `demo` or `demo-cartoon` are made from."""
    return DemoSet(style="cartoon") if name == CARTOON else DemoSet()


def demo_target(name: str = "demo") -> Folder:
    """The target `demo` or `demo-cartoon`: its clips lie in folders as anybody's own videos do."""
    return Folder(name=name, protocol=demo_protocol(), obtain=_OBTAIN, layout="nothing")


def demo_path(cache_dir: Path, config: DemoSet) -> Path:
    """The folder in the cache for the embedded target's clips, drawn or not."""
    name = f"seed{config.seed}-{config.clips_per_class_train}+{config.clips_per_class_test}"
    drawn = "" if config.style == "filmed" else f"-{config.style}"
    return cache_dir / "demo" / f"{name}-{config.size}px-{config.frames}frames-v{config.version}{drawn}"
