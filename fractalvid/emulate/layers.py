"""Layers of samples into filmed clips: foregrounds, backgrounds, their blend, and what happens to the pixels.

Everything stays uint8 and in as many channels as the clips have. Samples are grouped by what happens to them; nothing
depends on which others are in the batch.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.backgrounds import render_backgrounds
from fractalvid.emulate.blend import blend
from fractalvid.emulate.figures import render_figures
from fractalvid.emulate.geometry import Homographies, homographies, in_pixels, picture_motion, sample_times
from fractalvid.emulate.parameters import Backgrounds, Emulation
from fractalvid.emulate.photometric.blur import follow_camera
from fractalvid.emulate.photometric.pipeline import apply_photometric
from fractalvid.emulate.renderer import Array, Renderer, RenderOptions
from fractalvid.emulate.scene.frames import Tiles, film_scene, paint_tiles
from fractalvid.emulate.scene.tiles import tile_side
from fractalvid.emulate.warp import warp
from fractalvid.utils.arrays import rows_of
from fractalvid.utils.tensors import at_rows, on_active, upload

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Staged:
    """What B filmed clips were drawn from: where their layers are, and when.

    Attributes:
        fit: of the figures that `fractalvid.emulate.figures.layers_of` lists.
        times: float64 (B, L, T), native times of each copy.
        matrices: of all layers, but for crop and flip.
        tiles: of the samples in a scene, in their order; None where none is.
    """

    fit: Any
    times: Floats
    matrices: Homographies
    tiles: Tiles | None


@dataclass(frozen=True)
class Emulated:
    """B filmed clips, and where their foregrounds are.

    Attributes:
        video: uint8 (B, C, T, H, W).
        mask: bool (B, T, H, W).
        staged: what they were drawn from.
    """

    video: Tensor
    mask: Tensor
    staged: Staged


def emulate_samples(
    renderer: Renderer,
    drawn: Emulation,
    *,
    class_id: NDArray[np.int64],
    instance_id: NDArray[np.int64],
    times: Floats,
    crop: NDArray[np.float32],
    options: RenderOptions,
) -> Emulated:
    """Render samples as drawn.

    Args:
        renderer: of the bank's clips; the result is where its pictures are.
        drawn: of B samples of T frames.
        class_id: (B,).
        instance_id: (B,).
        times: (B, T), of the undisturbed samples, in native frames.
        crop: (B, 3, 3), crop and flip in pixels, which act last.
        options: of the pictures.
    """
    matrices = homographies(drawn)
    frame = (options.size, options.size)
    shown = sample_times(drawn, times, renderer.bank.native_frames[class_id])
    figures, fit = render_figures(
        renderer,
        class_id,
        instance_id,
        shown,
        crop.astype(np.float64)[:, None, None] @ in_pixels(matrices.foreground(), frame, frame),
        copies=drawn.figures.copies,
        options=options,
    )
    video = channels_first(figures, options.colour)
    mask = (video > 0).any(dim=1)
    tiles = scene_tiles(renderer, drawn, options)
    filmed = finish(video, renderer, drawn, matrices, crop, options, tiles)
    return Emulated(filmed, mask, Staged(fit, shown, matrices, tiles))


def finish(
    figures: Tensor,
    renderer: Renderer,
    drawn: Emulation,
    matrices: Homographies,
    crop: NDArray[np.float32],
    options: RenderOptions,
    tiles: Tiles | None,
) -> Tensor:
    """Whole pictures of foregrounds: backgrounds behind them, then the photometric effects and dropped frames.

    Args:
        figures: uint8 (B, C, T, H, W).
        renderer: of the backgrounds.
        drawn: of B samples.
        matrices: of the same.
        crop: (B, 3, 3), crop and flip in pixels, which act last.
        options: of the pictures.
        tiles: of `scene_tiles`.
    """
    frame = (options.size, options.size)
    camera = crop.astype(np.float64)[:, None] @ in_pixels(matrices.camera, (1, 1), frame)
    present, dynamic = drawn.background.present, drawn.background.dynamic

    def put_behind(front: Tensor, rows: NDArray[np.int64]) -> Tensor:
        some: Backgrounds = rows_of(drawn.background, rows)
        still, moving = render_backgrounds(renderer, some, options)
        warped = [
            warp(
                channels_first(pictures, options.colour),
                camera[part],
                matrices.background[part],
                frame,
                outside="reflection",
                fold=True,
            )
            for pictures, part in zip((still, moving), np.split(rows, [len(still)]), strict=True)
            if len(part)
        ]
        return blend(front, warped[0] if len(warped) == 1 else torch.cat(warped), some)

    # Those that stand still come first: the frames of a clip share one picture there.
    if drawn.scene is not None:
        present = present & ~drawn.scene.present
    rows = np.concatenate([np.flatnonzero(present & ~dynamic), np.flatnonzero(present & dynamic)])
    video = at_rows(figures, rows, put_behind)
    if tiles is not None:
        video = put_into_scenes(video, tiles, drawn, matrices, camera, options.threads)
    video = apply_photometric(video, follow_camera(drawn.photometric, picture_motion(camera, frame)))
    return repeat_frames(video, drawn.clock)


def scene_tiles(renderer: Renderer, drawn: Emulation, options: RenderOptions) -> Tiles | None:
    """The tiles of those samples that have a scene, in their order; None where none has.

    Args:
        renderer: of the backgrounds, on the CPU.
        drawn: of B samples.
        options: of the pictures.
    """
    if drawn.scene is None or not drawn.scene.present.any():
        return None
    own = drawn.select(np.flatnonzero(drawn.scene.present))
    assert own.scene is not None
    return paint_tiles(
        own.scene,
        options.size,
        colour=options.colour is not None,
        reliefs=_reliefs(renderer, own.background, options),
        backgrounds=options.backgrounds,
        threads=options.threads,
    )


def put_into_scenes(
    figures: Tensor,
    tiles: Tiles,
    drawn: Emulation,
    matrices: Homographies,
    camera: Floats,
    threads: int | None,
) -> Tensor:
    """Figures uint8 (B, C, T, H, W) in the scenes of those samples that have one.

    Args:
        figures: on the CPU.
        tiles: of these scenes.
        drawn: of the samples.
        matrices: of the same.
        camera: (B, T, 3, 3), from shares of the scene to pixels of the frame, crop and flip included.
        threads: at most this many.
    """
    assert drawn.scene is not None

    def put(some: Tensor, rows: NDArray[np.int64]) -> Tensor:
        scene = drawn.select(rows).scene
        assert scene is not None
        front = camera[rows] @ matrices.figures[rows, 0]
        return film_scene(some, scene, tiles, camera[rows], front, threads=threads)

    return on_active(figures, drawn.scene.present, put)


def _reliefs(renderer: Renderer, drawn: Backgrounds, options: RenderOptions) -> dict[int, NDArray[np.uint8]]:
    """What lies on the grounds of those samples that have a background, standing still: greys of the size of tiles."""
    rows = np.flatnonzero(drawn.present)
    if not len(rows):
        return {}
    some: Backgrounds = rows_of(replace(drawn, dynamic=np.zeros_like(drawn.dynamic)), rows)
    still, _ = render_backgrounds(renderer, some, replace(options, size=tile_side(options.size), colour=None))
    return dict(zip(rows.tolist(), still, strict=True))


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


def channels_first(frames: Array, colour: ColourConfig | None) -> Tensor:
    """Grey (B, ..., H, W), or colours (B, ..., H, W, 3), as (B, C, ..., H, W), on their device."""
    pictures = torch.from_numpy(frames) if isinstance(frames, np.ndarray) else from_dlpack(frames)
    return pictures[:, None] if colour is None else pictures.movedim(-1, 1).contiguous()
