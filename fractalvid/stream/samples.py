"""Samples of a stream: what they show, drawn first, and its rendering into batches, a pure function of it."""

import math
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import ArrayLike, NDArray

from fractalvid.cli.parsing import ColourOption, EmulationOption
from fractalvid.core.bank import Bank, Fit
from fractalvid.core.camera import Camera, CameraConfig, camera_matrices, draw_camera
from fractalvid.core.colour import check_points, foreground
from fractalvid.core.seeds import integers
from fractalvid.emulate.backgrounds import KnownFits
from fractalvid.emulate.config import resolve
from fractalvid.emulate.draw import Emulation
from fractalvid.emulate.layers import channels_first, emulate_samples
from fractalvid.fractals.render import MAX_POINTS
from fractalvid.kinds import fit_clips, render_fits
from fractalvid.stream.threads import in_parts
from fractalvid.utils.arrays import map_arrays
from fractalvid.utils.checks import check_integer
from fractalvid.utils.errors import UserError
from fractalvid.utils.upload import upload


@dataclass(frozen=True)
class Batch:
    """B clips on their way into a network.

    Attributes:
        video: float32 (B, C, T, H, W), in [0, 1], or normalised where mean and std are given.
        target: int64 (B,), the class.
        clip_id: int64 (B, 2), class id and instance id.
        next_index: the value for `load_state_dict` once this batch has been used.
        mask: bool (B, T, H, W), True where the grey clip is above 0, also where it was emulated: the foreground, seen
            by the camera; None unless asked for.
        background_id: int64 (B, 2, 2), class and instance of both stills that are joined behind a clip, of a background
            that moves twice, -1 where there is none; None unless clips are emulated. Of the first view.
        video2: like `video`, another view of the same instances (`stream.second_view`); None unless two are asked for.
        mask2: the mask of `video2`, where masks are asked for.
    """

    video: torch.Tensor
    target: torch.Tensor
    clip_id: torch.Tensor
    next_index: int
    mask: torch.Tensor | None = None
    background_id: torch.Tensor | None = None
    video2: torch.Tensor | None = None
    mask2: torch.Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Batch":
        """The same batch with its tensors on a device; PyTorch Lightning moves batches by this."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, which `DataLoader(..., pin_memory=True)` asks for."""
        pinned: dict[str, Any] = {
            name: value.pin_memory() for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **pinned)


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
        emulate: how clips are made to look filmed, or the name of a preset, which then stands here; not at all by
            default. Never those of validation.
    """

    clip_len: int = 8
    frame_stride: int = 2
    size: int = 112
    points: int = 60_000
    channels: Literal[1, 3] = 3
    camera: CameraConfig = field(default_factory=CameraConfig)
    mean: float | None = None
    std: float | None = None
    colour: ColourOption = None
    # No option of a command: whoever uses masks calls the stream.
    masks: Annotated[bool, tyro.conf.Suppress] = False
    emulate: EmulationOption = None

    def __post_init__(self) -> None:
        """Refuse values that no sample could have; look up a preset that is named."""
        if self.emulate is not None:
            object.__setattr__(self, "emulate", resolve(self.emulate))
        limits = {"clip_len": 10_000, "frame_stride": 10_000, "size": 8192, "points": MAX_POINTS}
        for name, most in limits.items():
            check_integer(name, getattr(self, name), 1, most)
        if self.channels not in (1, 3):
            raise UserError(f"channels must be 1 or 3, got {self.channels}")
        if self.mean is not None and not (isinstance(self.mean, Real) and math.isfinite(self.mean)):
            raise UserError(f"mean must be a number, the same for all channels, got {self.mean}")
        if self.std is not None and not (isinstance(self.std, Real) and 0 < self.std < math.inf):
            raise UserError(f"std must be a number above 0, the same for all channels, got {self.std}")
        if self.colour is not None:
            check_points(self.points)
            if self.channels != 3:
                raise UserError(f"colour has 3 channels, not {self.channels}: leave channels out")


@dataclass(frozen=True)
class Samples:
    """What B samples show: the drawn part of a batch.

    Attributes:
        index: int64 (B,), their positions in the stream.
        class_id: int64 (B,).
        instance_id: int64 (B,).
        times: float64 (B, T), in native frames.
        camera: crop and flip.
        emulation: how they are made to look filmed, None for plain ones.
        backwards: bool (B,), which of them end with their first frame; None where none does.
    """

    index: NDArray[np.int64]
    class_id: NDArray[np.int64]
    instance_id: NDArray[np.int64]
    times: NDArray[np.float64]
    camera: Camera
    emulation: Emulation | None = None
    backwards: NDArray[np.bool_] | None = None


def sample_camera(
    config: StreamConfig, seed: int, low: ArrayLike, high: ArrayLike, emulation: Emulation | None
) -> Camera:
    """Draw crop and flip of samples whose index has the words `low` and `high` (B,).

    Samples that are emulated have those of the emulation, where it says any.
    """
    plain = draw_camera(config.camera, seed, low, high)
    if emulation is None or config.emulate is None or config.emulate.crop is None:
        return plain
    emulated = emulation.emulated
    own = draw_camera(config.emulate.crop, seed, low, high)
    chosen: Camera = map_arrays(
        lambda one, other: np.where(emulated.reshape(-1, *[1] * (one.ndim - 1)), one, other), own, plain
    )
    return chosen


def window(
    native_frames: NDArray[np.int64], clip_len: int, frame_stride: int, start: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Times (B, T) of samples that begin at a share `start` (B,) in [0, 1) of the room their clips leave.

    Where (clip_len - 1) · frame_stride exceeds T - 1, the stride shrinks to fit.
    """
    last = native_frames - 1
    stride = np.minimum(float(frame_stride), last / max(clip_len - 1, 1))
    room = np.floor(last - stride * (clip_len - 1) + 1e-6).astype(np.int64)
    begin = integers(start, 0, room)
    return np.minimum(begin[:, None] + stride[:, None] * np.arange(clip_len), last[:, None])


