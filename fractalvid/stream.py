"""Clips on the fly: whole batches rendered while a network trains, the same for every number of workers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import IterableDataset, get_worker_info

from fractalvid.arguments import ColourOption, EmulationOption
from fractalvid.bank import Bank
from fractalvid.camera import Camera, CameraConfig, camera_matrices, draw_camera, identity_camera
from fractalvid.colour import check_points, foreground
from fractalvid.draws import Domain, Field, integers, uniforms, words
from fractalvid.emulate.arrays import map_arrays
from fractalvid.emulate.backgrounds import KnownFits
from fractalvid.emulate.config import EmulationConfig, resolve
from fractalvid.emulate.draw import Emulation, draw_emulation
from fractalvid.emulate.layers import channels_first, emulate_samples
from fractalvid.emulate.threads import in_parts
from fractalvid.errors import UserError
from fractalvid.instances import VALIDATION
from fractalvid.kinds import fit_clips, render_fits


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
            that moves twice, -1 where there is none; None unless clips are emulated.
    """

    video: torch.Tensor
    target: torch.Tensor
    clip_id: torch.Tensor
    next_index: int
    mask: torch.Tensor | None = None
    background_id: torch.Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Batch":
        """The same batch with its tensors on a device; PyTorch Lightning moves batches by this."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)


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
        limits = {"clip_len": 10_000, "frame_stride": 10_000, "size": 8192, "points": 2**31 - 1}
        for name, most in limits.items():
            if not 1 <= getattr(self, name) <= most:
                raise UserError(f"{name} must be 1 to {most}, got {getattr(self, name)}")
        if self.channels not in (1, 3):
            raise UserError(f"channels must be 1 or 3, got {self.channels}")
        if self.mean is not None and not math.isfinite(self.mean):
            raise UserError(f"mean must be a number, got {self.mean}")
        if self.std is not None and not 0 < self.std < math.inf:
            raise UserError(f"std must be above 0, got {self.std}")
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
    """

    index: NDArray[np.int64]
    class_id: NDArray[np.int64]
    instance_id: NDArray[np.int64]
    times: NDArray[np.float64]
    camera: Camera
    emulation: Emulation | None = None


class FractalStream(IterableDataset[Batch]):
    """An endless stream of batches of a bank's classes, every class once a round, in an order drawn for each.

    Sample i is a function of (bank, seed, i, config). Batch m of rank r of R holds samples (m R + r) B + 0..B-1, and
    worker w of k makes batches w, w + k, ..., so `DataLoader(stream, batch_size=None, num_workers=k)` yields the same
    sequence for every k.

    Args:
        bank: the classes.
        batch_size: B, on this rank.
        config: how samples are taken.
        seed: determines order, time window, crop, flip and emulation; pixels are the bank's.
        instances: show only instances 0..n-1 of each class, in a keyed order; by default every round shows new ones.
        rank: which of `world_size` processes this is.
        world_size: R.
        threads: for rendering; by default all cores, or one in a DataLoader's worker.
        emulate: instead of the config's: how clips are made to look filmed, or the name of a preset.
    """

    def __init__(
        self,
        bank: Bank,
        *,
        batch_size: int,
        config: StreamConfig | None = None,
        seed: int,
        instances: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        threads: int | None = None,
        emulate: EmulationConfig | str | None = None,
    ) -> None:
        """See the class."""
        if batch_size < 1 or (instances is not None and instances < 1):
            raise UserError("batch_size and instances must be at least 1")
        _check_threads(threads)
        if not 0 <= rank < world_size:
            raise UserError(f"rank {rank} is not in 0..{world_size - 1}")
        self.bank = bank
        self.batch_size = batch_size
        self.config = StreamConfig() if config is None else config
        if emulate is not None:
            self.config = replace(self.config, emulate=resolve(emulate))
        self.seed = seed
        self.instances = instances
        self.rank = rank
        self.world_size = world_size
        self.threads = threads
        self._known = None if self.config.emulate is None else KnownFits(bank, self.config.emulate.background.pool)
        self._round = -1
        self._classes = np.empty(0, np.int64)
        self._begin = 0
        self._next = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch whose `next_index` this is, also on another world size with the same global batch."""
        index = int(state["next_index"])
        if index < 0 or index % (self.batch_size * self.world_size):
            raise UserError(f"the stream cannot go on at sample {index}: not a multiple of the global batch size")
        self._begin = self._next = index

    def state_dict(self) -> dict[str, int]:
        """The position after the last batch that was yielded in this process."""
        return {"next_index": self._next}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        threads = self.threads if self.threads is not None or info is None else 1
        total = self.batch_size * self.world_size
        step = self._begin // total + worker
        while True:
            first = step * total + self.rank * self.batch_size
            samples = self.draw(np.arange(first, first + self.batch_size))
            self._next = (step + 1) * total
            yield render_samples(
                self.bank, samples, self.config, next_index=self._next, threads=threads, known=self._known
            )
            step += workers

    def draw(self, index: NDArray[np.int64]) -> Samples:
        """What samples `index` (B,) show."""
        config, bank = self.config, self.bank
        rounds, place = np.divmod(index, len(bank))
        class_id = np.array([self._order(int(e))[p] for e, p in zip(rounds, place, strict=True)], np.int64)
        low, high = index & 0xFFFFFFFF, index >> 32
        start = uniforms(self.seed, Domain.SAMPLE, Field.WINDOW, low, high, 1)[:, 0]
        emulation = self._emulation(index, class_id)
        return Samples(
            index=index,
            class_id=class_id,
            instance_id=self._instance(rounds, class_id),
            times=window(bank.native_frames[class_id], config.clip_len, config.frame_stride, start),
            camera=sample_camera(config, self.seed, low, high, emulation),
            emulation=emulation,
        )

    def _emulation(self, index: NDArray[np.int64], class_id: NDArray[np.int64]) -> Emulation | None:
        """How samples (B,) of classes (B,) are made to look filmed."""
        config = self.config
        if config.emulate is None:
            return None
        return draw_emulation(config.emulate, self.bank, self.seed, index, class_id=class_id, clip_len=config.clip_len)

    def _order(self, round_number: int) -> NDArray[np.int64]:
        """The order of the classes in a round: the stable argsort of one random word a class."""
        if self._round != round_number:
            low = words(self.seed, Domain.ORDER, Field.ORDER_KEY, round_number, np.arange(len(self.bank)), 1)
            self._classes = np.argsort(low[:, 0], kind="stable")
            self._round = round_number
        return self._classes

    def _instance(self, rounds: NDArray[np.int64], class_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Instance e in round e; or, with n instances, the one at place e mod n of a permutation keyed by class."""
        if self.instances is None:
            return rounds % VALIDATION
        cycle, place = np.divmod(rounds, self.instances)
        rows, columns = np.broadcast_arrays(cycle, class_id)
        keys = uniforms(self.seed, Domain.ORDER, Field.PERMUTATION_KEY, rows, columns, self.instances)
        return np.take_along_axis(np.argsort(keys, axis=1, kind="stable"), place[:, None], axis=1)[:, 0]

    @staticmethod
    def validation(
        bank: Bank,
        *,
        num_clips: int,
        batch_size: int,
        config: StreamConfig | None = None,
        threads: int | None = None,
    ) -> "ValidationClips":
        """The first `num_clips` held-out clips of a bank, to be iterated as often as wanted."""
        return ValidationClips(bank, num_clips, batch_size, StreamConfig() if config is None else config, threads)


