"""Samples of a stream: what each shows, drawn before anything is rendered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.camera import Camera, draw_camera
from fractalvid.core.seeds import Domain, Field, index_words, integers, uniforms
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.parameters import Emulation
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.position import MAX_INDEX
from fractalvid.utils.arrays import map_arrays
from fractalvid.utils.checks import shown
from fractalvid.utils.errors import UserError


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

    @property
    def clip_id(self) -> NDArray[np.int64]:
        """Class and instance, int64 (B, 2)."""
        return np.stack([self.class_id, self.instance_id], axis=1)

    @property
    def next_index(self) -> int:
        """The position in the stream after the last of them."""
        return int(self.index[-1]) + 1


def checked_index(index: ArrayLike) -> NDArray[np.int64]:
    """Positions in a stream as int64 (B,); one alone is a batch of 1.

    Raises:
        UserError: none at all, or one that is no whole number of 0..2⁶²-1.
    """
    at = np.asarray(index)
    if at.ndim > 1 or at.size == 0 or at.dtype.kind not in "iu" or at.min() < 0 or at.max() >= MAX_INDEX:
        raise UserError(f"index must be positions in the stream, whole numbers of 0..2**62 - 1, got {shown(index)}")
    return np.atleast_1d(at).astype(np.int64, copy=False)


def draw_samples(
    bank: Bank,
    index: NDArray[np.int64],
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    config: StreamConfig,
    seed: int,
) -> Samples:
    """Draw time window, crop, flip and emulation of samples.

    Args:
        bank: the classes.
        index: (B,), positions in the stream.
        class_id: (B,), what they show.
        instance_id: (B,).
        config: of the stream.
        seed: of the stream.
    """
    start = uniforms(seed, Domain.SAMPLE, Field.WINDOW, *index_words(index), 1)[:, 0]
    emulation = None
    if config.emulate is not None:
        emulation = draw_emulation(config.emulate, bank, seed, index, class_id=class_id, clip_len=config.clip_len)
    return Samples(
        index=index,
        class_id=class_id,
        instance_id=instance_id,
        times=window_times(bank.native_frames[class_id], config.clip_len, config.frame_stride, start),
        camera=sample_camera(config, seed, index, emulation),
        emulation=emulation,
    )


def sample_camera(config: StreamConfig, seed: int, index: ArrayLike, emulation: Emulation | None) -> Camera:
    """Draw crop and flip of samples `index` (B,).

    Samples that are emulated have those of the emulation, where it says any.
    """
    plain = draw_camera(config.camera, seed, index)
    if emulation is None or config.emulate is None or config.emulate.crop is None:
        return plain
    emulated = emulation.emulated
    filmed = draw_camera(config.emulate.crop, seed, index)
    chosen: Camera = map_arrays(
        lambda one, other: np.where(emulated.reshape(-1, *[1] * (one.ndim - 1)), one, other), filmed, plain
    )
    return chosen


def window_times(
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
