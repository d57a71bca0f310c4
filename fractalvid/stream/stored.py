"""Clips from disk made to look filmed: warped as a whole, by the matrices under which a stream would draw them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.bank import Bank, check_seed
from fractalvid.core.camera import camera_matrices
from fractalvid.core.seeds import Domain, Field, index_words, uniforms
from fractalvid.emulate.backgrounds import KnownFits
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.draw import Emulation, draw_emulation
from fractalvid.emulate.geometry import Homographies, homographies, in_pixels, sample_times
from fractalvid.emulate.layers import finish
from fractalvid.emulate.resample import FRACTAL, PAINTED, Tone, taps
from fractalvid.emulate.warp import warp
from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.render import to_float
from fractalvid.stream.samples import sample_camera, window
from fractalvid.stream.threads import in_parts
from fractalvid.utils.errors import UserError

Floats = NDArray[np.float64]

FAINT = 12
"""5 % of white: what is darker belongs to no mask, since videos are never quite black."""


def emulate_clips(
    video: Tensor,
    clip_id: NDArray[np.int64],
    index: NDArray[np.int64],
    *,
    bank: Bank,
    config: StreamConfig,
    seed: int,
    known: KnownFits | None = None,
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
        known: of the bank; keeps what is found about backgrounds from one call to the next.
        threads: at most this many.

    Raises:
        UserError: no clips, clips whose channels are not those of the config, or no seed.
    """
    check_seed(seed)
    _check(video, clip_id, index, bank, config)
    emulate = EmulationConfig() if config.emulate is None else config.emulate
    drawn = draw_emulation(emulate, bank, seed, index, class_id=clip_id[:, 0], clip_len=config.clip_len)
    native = bank.native_frames[clip_id[:, 0]]
    start = uniforms(seed, Domain.SAMPLE, Field.WINDOW, *index_words(index), 1)[:, 0]
    times = sample_times(drawn, window(native, config.clip_len, config.frame_stride, start), native)
    frames = np.rint(times * ((video.shape[2] - 1) / (native - 1))[:, None, None]).astype(np.int64)
    crop = camera_matrices(sample_camera(config, seed, index, drawn), config.size)
    own = KnownFits(bank, limit=0) if known is None else known
    tone = FRACTAL if bank.kind == "ifs" else PAINTED
    shape = (len(drawn), config.clip_len, config.size, config.size)
    out, mask = torch.empty((shape[0], video.shape[1], *shape[1:])), torch.empty(shape, dtype=torch.bool)

    def part(rows: slice, threads: int) -> None:
        some = drawn.select(np.arange(rows.start, rows.stop))
        seen = homographies(some)
        front = warp_figures(video[rows], frames[rows], some, seen, crop[rows], config.size, tone)
        mask[rows] = (front > FAINT).any(dim=1)
        options: dict[str, Any] = {"points": config.points, "colour": config.colour, "threads": threads}
        to_float(finish(front, own, some, seen, crop[rows], **options), config, out=out[rows])

    in_parts(part, len(drawn), threads)
    return Batch(
        video=out.expand(-1, config.channels, -1, -1, -1),
        target=torch.from_numpy(clip_id[:, 0]),
        clip_id=torch.from_numpy(clip_id),
        next_index=int(index[-1]) + 1,
        mask=mask if config.masks else None,
        background_id=None if config.emulate is None else torch.from_numpy(drawn.background.named()),
    )


