"""How a stream takes samples from clips."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fractalvid.core.camera import CameraConfig
from fractalvid.core.colour import ColourConfig, check_points
from fractalvid.core.constants import MAX_POINTS
from fractalvid.emulate.config import EmulationConfig, check_backgrounds
from fractalvid.emulate.presets import resolve
from fractalvid.truth.known import TruthName
from fractalvid.utils.checks import MAX_SETTING, check_fields, check_integer, is_real, shown
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class StreamConfig:
    """How samples are taken from clips.

    Attributes:
        clip_len: frames of a sample.
        frame_stride: native frames from one to the next; it shrinks where a sample would exceed the clip.
        size: height and width in pixels.
        points: points of the chaos game a frame.
        channels: 3 repeats the grey channel without copying it, 1 does not; colour has 3.
        camera: random resized crop and flip.
        mean: subtracted from every channel, after scaling to [0, 1].
        std: divides every channel.
        colour: how clips are coloured; grey by default.
        masks: give the foreground masks too.
        truth: what else is given that the generator knows exactly: some of `fractalvid.truth.TRUTHS`.
        emulate: how clips are made to look filmed, or as text, "light" or "light,share=0.5"; not at all by
            default. Never those of validation.
        backgrounds: a folder with your own pictures, which are the grounds of most scenes (`--emulate scene`).
    """

    clip_len: int = 8
    frame_stride: int = 2
    size: int = 112
    points: int = 60_000
    channels: Literal[1, 3] = 3
    camera: CameraConfig = field(default_factory=CameraConfig)
    mean: float | None = None
    std: float | None = None
    colour: ColourConfig | None = None
    # No options of a command: whoever uses masks or truth calls the stream.
    masks: Annotated[bool, tyro.conf.Suppress] = False
    truth: Annotated[tuple[TruthName, ...], tyro.conf.Suppress] = ()
    emulate: EmulationConfig | None = None
    backgrounds: Path | None = None

    def __post_init__(self) -> None:
        """Refuse values that no sample could have; look up a preset that is named."""
        if self.emulate is not None:
            object.__setattr__(self, "emulate", resolve(self.emulate))
        check_backgrounds(self.backgrounds, self.emulate)
        if self.mean is not None and not (is_real(self.mean) and abs(self.mean) <= MAX_SETTING):
            raise UserError(f"mean must be a number, the same for all channels, got {shown(self.mean)}")
        if self.std is not None and not (is_real(self.std) and 0 < self.std <= MAX_SETTING):
            raise UserError(f"std must be a number above 0, the same for all channels, got {shown(self.std)}")
        check_fields(self)
        limits = {"clip_len": 10_000, "frame_stride": 10_000, "size": 8192, "points": MAX_POINTS}
        for name, most in limits.items():
            check_integer(name, getattr(self, name), 1, most)
        if self.colour is not None:
            check_points(self.points)
            if self.channels != 3:
                raise UserError(f"colour has 3 channels, not {self.channels}: leave channels out")
