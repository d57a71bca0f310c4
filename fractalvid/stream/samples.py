"""Samples of a stream: what each shows, drawn before anything is rendered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.camera import Camera, draw_camera
from fractalvid.core.seeds import integers
from fractalvid.emulate.draw import Emulation
from fractalvid.stream.config import StreamConfig
from fractalvid.utils.arrays import map_arrays


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


def sample_camera(config: StreamConfig, seed: int, index: ArrayLike, emulation: Emulation | None) -> Camera:
    """Draw crop and flip of samples `index` (B,).

    Samples that are emulated have those of the emulation, where it says any.
    """
    plain = draw_camera(config.camera, seed, index)
    if emulation is None or config.emulate is None or config.emulate.crop is None:
        return plain
    emulated = emulation.emulated
    own = draw_camera(config.emulate.crop, seed, index)
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
