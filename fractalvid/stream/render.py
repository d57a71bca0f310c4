"""Samples rendered into batches on the CPU: a pure function of what was drawn for them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.bank import Bank, Fit
from fractalvid.core.camera import Camera, camera_matrices
from fractalvid.core.colour import foreground
from fractalvid.emulate.layers import Emulated, channels_first, emulate_samples
from fractalvid.emulate.parameters import Emulation
from fractalvid.emulate.renderer import CpuRenderer, Renderer, RenderOptions
from fractalvid.kinds import fit_clips, render_fits
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.samples import Samples
from fractalvid.stream.threads import in_parts
from fractalvid.truth import Truth, filmed_layout, find_truth, plain_layout
from fractalvid.truth.layout import Layout, backwards
from fractalvid.utils.arrays import map_arrays, rows_of
from fractalvid.utils.tensors import upload

Part = tuple[Tensor, Tensor | None]
"""Some samples' videos, uint8 (B, C, T, H, W), and their masks, bool (B, T, H, W), where these are asked for."""


def render_views(
    bank: Bank,
    views: Sequence[Samples],
    config: StreamConfig,
    *,
    threads: int | None = None,
    renderer: CpuRenderer | None = None,
    fit: Fit | None = None,
) -> Batch:
    """Render one or two views of the same clips into one batch: a pure function of the bank, the views and the config.

    Args:
        bank: the classes.
        views: of the same classes and instances.
        config: the stream's.
        threads: at most this many.
        renderer: of the bank; keeps the fits of backgrounds from one batch to the next.
        fit: of plain clips, where it is known already.
    """
    first = views[0]
    if fit is None and len(views) > 1 and first.emulation is None:
        # Once for both views: that is most of what a small clip costs.
        fit = fit_clips(bank, first.class_id, first.instance_id, threads=threads)
    next_index = first.next_index
    configs = [config, replace(config, truth=())]
    batches = [
        render_samples(bank, view, own, next_index=next_index, threads=threads, renderer=renderer, fit=fit)
        for view, own in zip(views, configs, strict=False)
    ]
    if len(batches) == 1:
        return batches[0]
    return replace(batches[0], video2=batches[1].video, mask2=batches[1].mask)


def fit_together(bank: Bank, samples: Samples, threads: int | None) -> Fit | None:
    """The fits of plain fractals, which can be taken apart by rows.

    None of filmed ones, whose renderer fits them, and of other kinds, whose fits cost little.
    """
    if samples.emulation is not None or bank.kind != "ifs":
        return None
    return fit_clips(bank, samples.class_id, samples.instance_id, threads=threads)


def render_samples(
    bank: Bank,
    samples: Samples,
    config: StreamConfig,
    *,
    next_index: int,
    threads: int | None = None,
    renderer: CpuRenderer | None = None,
    fit: Fit | None = None,
) -> Batch:
    """Render drawn samples: a pure function of the bank, the samples and the config.

    Args:
        bank: the classes.
        samples: what is to be seen.
        config: the stream's.
        next_index: of the batch.
        threads: at most this many.
        renderer: of the bank; keeps the fits of backgrounds from one batch to the next.
        fit: that of plain samples, where it is known already.
    """
    if samples.emulation is None:
        if fit is None:
            fit = fit_clips(bank, samples.class_id, samples.instance_id, threads=threads)
        video, mask = _render_plain(bank, samples, fit, config, threads)
        layout = plain_layout(fit, samples.times, samples.camera) if config.truth else None
        truth = _truth(bank, samples, layout, config, threads)
        background_id = None
    else:
        renderer = CpuRenderer(bank, cache_size=0) if renderer is None else renderer
        video, mask, truth = _render_filmed(renderer, samples, config, threads)
        background_id = torch.from_numpy(samples.emulation.background.named())
    if samples.backwards is not None:
        video, mask = reverse_frames(video, mask, samples.backwards)
    return Batch(
        video=video,
        target=torch.from_numpy(samples.class_id),
        clip_id=torch.from_numpy(samples.clip_id),
        next_index=next_index,
        mask=mask,
        background_id=background_id,
        truth=map_arrays(torch.from_numpy, truth),
    )


def _truth(
    bank: Bank, samples: Samples, layout: Layout | None, config: StreamConfig, threads: int | None
) -> Truth | None:
    """What the config asks for of samples, as arrays; None where that is nothing, and so is their layout."""
    if layout is None:
        return None
    if samples.backwards is not None:
        layout = backwards(layout, samples.backwards)
    return find_truth(bank, layout, config.truth, config.size, threads=threads)


