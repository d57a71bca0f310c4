"""How much `fractalvid stats` measures, and how."""

from dataclasses import dataclass, field

from fractalvid.core.constants import MAX_FRAMES, MAX_POINTS
from fractalvid.sets.config import check_clip_bytes
from fractalvid.stats.figures import Band
from fractalvid.stats.probe import ProbeConfig
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class StatsConfig:
    """How much is measured, and how."""

    classes: int = 200
    """At most so many classes, evenly spread."""
    clips: int = 8
    """Clips a class."""
    held_out: int = 2
    """Further clips a class that the classifier is tested on."""
    size: int = 128
    """Height and width in pixels of clips rendered from a bank; a set's are taken as they are."""
    points: int = 60_000
    """Points of the chaos game a frame, where clips are rendered from a bank."""
    frames: int | None = None
    """Frames a clip rendered from a bank, equidistant over it (default: its native ones)."""
    above: int | None = None
    """Pixels above this grey level are lit (default: 0; 8 in videos, whose encoders leave noise in black)."""
    band: Band = field(default_factory=Band)
    """Where the spectrum's exponent is fitted."""
    motion_probe: bool = True
    """Train the networks of the motion-only probe."""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """How they are trained."""

    def __post_init__(self) -> None:
        """Refuse numbers that nothing can be measured with."""
        limits = {"classes": (1, 10**6), "clips": (1, 10**6), "held_out": (0, 10**6), "points": (1, MAX_POINTS)}
        for name, (low, high) in (limits | {"size": (16, 1024), "above": (0, 254), "frames": (2, 10_000)}).items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"{name} must be in {low}..{high}, got {value}")
        check_clip_bytes(self.frames or MAX_FRAMES, self.size, 1)
        if not 1 <= self.band.low < self.band.high:
            raise UserError(f"the band must go from 1 or more cycles up, got {self.band.low} to {self.band.high}")