class ValidationClips:
    """Held-out instances of the same classes: class j mod K, instance 2³¹ + j div K, central window, whole view."""

    def __init__(self, bank: Bank, num_clips: int, batch_size: int, config: StreamConfig, threads: int | None) -> None:
        """See `FractalStream.validation`."""
        if num_clips < 1 or batch_size < 1:
            raise UserError("num_clips and batch_size must be at least 1")
        _check_threads(threads)
        self.bank, self.num_clips, self.batch_size = bank, num_clips, batch_size
        self.config, self.threads = config, threads

    def __len__(self) -> int:
        """The number of batches."""
        return -(-self.num_clips // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield every clip once; the last batch may be smaller."""
        for first in range(0, self.num_clips, self.batch_size):
            index = np.arange(first, min(first + self.batch_size, self.num_clips))
            class_id = index % len(self.bank)
            middle = np.full(len(index), 0.5, np.float32)
            samples = Samples(
                index=index,
                class_id=class_id,
                instance_id=VALIDATION + index // len(self.bank),
                times=window(self.bank.native_frames[class_id], self.config.clip_len, self.config.frame_stride, middle),
                camera=identity_camera(len(index)),
            )
            yield render_samples(self.bank, samples, self.config, next_index=int(index[-1]) + 1, threads=self.threads)


def _check_threads(threads: int | None) -> None:
    """Refuse fewer than one."""
    if threads is not None and threads < 1:
        raise UserError(f"threads must be at least 1, got {threads}")


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
) -> Batch:
    """Render drawn samples: a pure function of the bank, the samples and the config.

    `known` keeps what is found about backgrounds from one batch to the next.
    """
    if samples.emulation is None:
        video, mask = _plain(bank, samples, config, threads)
        background = None
    else:
        known = KnownFits(bank, limit=0) if known is None else known
        video, mask = _filmed(known, samples, samples.emulation, config, threads)
        background = torch.from_numpy(samples.emulation.background.named())
    return Batch(
        video=video,
        target=torch.from_numpy(samples.class_id),
        clip_id=torch.from_numpy(np.stack([samples.class_id, samples.instance_id], axis=1)),
        next_index=next_index,
        mask=mask,
        background_id=background,
    )


def _plain(
    bank: Bank, samples: Samples, config: StreamConfig, threads: int | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Videos and masks of the clips as they are, with nothing behind them."""
    frames = render_fits(
        bank,
        fit_clips(bank, samples.class_id, samples.instance_id, threads=threads),
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
