"""What a generated set holds, besides its bank."""

from dataclasses import dataclass
from typing import Literal

from fractalvid.core.colour import ColourConfig, check_points
from fractalvid.core.constants import (
    FIRST_VALIDATION_ID,
    MAX_CLIP_FRAMES,
    MAX_FRAMES,
    MAX_POINTS,
    PAPER_POINTS,
    PAPER_SIZE,
)
from fractalvid.sets.formats import FORMATS, Format, VideoOptions
from fractalvid.sets.formats.encodings import MAX_CLIP_BYTES
from fractalvid.sets.formats.mask import MAX_PIXELS
from fractalvid.utils.checks import MAX_COUNT, check_fields, check_integer
from fractalvid.utils.errors import UserError
from fractalvid.video.encoding.codecs import DEFAULT_PRESET, MAX_RATE, Preset, encoder_options

FormatName = Literal["mp4", "webdataset", "npz", "png"]
"""Rows of `fractalvid.sets.formats.FORMATS`."""
_ENCODING = ("codec", "crf", "preset", "fps")


@dataclass(frozen=True)
class SetConfig:
    """What a generated set holds, besides its bank."""

    clips: int = 10
    """Clips a class."""
    split: Literal["train", "val"] = "train"
    """`val` renders held-out instances of the same classes."""
    size: int = PAPER_SIZE
    """Height and width in pixels."""
    frames: int | None = None
    """Frames a clip, equidistant over it (default: its 18 to 20 native ones)."""
    points: int = PAPER_POINTS
    """Points of the chaos game a frame."""
    exposure: Literal["density", "max"] = "density"
    """A fixed white density, or the clip's maximum as in the reference method."""
    format: FormatName = "mp4"
    """Video files; tar shards of them for WebDataset; arrays of uint8; or pictures of single frames."""
    shard_size: int = 1000
    """Clips a shard."""
    codec: str = "libx264"
    """Encoder of videos: libx264, libx265, libvpx-vp9, libsvtav1 or mpeg4."""
    fps: int = 12
    """Frames a second of videos."""
    crf: int | None = None
    """Quality of videos in the encoder's own numbers, lower is better (default: libx264 18, of 0 to 51)."""
    preset: Preset = DEFAULT_PRESET
    """Effort of the encoder."""
    colour: ColourConfig | None = None
    """How clips are coloured; None for grey."""
    masks: bool = False
    """Keep each clip's foreground mask too, its pixels above 0, as a black-and-white PNG."""

    def __post_init__(self) -> None:
        """Refuse impossible numbers before any work starts."""
        check_fields(self)
        limits = {"clips": (1, MAX_COUNT), "size": (2, 8192), "points": (1, MAX_POINTS), "fps": (1, MAX_RATE)}
        for name, (low, high) in (limits | {"shard_size": (1, MAX_COUNT)}).items():
            check_integer(name, getattr(self, name), low, high)
        if self.frames is not None:
            check_integer("frames", self.frames, 1, MAX_CLIP_FRAMES)
        if self.colour is not None:
            check_points(self.points)
        self._check_format()
        self._check_pixels()

    def _check_pixels(self) -> None:
        """Refuse clips and masks that are too large as a whole."""
        frames = 1 if self.file_format.still else self.frames or MAX_FRAMES
        rows = frames * self.size
        if self.masks and rows * self.size > MAX_PIXELS:
            raise UserError(f"masks of {rows} x {self.size} pixels are too large for a picture: leave --masks out")
        check_clip_bytes(frames, self.size, 1 if self.colour is None else 3)

    def _check_format(self) -> None:
        if self.file_format.video:
            encoder_options(self.codec, self.crf, self.preset, self.size, self.frames)
            if self.size % 2:
                raise UserError(f"size must be even, got {self.size}: common videos (4:2:0) have no odd sizes")
        else:
            given = [name for name in _ENCODING if getattr(self, name) != getattr(SetConfig, name)]
            if given:
                raise UserError(f"{given[0]} belongs to videos: leave it out with the format {self.format}")
        if self.file_format.still and self.frames is not None:
            raise UserError("images have one frame: leave frames out")
        if self.shard_size != SetConfig.shard_size and not self.file_format.sharded:
            raise UserError(f"shard_size belongs to shards: leave it out with the format {self.format}")

    @property
    def file_format(self) -> Format:
        """The row of `FORMATS` that it names."""
        return FORMATS[self.format]

    @property
    def video(self) -> VideoOptions:
        """The options of the video encoder."""
        return VideoOptions(self.fps, self.codec, self.crf, self.preset)

    @property
    def first_instance(self) -> int:
        """The first instance id of each class."""
        return FIRST_VALIDATION_ID if self.split == "val" else 0

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages whose version decides the bytes of the files, given the pixels."""
        return tuple(dict.fromkeys(self.file_format.libraries + (("pillow",) if self.masks else ())))


def check_clip_bytes(frames: int, size: int, channels: int) -> None:
    """Refuse clips that are too large to be held whole.

    Raises:
        UserError: over 2 GiB.
    """
    taken = frames * size * size * channels
    if taken > MAX_CLIP_BYTES:
        shape = f"{frames} frames of {size} x {size} pixels"
        raise UserError(f"a clip of {shape} takes {taken / 2**30:.1f} GiB of at most 2: choose fewer or smaller")