def warp_figures(
    video: Tensor,
    frames: NDArray[np.int64],
    drawn: Emulation,
    seen: Homographies,
    crop: NDArray[np.float32],
    size: int,
    tone: Tone,
) -> Tensor:
    """Foregrounds and their copies, joined by maximum: uint8 (B, C, T, size, size).

    Args:
        video: uint8 (B, C, N, H, W).
        frames: (B, L, T), which of the N frames each copy shows.
        drawn: of B samples.
        seen: their matrices.
        crop: (B, 3, 3), crop and flip in pixels, which act last.
        size: of the frame.
        tone: of the clips.
    """
    count, channels = video.shape[:2]
    frame = (size, size)
    out = torch.empty((count, channels, frames.shape[2], *frame), dtype=torch.uint8)
    same = (crop == np.eye(3)).all(axis=(1, 2)) & (video.shape[3:] == frame)
    for number in np.unique(drawn.figures.copies).tolist():
        rows = np.flatnonzero(drawn.figures.copies == number)
        camera = crop[rows].astype(np.float64)[:, None] @ in_pixels(seen.camera[rows], (1, 1), frame)
        layers = []
        for layer in range(number + 1):
            shown = video[torch.from_numpy(rows)[:, None], :, torch.from_numpy(frames[rows, layer])].movedim(2, 1)
            still = same[rows] & _still(seen.camera[rows]) & _still(seen.figures[rows, layer])
            layers.append(_warped(shown, camera, seen.figures[rows, layer], still, frame, tone))
        out[torch.from_numpy(rows)] = torch.stack(layers).amax(dim=0)
    return out


def _still(matrices: Floats) -> NDArray[np.bool_]:
    """Which samples (B,) the matrices (B, T, 3, 3) leave as they are."""
    return np.asarray((matrices == np.eye(3)).all(axis=(1, 2, 3)))


def _warped(
    shown: Tensor, camera: Floats, figures: Floats, still: NDArray[np.bool_], frame: tuple[int, int], tone: Tone
) -> Tensor:
    """Frames uint8 (B, C, T, h, w) under matrices (B, T, 3, 3), or as they are where they are still (B,).

    The camera's matrices are from the scene to pixels, those of the figures from their view to the scene.
    """
    moved = np.flatnonzero(~still)
    if not len(moved):
        return shown
    source = (shown.shape[3], shown.shape[4])
    camera, figures = camera[moved], figures[moved]
    count, span = taps(camera @ in_pixels(figures, source, (1, 1)), source, frame, tone)
    pictures = tone.linear(shown[torch.from_numpy(moved)])
    total = torch.zeros((len(moved), *shown.shape[1:3], *frame))
    for i, j in np.ndindex(*count.max(axis=0)):
        rows = np.flatnonzero((count > (i, j)).all(axis=1))
        if not len(rows):
            continue
        offset = span[rows] * np.where(count[rows] > 1, (i, j) / np.maximum(count[rows] - 1, 1) - 0.5, 0)[:, None]
        nudged = camera[rows].copy()
        nudged[..., :2, 2] += offset
        weight = torch.from_numpy(1 / count[rows].prod(axis=1)).float().view(-1, 1, 1, 1, 1)
        place = torch.from_numpy(rows)
        part = warp(pictures[place], nudged, figures[rows], frame, outside="zeros")
        total.index_add_(0, place, part.mul_(weight))
    seen = tone.grey(total)
    if len(moved) == len(shown):
        return seen
    out = shown.clone()
    out[torch.from_numpy(moved)] = seen
    return out


def _check(
    video: Tensor, clip_id: NDArray[np.int64], index: NDArray[np.int64], bank: Bank, config: StreamConfig
) -> None:
    """Refuse what are no clips of the bank."""
    count = len(video)
    if video.dtype != torch.uint8 or video.ndim != 5 or 0 in video.shape:
        raise UserError(f"video must be uint8 (B, C, N, H, W), got {video.dtype} {list(video.shape)}")
    if clip_id.shape != (count, 2) or index.shape != (count,):
        raise UserError(f"{count} clips need so many ids and indices, got {len(clip_id)} and {len(index)}")
    wanted = 1 if config.colour is None else 3
    if video.shape[1] != wanted:
        hint = "read a grey set with channels=1, or give this config the colour of the set"
        if wanted == 3:
            hint = "leave colour out of this config, or make a set in colour"
        raise UserError(f"clips have {video.shape[1]} channels, and those of this config have {wanted}: {hint}")
    if clip_id.min() < 0 or clip_id[:, 0].max() >= len(bank):
        raise UserError(f"clip_id must name classes of the bank, 0 to {len(bank) - 1}")
