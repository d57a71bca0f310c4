"""Layers of samples into filmed clips: foregrounds drawn under their homographies, backgrounds warped, both blended.

Everything stays uint8 and in as many channels as the clips have. Samples are grouped by what happens to them; nothing
depends on which others are in the batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.backgrounds import render_backgrounds
from fractalvid.emulate.draw import Backgrounds, Emulation
from fractalvid.emulate.geometry import Homographies, homographies, in_pixels, picture_motion, sample_times
from fractalvid.emulate.photometric.draw import apply_photometric, follow_camera
from fractalvid.emulate.renderer import Array, Renderer
from fractalvid.emulate.warp import warp
from fractalvid.utils.arrays import map_arrays
from fractalvid.utils.tensors import at_rows, on_active, upload

Floats = NDArray[np.float64]

CPU = torch.device("cpu")
STEPS = 4096
"""Steps of the sum of foreground and background, before the last exponent."""
ENDLESS = frozenset({"perlin", "dead_leaves"})
"""Kinds whose pictures cover the plane: as a figure they end at their view, as their stored clips do."""


@dataclass(frozen=True)
class Emulated:
    """B filmed clips, and where their foregrounds are.

    Attributes:
        video: uint8 (B, C, T, H, W).
        mask: bool (B, T, H, W).
    """

    video: Tensor
    mask: Tensor


def emulate_samples(
    renderer: Renderer,
    drawn: Emulation,
    *,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: Floats,
    crop: NDArray[np.float32],
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> Emulated:
    """Render samples as drawn.

    Args:
        renderer: draws clips of the bank; the result is where its pictures are.
        drawn: of B samples of T frames.
        class_id: (B,).
        instance_id: (B,).
        times: (B, T), of the undisturbed samples, in native frames.
        crop: (B, 3, 3), crop and flip in pixels, which act last.
        size: H and W.
        points: points of the chaos game a frame.
        colour: how clips are coloured; grey where None.
        threads: at most this many for rendering.
    """
    seen = homographies(drawn)
    frame = (size, size)
    figures = crop.astype(np.float64)[:, None, None] @ in_pixels(seen.foreground(), frame, frame)
    front = render_figures(
        renderer,
        *(class_id, instance_id, sample_times(drawn, times, renderer.bank.native_frames[class_id]), figures),
        copies=drawn.figures.copies,
        size=size,
        points=points,
        colour=colour,
        threads=threads,
    )
    video = channels_first(front, colour)
    mask = (video > 0).any(dim=1)
    return Emulated(finish(video, renderer, drawn, seen, crop, points=points, colour=colour, threads=threads), mask)


def finish(
    video: Tensor,
    renderer: Renderer,
    drawn: Emulation,
    seen: Homographies,
    crop: NDArray[np.float32],
    *,
    points: int,
    colour: ColourConfig | None,
    threads: int | None,
) -> Tensor:
    """Put backgrounds behind foregrounds uint8 (B, C, T, H, W), do the photometric rest, and repeat dropped frames."""
    size = (video.shape[3], video.shape[4])
    camera = crop.astype(np.float64)[:, None] @ in_pixels(seen.camera, (1, 1), size)
    present, dynamic = drawn.background.present, drawn.background.dynamic

    def behind(front: Tensor, rows: NDArray[np.int64]) -> Tensor:
        some: Backgrounds = map_arrays(lambda array: array[rows], drawn.background)
        kinds = render_backgrounds(renderer, some, size=size[0], points=points, colour=colour, threads=threads)
        backs, parts = [], np.split(rows, [len(kinds[0])])
        for pictures, part in zip(kinds, parts, strict=True):
            if len(part):
                flat = channels_first(pictures, colour).float()
                matrices = camera[part], seen.background[part]
                backs.append(warp(flat, *matrices, size, outside="reflection", fold=True))
        return blend(front, backs[0] if len(backs) == 1 else torch.cat(backs), some)

    # Those that stand still come first: the frames of a clip share one picture there.
    rows = np.concatenate([np.flatnonzero(present & ~dynamic), np.flatnonzero(present & dynamic)])
    video = at_rows(video, rows, behind)
    motion = picture_motion(camera, size)
    return repeat_frames(apply_photometric(video, follow_camera(drawn.photometric, motion)), drawn.clock)


def repeat_frames(video: Tensor, clock: NDArray[np.int64]) -> Tensor:
    """Frames of (B, C, T, H, W) that show the same of the sample, by `clock` (B, T), as the first of them.

    A camera that drops a frame shows the last one once more, with its noise, its light and what moved behind it.
    """
    again = np.diff(clock, axis=1, prepend=-1) == 0
    first = np.maximum.accumulate(np.where(again, 0, np.arange(clock.shape[1])), axis=1)

    def gather(clips: Tensor, rows: NDArray[np.int64]) -> Tensor:
        clip = torch.arange(len(rows), device=clips.device)[:, None]
        return clips[clip, :, upload(first[rows], clips.device)].movedim(1, 2)

    return on_active(video, again.any(axis=1), gather)


def render_figures(
    renderer: Renderer,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: Floats,
    matrices: Floats,
    *,
    copies: NDArray[np.int64],
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> Array:
    """Foregrounds and their copies, joined by maximum: uint8 (B, T, H, W), or (B, T, H, W, 3) in colour.

    Args:
        renderer: draws them.
        class_id: (B,).
        instance_id: (B,).
        times: (B, L, T), native frames.
        matrices: (B, L, T, 3, 3), from pixels of the whole view to pixels of the frame.
        copies: (B,), how many of the L are there besides the first.
        size: H and W.
        points: points of the chaos game a frame.
        colour: how clips are coloured; grey where None.
        threads: at most this many.
    """
    xp, channels = renderer.xp, [] if colour is None else [1]
    # The originals first, then all first copies, and so on.
    layer, clip = np.nonzero(np.arange(times.shape[1])[:, None] <= copies)
    rendered = renderer.render(
        renderer.fit_figures(class_id, instance_id, clip, threads),
        times[clip, layer],
        size=size,
        points=points,
        camera=matrices[clip, layer].astype(np.float32),
        colour=colour,
        threads=threads,
    )
    if renderer.bank.kind in ENDLESS:
        inside = in_view(matrices[clip, layer], size)
        rendered *= xp.asarray(inside.reshape(*inside.shape, *channels))
    figures, end = rendered[: len(copies)], len(copies)
    for number in range(1, int(copies.max()) + 1):
        begin, end = end, end + int((copies >= number).sum())
        rows = xp.asarray(clip[begin:end])
        figures[rows] = xp.maximum(figures[rows], rendered[begin:end])
    return figures


def in_view(matrices: Floats, size: int) -> NDArray[np.bool_]:
    """Which pixels of frames show a place of the view: (..., size, size).

    Args:
        matrices: (..., 3, 3), from pixels of the whole view to pixels of the frame.
        size: H and W of both.
    """
    centre = np.arange(size, dtype=np.float32) + np.float32(0.5)
    x, y, depth = (
        row[..., 0, None, None] * centre + (row[..., 1, None, None] * centre[:, None] + row[..., 2, None, None])
        for row in np.moveaxis(np.linalg.inv(matrices).astype(np.float32), -2, 0)
    )
    inside = np.asarray(depth > 0)
    for place in (x, y):
        inside &= (place >= 0) & (place <= size * depth)
    return inside


def blend(front: Tensor, back: Tensor, drawn: Backgrounds) -> Tensor:
    """Foregrounds uint8 (B, C, T, H, W) before backgrounds float32 likewise, in 0..255: uint8.

    The reference method's ((1 - α) · front^power + α · back^power)^gamma, or the maximum of both.
    """
    tables = blend_tables(drawn, front.device)
    begin = 2**16 * torch.arange(len(tables), dtype=torch.int32, device=front.device)
    place = front.to(torch.int32).mul_(256).add_(back.add(0.5).to(torch.uint8))
    place += begin.view(-1, 1, 1, 1, 1)
    return tables.view(-1).index_select(0, place.view(-1)).view(front.shape)


def blend_tables(drawn: Backgrounds, device: torch.device = CPU) -> Tensor:
    """The blend of every pair of greys: uint8 (B, 256, 256), by foreground and background."""
    power, alpha, gamma = upload(np.stack([drawn.power, drawn.alpha, drawn.gamma])[..., None], device)
    greys, sums = (torch.arange(n, dtype=torch.float64, device=device) / (n - 1) for n in (256, STEPS))
    raised = (STEPS - 1) * greys**power
    fore, behind = ((weight * raised).round_().int() for weight in (1 - alpha, alpha))
    total = (fore[:, :, None] + behind[:, None]).clamp_(max=STEPS - 1)
    total += STEPS * torch.arange(len(total), dtype=torch.int32, device=device)[:, None, None]
    curves = (255 * sums**gamma).round_().to(torch.uint8)
    tables: Tensor = curves.view(-1).index_select(0, total.view(-1)).view(total.shape)
    if not drawn.maximum.any():
        return tables
    grey = torch.arange(256, device=device).to(torch.uint8)
    return torch.where(upload(drawn.maximum[:, None, None], device), torch.maximum(grey[:, None], grey), tables)


def channels_first(frames: Array, colour: ColourConfig | None) -> Tensor:
    """Grey (B, ..., H, W), or colours (B, ..., H, W, 3), as (B, C, ..., H, W), on their device."""
    pictures = torch.from_numpy(frames) if isinstance(frames, np.ndarray) else from_dlpack(frames)
    return pictures[:, None] if colour is None else pictures.movedim(-1, 1).contiguous()
