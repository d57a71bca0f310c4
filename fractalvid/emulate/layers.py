"""Layers of samples into filmed clips: foregrounds, backgrounds, their blend, and what happens to the pixels.

Everything stays uint8 and in as many channels as the clips have. Samples are grouped by what happens to them; nothing
depends on which others are in the batch.
"""

from dataclasses import dataclass, replace

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
from fractalvid.emulate.scene.frames import film_scene
from fractalvid.emulate.scene.tiles import tile_side
from fractalvid.emulate.warp import warp
from fractalvid.utils.arrays import map_arrays
from fractalvid.utils.tensors import at_rows, on_active, upload

Floats = NDArray[np.float64]


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
    figures = render_figures(
        renderer,
        class_id,
        instance_id,
        sample_times(drawn, times, renderer.bank.native_frames[class_id]),
        crop.astype(np.float64)[:, None, None] @ in_pixels(matrices.foreground(), frame, frame),
        copies=drawn.figures.copies,
        options=options,
    )
    video = channels_first(figures, options.colour)
    mask = (video > 0).any(dim=1)
    return Emulated(finish(video, renderer, drawn, matrices, crop, options), mask)


def finish(
    figures: Tensor,
    renderer: Renderer,
    drawn: Emulation,
    matrices: Homographies,
    crop: NDArray[np.float32],
    options: RenderOptions,
) -> Tensor:
    """Whole pictures of foregrounds: backgrounds behind them, then the photometric effects and dropped frames.

    Args:
        figures: uint8 (B, C, T, H, W).
        renderer: of the backgrounds.
        drawn: of B samples.
        matrices: of the same.
        crop: (B, 3, 3), crop and flip in pixels, which act last.
        options: of the pictures.
    """
    frame = (options.size, options.size)
    camera = crop.astype(np.float64)[:, None] @ in_pixels(matrices.camera, (1, 1), frame)
    present, dynamic = drawn.background.present, drawn.background.dynamic

    def put_behind(front: Tensor, rows: NDArray[np.int64]) -> Tensor:
        some: Backgrounds = map_arrays(lambda array: array[rows], drawn.background)
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
    if drawn.scene is not None:
        video = put_into_scenes(video, renderer, drawn, matrices, camera, options)
    video = apply_photometric(video, follow_camera(drawn.photometric, picture_motion(camera, frame)))
    return repeat_frames(video, drawn.clock)


def put_into_scenes(
    figures: Tensor,
    renderer: Renderer,
    drawn: Emulation,
    matrices: Homographies,
    camera: Floats,
    options: RenderOptions,
) -> Tensor:
    """Figures uint8 (B, C, T, H, W) in the scenes of those samples that have one.

    Args:
        figures: on the CPU.
        renderer: of the backgrounds, on the CPU.
        drawn: of the samples.
        matrices: of the same.
        camera: (B, T, 3, 3), from shares of the scene to pixels of the frame, crop and flip included.
        options: of the pictures.
    """
    assert drawn.scene is not None

    def put(some: Tensor, rows: NDArray[np.int64]) -> Tensor:
        own = drawn.select(rows)
        assert own.scene is not None
        front = camera[rows] @ matrices.figures[rows, 0]
        reliefs = _reliefs(renderer, own.background, options)
        return film_scene(
            some,
            own.scene,
            camera[rows],
            front,
            reliefs=reliefs,
            backgrounds=options.backgrounds,
            threads=options.threads,
        )

    return on_active(figures, drawn.scene.present, put)


def _reliefs(renderer: Renderer, drawn: Backgrounds, options: RenderOptions) -> dict[int, NDArray[np.uint8]]:
    """What lies on the grounds of those samples that have a background, standing still: greys of the size of tiles."""
    rows = np.flatnonzero(drawn.present)
    if not len(rows):
        return {}
    some: Backgrounds = map_arrays(lambda array: array[rows], replace(drawn, dynamic=np.zeros_like(drawn.dynamic)))
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
