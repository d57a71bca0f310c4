"""Samples without their figures: what is behind them, seen by the same camera, with the same noise and light."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.camera import Camera, camera_matrices
from fractalvid.emulate.geometry import homographies
from fractalvid.emulate.layers import finish, scene_tiles
from fractalvid.emulate.renderer import CpuRenderer
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.render import Part, assemble, render_options
from fractalvid.stream.samples import Samples
from fractalvid.utils.arrays import rows_of


def render_bare(renderer: CpuRenderer, samples: Samples, config: StreamConfig, *, threads: int | None = None) -> Tensor:
    """The samples' videos as `render_samples` makes them, float32 (B, C, T, H, W), but with nothing in front.

    Where a clip has nothing behind its figure, it is black before light and noise. Blur, compression and a figure's
    shadow reach beyond its mask; elsewhere outside the mask pixels are those of the clip.

    Args:
        renderer: of the bank; keeps the fits of backgrounds.
        samples: emulated, with their frames in order.
        config: the stream's.
        threads: at most this many.
    """
    emulation = samples.emulation
    assert emulation is not None
    shape = (1 if config.colour is None else 3, config.clip_len, config.size, config.size)

    def part(rows: slice, threads: int) -> Part:
        drawn = emulation.select(rows)
        camera: Camera = rows_of(samples.camera, rows)
        nothing = torch.zeros((len(drawn), *shape), dtype=torch.uint8)
        crop, options = camera_matrices(camera, config.size), render_options(config, threads)
        tiles = scene_tiles(renderer, drawn, options)
        return finish(nothing, renderer, drawn, homographies(drawn), crop, options, tiles), None

    video, _ = assemble(part, len(emulation), config, threads)
    return video


def has_background(samples: Samples) -> NDArray[np.bool_]:
    """Which samples (B,) have anything behind their figures."""
    drawn = samples.emulation
    if drawn is None:
        return np.zeros(len(samples.index), np.bool_)
    return drawn.background.present | (False if drawn.scene is None else drawn.scene.present)
