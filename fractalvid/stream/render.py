"""Samples rendered into batches: a pure function of what was drawn for them."""

import numpy as np
import torch
from numpy.typing import NDArray

from fractalvid.core.bank import Bank, Fit
from fractalvid.core.camera import camera_matrices
from fractalvid.core.colour import foreground
from fractalvid.emulate.backgrounds import KnownFits
from fractalvid.emulate.draw import Emulation
from fractalvid.emulate.layers import channels_first, emulate_samples
from fractalvid.kinds import fit_clips, render_fits
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.samples import Samples
from fractalvid.stream.threads import in_parts
from fractalvid.utils.tensors import upload


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
