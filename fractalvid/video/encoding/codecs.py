"""Video encoders: one table of what each is called, which qualities it knows, and how it is told them.

All of them write MP4 files, with one thread a clip, so that the bytes depend on the frames and the options alone.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import av

from fractalvid.utils.checks import is_whole
from fractalvid.utils.errors import UserError

# SVT-AV1 prints its settings for every clip, past FFmpeg's logging, unless told to print errors alone.
os.environ.setdefault("SVT_LOG", "1")

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
"""How much effort an encoder takes, least first; `Codec.options` translates them for each encoder."""
PRESETS: tuple[Preset, ...] = get_args(Preset)
MAX_RATE = 240
"""Frames a second of videos."""
DEFAULT_PRESET: Preset = "superfast"


@dataclass(frozen=True)
class Codec:
    """An encoder.

    Attributes:
        name: FFmpeg's.
        crf: lowest (best) and highest number for the quality.
        default: the quality where none is asked for, near-transparent for clips of fractals.
        options: (crf, preset, frames) -> FFmpeg's options; frames is None where a clip has its native length.
        has_presets: whether it knows `PRESETS`.
        min_side: fewest pixels a side.
        full_range: whether its files can say that black is 0 and white 255, instead of 16 and 235.
    """

    name: str
    crf: tuple[int, int]
    default: int
    options: Callable[[int, str, int | None], dict[str, str]]
    has_presets: bool = True
    min_side: int = 2
    full_range: bool = True


def _x264(crf: int, preset: str, frames: int | None) -> dict[str, str]:
    # x264's macroblock tree reads memory it has not written: the same frames would give other bytes.
    return {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}


def _x265(crf: int, preset: str, frames: int | None) -> dict[str, str]:
    # As in x264, the tree of blocks reads memory that was never written. So do units of 64 pixels, pictures of one
    # unit, and the motion search of "slow": the same frames would give other bytes, or the heap be damaged.
    parameters = "pools=none:frame-threads=1:log-level=none:cutree=0:ctu=32"
    if preset == "slow":
        parameters += ":me=hex:subme=2"
    if frames is not None and frames <= 2:
        # With pictures predicted from both sides, so short a clip fails or gives other bytes.
        parameters += ":bframes=0"
    return {"crf": str(crf), "preset": preset, "x265-params": parameters}


def _vp9(crf: int, preset: str, frames: int | None) -> dict[str, str]:
    speed = {"ultrafast": 8, "superfast": 7, "veryfast": 6, "faster": 5, "fast": 4, "medium": 2, "slow": 1}[preset]
    return {"crf": str(crf), "b": "0", "deadline": "good", "cpu-used": str(speed), "row-mt": "0"}


def _av1(crf: int, preset: str, frames: int | None) -> dict[str, str]:
    speed = {"ultrafast": 12, "superfast": 11, "veryfast": 10, "faster": 9, "fast": 8, "medium": 6, "slow": 4}[preset]
    return {"crf": str(crf), "preset": str(speed), "svtav1-params": "lp=1"}


def _mpeg4(crf: int, preset: str, frames: int | None) -> dict[str, str]:
    return {"qmin": str(crf), "qmax": str(crf)}


_ALL = (
    Codec("libx264", crf=(0, 51), default=18, options=_x264),
    Codec("libx265", crf=(0, 51), default=22, options=_x265, min_side=34),
    Codec("libvpx-vp9", crf=(0, 63), default=30, options=_vp9),
    Codec("libsvtav1", crf=(1, 63), default=30, options=_av1, min_side=4),
    # Its crf is the quantiser.
    Codec("mpeg4", crf=(1, 31), default=3, options=_mpeg4, has_presets=False, full_range=False),
)
CODECS: dict[str, Codec] = {codec.name: codec for codec in _ALL}


def available_codecs() -> list[str]:
    """Names of the encoders of the table that this PyAV was built with."""
    return [name for name in CODECS if _is_built_in(name)]


def codec_named(name: str) -> Codec:
    """The encoder of that name.

    Raises:
        UserError: it is not in the table, or not in this PyAV.
    """
    if name not in CODECS or not _is_built_in(name):
        raise UserError(f"no encoder {name!r} here; there are: {', '.join(available_codecs())}")
    return CODECS[name]


def encoder_options(name: str, crf: int | None, preset: str, side: int, frames: int | None) -> dict[str, str]:
    """FFmpeg's options for an encoder.

    Args:
        name: of `CODECS`.
        crf: quality, None for the encoder's own default.
        preset: effort, one of `PRESETS`.
        side: pixels of the shorter side.
        frames: T of the clip; None for its native length.

    Raises:
        UserError: no such encoder here, a quality or effort that it does not have, or a shorter side of too few pixels.
    """
    codec = codec_named(name)
    if side < codec.min_side:
        raise UserError(f"{name} needs a size of at least {codec.min_side} pixels, got {side}")
    low, high = codec.crf
    if crf is not None and not (is_whole(crf) and low <= crf <= high):
        raise UserError(f"crf must be in {low}..{high} for {name}, a whole number, got {crf!r}")
    if preset not in PRESETS:
        raise UserError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    if preset != DEFAULT_PRESET and not codec.has_presets:
        raise UserError(f"{name} has no presets: leave preset out")
    return codec.options(codec.default if crf is None else crf, preset, frames)


def _is_built_in(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except (av.FFmpegError, ValueError):
        return False
    return True