def render_samples(
    bank: Bank,
    samples: Samples,
    config: StreamConfig,
    *,
    next_index: int,
    threads: int | None = None,
    known: KnownFits | None = None,
    fit: Fit | None = None,
) -> Batch:
    """Render drawn samples: a pure function of the bank, the samples and the config.

    `known` keeps what is found about backgrounds from one batch to the next; `fit` is that of the samples, where it is
    known already.
    """
    if samples.emulation is None:
        video, mask = _plain(bank, samples, config, threads, fit)
        background = None
    else:
        known = KnownFits(bank, limit=0) if known is None else known
        video, mask = _filmed(known, samples, samples.emulation, config, threads)
        background = torch.from_numpy(samples.emulation.background.named())
    if samples.backwards is not None:
        video, mask = turned(video, mask, samples.backwards)
    return Batch(
        video=video,
        target=torch.from_numpy(samples.class_id),
        clip_id=torch.from_numpy(np.stack([samples.class_id, samples.instance_id], axis=1)),
        next_index=next_index,
        mask=mask,
        background_id=background,
    )


def turned(
    video: torch.Tensor, mask: torch.Tensor | None, backwards: NDArray[np.bool_]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Videos (B, C, T, H, W) and masks (B, T, H, W) with their frames in reverse where `backwards` (B,) says so.

    In place, once for all channels that share their memory.
    """
    rows = upload(np.flatnonzero(backwards), video.device)
    own = video[:, :1] if video.stride(1) == 0 else video
    own[rows] = own[rows].flip(2)
    if mask is not None:
        mask[rows] = mask[rows].flip(1)
    return video, mask


def _plain(
    bank: Bank, samples: Samples, config: StreamConfig, threads: int | None, fit: Fit | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Videos and masks of the clips as they are, with nothing behind them."""
    frames = render_fits(
        bank,
        fit_clips(bank, samples.class_id, samples.instance_id, threads=threads) if fit is None else fit,
        samples.times,
        size=config.size,
        points=config.points,
        camera=camera_matrices(samples.camera, config.size),
        colour=config.colour,
        threads=threads,
    )
    mask = torch.from_numpy(foreground(frames, colour=config.colour is not None)) if config.masks else None
    clips = channels_first(frames, config.colour)
    video = torch.empty(clips.shape)
    in_parts(lambda rows, _: to_float(clips[rows], config, out=video[rows]), len(clips), threads)
    return video.expand(-1, config.channels, -1, -1, -1), mask


def _filmed(
    known: KnownFits, samples: Samples, drawn: Emulation, config: StreamConfig, threads: int | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Videos and masks of the clips as they were drawn to be filmed."""
    shape = (len(drawn), config.clip_len, config.size, config.size)
    video = torch.empty((shape[0], 1 if config.colour is None else 3, *shape[1:]))
    mask = torch.empty(shape, dtype=torch.bool) if config.masks else None
    crop = camera_matrices(samples.camera, config.size)

    def part(rows: slice, threads: int) -> None:
        done = emulate_samples(
            known,
            drawn.select(np.arange(rows.start, rows.stop)),
            class_id=samples.class_id[rows],
            instance_id=samples.instance_id[rows],
            times=samples.times[rows],
            crop=crop[rows],
            size=config.size,
            points=config.points,
            colour=config.colour,
            threads=threads,
        )
        to_float(done.video, config, out=video[rows])
        if mask is not None:
            mask[rows] = done.mask

    in_parts(part, len(drawn), threads)
    return video.expand(-1, config.channels, -1, -1, -1), mask


def to_float(video: torch.Tensor, config: StreamConfig, *, out: torch.Tensor) -> None:
    """Put uint8 (B, C, T, H, W), normalised, into float32 `out`."""
    mean, std = config.mean or 0.0, config.std or 1.0
    out.copy_(video).mul_(1 / (255 * std)).sub_(mean / std)