def reverse_frames(video: Tensor, mask: Tensor | None, backwards: NDArray[np.bool_]) -> tuple[Tensor, Tensor | None]:
    """Videos (B, C, T, H, W) and masks (B, T, H, W) with their frames in reverse where `backwards` (B,) says so.

    In place, once for all channels that share their memory.
    """
    rows = upload(np.flatnonzero(backwards), video.device)
    planes = video[:, :1] if video.stride(1) == 0 else video
    planes[rows] = planes[rows].flip(2)
    if mask is not None:
        mask[rows] = mask[rows].flip(1)
    return video, mask


def film(
    renderer: Renderer,
    samples: Samples,
    emulation: Emulation,
    rows: slice | NDArray[np.int64],
    config: StreamConfig,
    threads: int | None = None,
) -> Emulated:
    """Those at `rows` of samples as their emulation was drawn, wherever the renderer's pictures are."""
    camera: Camera = rows_of(samples.camera, rows)
    return emulate_samples(
        renderer,
        emulation.select(rows),
        class_id=samples.class_id[rows],
        instance_id=samples.instance_id[rows],
        times=samples.times[rows],
        crop=camera_matrices(camera, config.size),
        options=render_options(config, threads),
    )


def render_options(config: StreamConfig, threads: int | None = None) -> RenderOptions:
    """How a stream's pictures are rendered."""
    return RenderOptions(config.size, config.points, config.colour, threads, config.backgrounds)


def assemble(
    part: Callable[[slice, int], Part], count: int, config: StreamConfig, threads: int | None
) -> tuple[Tensor, Tensor | None]:
    """Videos float32 (B, C, T, H, W), normalised, and masks (B, T, H, W), made in parts on several threads.

    Args:
        part: (rows, threads) -> videos and masks of some samples.
        count: B.
        config: the stream's.
        threads: at most this many in all.
    """
    shape = (count, config.clip_len, config.size, config.size)

    def fill(rows: slice, threads: int) -> None:
        clips, foregrounds = part(rows, threads)
        to_float(clips, config, out=video[rows])
        if mask is not None:
            assert foregrounds is not None
            mask[rows] = foregrounds

    # Whatever the caller has set: the threads that fill these share neither its inference mode nor its default device.
    with torch.inference_mode(False), torch.device("cpu"):
        video = torch.empty((count, 1 if config.colour is None else 3, *shape[1:]), dtype=torch.float32)
        mask = torch.empty(shape, dtype=torch.bool) if config.masks else None
        in_parts(fill, count, threads)
    return video.expand(-1, config.channels, -1, -1, -1), mask


def to_float(video: Tensor, config: StreamConfig, *, out: Tensor) -> None:
    """Put uint8 (B, C, T, H, W), normalised, into float32 `out`."""
    mean, std = config.mean or 0.0, config.std or 1.0
    out.copy_(video).mul_(1 / (255 * std)).sub_(mean / std)


def _render_plain(
    bank: Bank, samples: Samples, fit: Fit, config: StreamConfig, threads: int | None
) -> tuple[Tensor, Tensor | None]:
    """Videos and masks of the clips as they are, with nothing behind them."""
    frames = render_fits(
        bank,
        fit,
        samples.times,
        size=config.size,
        points=config.points,
        camera=camera_matrices(samples.camera, config.size),
        colour=config.colour,
        threads=threads,
    )
    mask = torch.from_numpy(foreground(frames, colour=config.colour is not None)) if config.masks else None
    clips = channels_first(frames, config.colour)

    def part(rows: slice, _: int) -> Part:
        return clips[rows], None if mask is None else mask[rows]

    return assemble(part, len(clips), config, threads)


def _render_filmed(
    renderer: CpuRenderer, samples: Samples, config: StreamConfig, threads: int | None
) -> tuple[Tensor, Tensor | None, Truth | None]:
    """Videos and masks of the clips as they were drawn to be filmed, and what is known of them."""
    emulation = samples.emulation
    assert emulation is not None
    truths: dict[int, Truth] = {}

    def part(rows: slice, threads: int) -> Part:
        filmed = film(renderer, samples, emulation, rows, config, threads)
        if config.truth:
            own: Samples = rows_of(samples, rows)
            assert own.emulation is not None
            layout = filmed_layout(filmed.staged, own.emulation, own.camera)
            found = _truth(renderer.bank, own, layout, config, threads)
            assert found is not None
            truths[rows.start] = found
        return filmed.video, filmed.mask

    video, mask = assemble(part, len(emulation), config, threads)
    if not truths:
        return video, mask, None
    parts = [truths[start] for start in sorted(truths)]
    return video, mask, map_arrays(lambda *arrays: np.concatenate(arrays), *parts)
