"""How much `fractalvid stats` measures, and how. Nothing here needs Numba, SciPy or PyTorch."""

from dataclasses import dataclass, field

from fractalvid.core.constants import MAX_CLASSES, MAX_FRAMES, MAX_POINTS
from fractalvid.sets.config import check_clip_bytes
from fractalvid.utils.checks import MAX_SETTING, check_fields
from fractalvid.utils.errors import UserError

MAX_CYCLES = 4096
"""A frame side of 8192 pixels, the largest, has no finer ones."""
MAX_PROBE_BYTES = 2**31
"""Of the clips of one probe, and of those of a step of its training."""
TEST_BATCH = 64
"""Clips that the probe's networks are tested on at once."""
_PROBE_LIMITS = {
    "shapes": (1, MAX_CLASSES),
    "motions": (2, MAX_CLASSES),
    "train": (1, 10**6),
    "test": (1, 10**6),
    "size": (16, 1024),
    "frames": (4, 10_000),
    "points": (1, MAX_POINTS),
    "steps": (1, 10**7),
    "batch": (2, 10**4),
    "seed": (0, 2**64 - 1),
}


@dataclass(frozen=True)
class Band:
    """Spatial frequencies in cycles a frame side, both ends included."""

    low: int = 2
    high: int = 16

    def __post_init__(self) -> None:
        """Refuse what is no band."""
        check_fields(self, "--band.")
        if not 1 <= self.low < self.high <= MAX_CYCLES:
            raise UserError(
                f"--band.low is {self.low} and --band.high is {self.high}: the band must go from 1 or more cycles up, "
                f"to {MAX_CYCLES} at most"
            )


@dataclass(frozen=True)
class ProbeConfig:
    """How the probe is made. The defaults take about a minute on two cores."""

    shapes: int = 3
    """Classes whose shapes are used, one after the other; results are means over them."""
    motions: int = 8
    """Classes of each probe, which differ in motion only."""
    train: int = 64
    """Clips a class to learn from, instances from 0 up."""
    test: int = 24
    """Clips a class to be tested on, held-out instances."""
    size: int = 32
    """Height and width in pixels."""
    frames: int = 12
    """Frames a clip, equidistant over it."""
    points: int = 8_000
    """Points of the chaos game a frame, for the kinds that play one."""
    steps: int = 150
    """Steps of training."""
    batch: int = 32
    """Clips a step."""
    learning_rate: float = 2e-3
    """Largest, of a schedule that rises once and falls."""
    seed: int = 0
    """Determines initial weights and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that no probe could be made with."""
        check_fields(self, "--probe.")
        for name, (low, high) in _PROBE_LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"--probe.{name} is {getattr(self, name)}: it must be {low} to {high}")
        if not 0 < self.learning_rate <= MAX_SETTING:
            raise UserError(
                f"--probe.learning-rate is {self.learning_rate}: it must be above 0, {MAX_SETTING:g} at most"
            )
        # Clips are bytes; those of a step are float32 in the network, and its first layer gives as much again.
        clips = max(self.motions * (self.train + self.test), 8 * max(self.batch, TEST_BATCH))
        if clips * self.frames * self.size**2 > MAX_PROBE_BYTES:
            raise UserError(
                "clips of the probe take more than 2 GiB: choose a smaller --probe.size, --probe.train, --probe.test, "
                "--probe.batch or --probe.frames"
            )


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
        check_fields(self)
        limits = {"classes": (1, 10**6), "clips": (1, 10**6), "held_out": (0, 10**6), "points": (1, MAX_POINTS)}
        for name, (low, high) in (limits | {"size": (16, 1024), "above": (0, 254), "frames": (2, 10_000)}).items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"--{name.replace('_', '-')} is {value}: it must be {low} to {high}")
        check_clip_bytes(self.frames or MAX_FRAMES, self.size, 1)
