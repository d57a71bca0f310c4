"""Clips from disk made to look filmed: warped as a whole, by the matrices under which a stream would draw them."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fractalvid.core.bank import Bank, check_bank, check_seed
from fractalvid.core.camera import camera_matrices
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.geometry import homographies, sample_times
from fractalvid.emulate.layers import finish, scene_tiles
from fractalvid.emulate.renderer import CpuRenderer
from fractalvid.emulate.resample import FRACTAL, PAINTED, warp_figures
from fractalvid.emulate.scene.pictures import list_pictures
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.render import Part, assemble, render_options
from fractalvid.stream.samples import checked_index, draw_samples
from fractalvid.utils.checks import check_count, check_instance, shown
from fractalvid.utils.errors import UserError

FAINT = 12
"""5 % of white: what is darker belongs to no mask, since videos are never quite black."""


def emulate_clips(
    video: Tensor,
    clip_id: ArrayLike,
    index: ArrayLike,
    *,
    bank: Bank,
    config: StreamConfig,
    seed: int,
    renderer: CpuRenderer | None = None,
    threads: int | None = None,
) -> Batch:
    """Samples of whole clips as `FractalStream` would show them: same window, crop, flip and emulation for an index.

    A foreground ends where its clip ends, and masks are where it is brighter than `FAINT`. Where clips have fewer
    frames than the config's clip_len, frames repeat.

    Args:
        video: uint8 (B, C, N, H, W), N frames equidistant over each clip, as `sets.torch_set.FractalSet` reads them.
        clip_id: (B, 2), class and instance.
        index: (B,), positions of the samples in the run.
        bank: the set's own, from which backgrounds come.
        config: how samples are taken.
        seed: determines time window, crop, flip and emulation.
        renderer: of the bank; keeps the fits of backgrounds from one call to the next.
        threads: at most this many.

    Raises:
        UserError: no clips, clips whose channels are not those of the config, no seed, or a config that asks for truth,
            which is known while clips are rendered.
    """
    check_bank(bank)
    check_seed(seed)
    check_count("threads", threads)
    check_instance("config", config, StreamConfig)
    if config.truth:
        raise UserError(f"{', '.join(config.truth)}: known of a stream's clips alone; leave it out")
    _check_video(video, config)
    clip_id, index = _clip_ids(bank, clip_id), checked_index(index)
    if not len(video) == len(clip_id) == len(index):
        raise UserError(f"{len(video)} clips need so many ids and indices, got {len(clip_id)} and {len(index)}")
    emulate = EmulationConfig() if config.emulate is None else config.emulate
    if config.backgrounds is not None:
        list_pictures(config.backgrounds)
    samples = draw_samples(bank, index, clip_id[:, 0], clip_id[:, 1], replace(config, emulate=emulate), seed)
    drawn = samples.emulation
    assert drawn is not None
    native = bank.native_frames[samples.class_id]
    times = sample_times(drawn, samples.times, native)
    frames = np.rint(times * ((video.shape[2] - 1) / (native - 1))[:, None, None]).astype(np.int64)
    crop = camera_matrices(samples.camera, config.size)
    backgrounds = CpuRenderer(bank, cache_size=0) if renderer is None else renderer
    tone = FRACTAL if bank.kind == "ifs" else PAINTED

    def part(rows: slice, threads: int) -> Part:
        emulation = drawn.select(rows)
        matrices = homographies(emulation)
        figures = warp_figures(video[rows], frames[rows], emulation, matrices, crop[rows], config.size, tone)
        mask = (figures > FAINT).any(dim=1) if config.masks else None
        options = render_options(config, threads)
        tiles = scene_tiles(backgrounds, emulation, options)
        return finish(figures, backgrounds, emulation, matrices, crop[rows], options, tiles), mask

    filmed, mask = assemble(part, len(drawn), config, threads)
    return Batch(
        video=filmed,
        target=torch.from_numpy(clip_id[:, 0]),
        clip_id=torch.from_numpy(clip_id),
        next_index=samples.next_index,
        mask=mask,
        background_id=None if config.emulate is None else torch.from_numpy(drawn.background.named()),
    )


def _clip_ids(bank: Bank, clip_id: ArrayLike) -> NDArray[np.int64]:
    """Class and instance of clips (B, 2) of the bank."""
    ids = np.asarray(clip_id)
    if ids.ndim != 2 or ids.shape[1] != 2 or ids.dtype.kind not in "iu":
        raise UserError(f"clip_id must be whole numbers (B, 2), class and instance, got {shown(clip_id)}")
    if ids.size and (ids.min() < 0 or ids[:, 0].max() >= len(bank) or ids[:, 1].max() >= 2**32):
        raise UserError(f"clip_id must name classes of the bank, 0 to {len(bank) - 1}, and instances below 2**32")
    return ids.astype(np.int64, copy=False)


def _check_video(video: Tensor, config: StreamConfig) -> None:
    """Refuse what are no clips of the config."""
    if not isinstance(video, Tensor):
        raise UserError(f"video must be a tensor, got {video!r}")
    if video.dtype != torch.uint8 or video.ndim != 5 or 0 in video.shape:
        raise UserError(f"video must be uint8 (B, C, N, H, W), got {video.dtype} {list(video.shape)}")
    wanted = 1 if config.colour is None else 3
    if video.shape[1] != wanted:
        hint = "read a grey set with channels=1, or give this config the colour of the set"
        if wanted == 3:
            hint = "leave colour out of this config, or make a set in colour"
        raise UserError(f"clips have {video.shape[1]} channels, and those of this config have {wanted}: {hint}")
