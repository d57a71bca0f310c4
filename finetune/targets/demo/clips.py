"""One clip of the demo target, drawn: camera, background, figure.

Everything but the action is drawn at random for every clip: body, clothes, acting side, facing, size,
speed, phase, camera and background.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fractalvid.finetune.targets.demo.stick_figures import ACTIONS, CAPSULES, Floats, rotation, skeleton, standing


def _camera(rng: np.random.Generator, frames: int, size: int) -> Floats:
    """A slow drift: matrices (T, 2, 3) from scene to frame pixels (pan, zoom and roll about the centre)."""
    time = np.linspace(0, 1, frames)[:, None]
    drift = rng.uniform(-1, 1, 4) * time + rng.uniform(-0.5, 0.5, 4) * np.sin(
        2 * np.pi * (time * rng.uniform(0.5, 1.5, 4) + rng.uniform(0, 1, 4))
    )
    x, y, zoom, roll = (drift * (0.04 * size, 0.03 * size, 0.05, 0.03)).T
    cosine, sine = np.exp(zoom) * np.cos(roll), np.exp(zoom) * np.sin(roll)
    half = size / 2
    rows = [cosine, -sine, half + x - cosine * half + sine * half]
    return np.stack([*rows, sine, cosine, half + y - sine * half - cosine * half], axis=1).reshape(frames, 2, 3)


def _background(rng: np.random.Generator, size: int, horizon: float) -> Floats:
    """Wall, floor, blotches, stripes, boxes: (2 size, 2 size, 3) in [0, 255], the view in the middle."""
    wide = 2 * size
    grid = rng.uniform(0, 255, (int(rng.integers(3, 14)),) * 2 + (3,)).astype(np.uint8)
    blotches = np.asarray(Image.fromarray(grid).resize((wide, wide), Image.Resampling.BICUBIC), dtype=np.float64)
    row, column = np.mgrid[0:wide, 0:wide]
    angle, period = rng.uniform(0, np.pi), rng.uniform(0.08, 0.4) * size
    stripes = np.sin(2 * np.pi * (row * np.sin(angle) + column * np.cos(angle)) / period)
    floor = (row > size / 2 + horizon)[..., None]
    wall, ground = (rng.uniform(35, 130) + rng.uniform(-18, 18, 3) for _ in range(2))
    scene: Floats = np.where(floor, ground, wall)
    scene += rng.uniform(0.03, 0.15) * (blotches - 128) + rng.uniform(0, 8) * stripes[..., None]
    for _ in range(int(rng.integers(0, 5))):
        top, left = rng.integers(size // 3, wide - size // 3, 2)
        high, broad = rng.integers(size // 12, size // 2, 2)
        scene[top : top + high, left : left + broad] += rng.uniform(-28, 28, 3)
    return np.clip(scene, 0, 255)


def _film(scene: Floats, camera: Floats, size: int) -> NDArray[np.float32]:
    """The scene as the camera sees it: (T, size, size, 3)."""
    image = Image.fromarray(scene.astype(np.uint8))
    frames = []
    for matrix in camera:
        back = np.linalg.inv(matrix[:, :2])
        offset = size / 2 - back @ matrix[:, 2]  # the view is the middle of the scene
        data = (*back[0], offset[0], *back[1], offset[1])
        affine = Image.Transform.AFFINE
        frames.append(np.asarray(image.transform((size, size), affine, data, Image.Resampling.BILINEAR)))
    return np.stack(frames).astype(np.float32)


def paint(frame: NDArray[np.float32], ends: Floats, radius: Floats, colour: Floats) -> None:
    """Lay capsules over one frame (H, W, 3), in place, one after the other and antialiased.

    ends (M, 2, 2) in pixels (x, y); radius (M,) in pixels; colour (M, 3). Only a box around each is touched.
    """
    height, width = frame.shape[:2]
    limits = (width, height)
    low = np.clip(ends.min(axis=1) - radius[:, None] - 1, 0, limits).astype(int).tolist()
    high = np.clip(ends.max(axis=1) + radius[:, None] + 2, 0, limits).astype(int).tolist()
    grid = np.arange(max(limits), dtype=np.float32) + np.float32(0.5)
    starts, steps, radii = ends[:, 0].tolist(), (ends[:, 1] - ends[:, 0]).tolist(), radius.tolist()
    tints = colour.astype(np.float32)
    for (left, top), (right, bottom), (sx, sy), (dx, dy), thick, tint in zip(
        low, high, starts, steps, radii, tints, strict=True
    ):
        x, y = grid[left:right] - sx, (grid[top:bottom] - sy)[:, None]
        along = (x * (dx / (dx * dx + dy * dy + 1e-6)) + y * (dy / (dx * dx + dy * dy + 1e-6))).clip(0, 1)
        distance = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
        part = frame[top:bottom, left:right]
        part += (thick + 0.5 - distance).clip(0, 1)[..., None] * (tint - part)


def _colours(rng: np.random.Generator) -> Floats:
    """Skin, shirt, trousers and shoes: (4, 3) in [0, 255].

    Mostly brighter than the background: with colours as likely to be darker, a small network needs far more than a
    few minutes and a few hundred clips to find the figure at all.
    """
    skin = np.array([244, 205, 170]) * rng.uniform(0.55, 1.0) + rng.uniform(-12, 12, 3)
    return np.clip(np.vstack([skin, rng.uniform(85, 255, (2, 3)), rng.uniform(60, 160, 3)]), 0, 255)


def act(action: str, rng: np.random.Generator, time: Floats, *, speed: float = 1.0) -> Floats:
    """A random person doing it: joints (T, 18, 3) in body heights, z towards the camera.

    `time` (T,) is that of the frames, from 0 to 1; `speed` 1 is that of filmed people.
    """
    frames = len(time)
    direction = rng.choice([-1.0, 1.0]) if action in ("cartwheel", "spin") else 1.0
    phase = rng.uniform() + direction * speed * rng.uniform(0.75, 1.35) * time
    pose = standing(frames)
    pose.lean += rng.uniform(-0.08, 0.08)
    pose.arm += rng.uniform(-0.08, 0.08, (2, 2, 2))
    ACTIONS[action](pose, phase, int(rng.integers(2)), rng.uniform(0.8, 1.15))
    facing = rng.choice([-1, 1]) * rng.uniform(0.35, 1.2) + pose.turn
    tilt = np.full(frames, rng.uniform(0.0, 0.3))
    view = rotation(tilt, 1, 2) @ rotation(facing, 2, 0)
    joints: Floats = np.einsum("tij,tkj->tki", view, skeleton(pose, rng.uniform(0.85, 1.15, 6)))
    return joints


@dataclass(frozen=True)
class Filmed:
    """A clip, what it shows without its figure, and where that is.

    Attributes:
        video: uint8 (T, size, size, 3).
        bare: uint8, the same shape: the same camera, background and noise.
        mask: bool (T, size, size), where the figure is.
    """

    video: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def _placed(
    action: str, rng: np.random.Generator, size: int, frames: int
) -> tuple[Floats, Floats, float, float, Floats]:
    """Where a random figure is: joints (T, 18, 2) in pixels, depths (T, 18), height and ground in pixels, camera."""
    joints = act(action, rng, np.linspace(0, 1, frames))
    scale = rng.uniform(0.66, 0.86) * size
    middle = size / 2 + rng.uniform(-0.08, 0.08) * size
    ground = (size + scale) / 2 + rng.uniform(-0.02, 0.05) * size
    near = 4.0 / (4.0 - joints[..., 2:])  # a mild perspective: the camera stands four body heights away
    camera = _camera(rng, frames, size)
    flat = np.array([middle, ground]) + scale * near * joints[..., :2] * (1, -1)
    flat = np.einsum("tij,tkj->tki", camera[:, :, :2], flat) + camera[:, None, :, 2]
    return flat, joints[..., 2], scale, ground, camera


def figure_boxes(action: str, rng: np.random.Generator, *, size: int = 72, frames: int = 16) -> Floats:
    """The box of the figure in each frame of the clip that `draw_clip` draws of the same arguments.

    Returns:
        (T, 4): left, top, right and bottom as shares of the frame, cut off at its borders.
    """
    flat, _, scale, _, _ = _placed(action, rng, size, frames)
    margin = 0.08 * scale  # half a head
    low, high = flat.min(axis=1) - margin, flat.max(axis=1) + margin
    boxes: Floats = np.clip(np.concatenate([low, high], axis=1) / size, 0, 1)
    return boxes


def draw_clip(action: str, rng: np.random.Generator, *, size: int = 72, frames: int = 16) -> NDArray[np.uint8]:
    """Draw one clip of an action.

    Args:
        action: a name in `ACTIONS`.
        rng: where everything that varies comes from.
        size: height and width in pixels.
        frames: number of frames T.

    Returns:
        uint8 (T, size, size, 3).
    """
    return film_clip(action, rng, size=size, frames=frames).video


def film_clip(
    action: str, rng: np.random.Generator, *, size: int = 72, frames: int = 16, place: np.random.Generator | None = None
) -> Filmed:
    """Draw one clip of an action, and the same clip without its figure; see `draw_clip`.

    Args:
        action: a name in `ACTIONS`.
        rng: where everything that varies comes from.
        size: height and width in pixels.
        frames: number of frames T.
        place: where the background comes from, if not from `rng`: with a generator of one seed, it is one place.
    """
    flat, depth, scale, ground, camera = _placed(action, rng, size, frames)
    bare = _film(_background(place or rng, size, ground - size * rng.uniform(0.0, 0.15)), camera, size)
    video = bare.copy()
    _figure(video, flat, depth, scale, rng)
    mask = (video != bare).any(axis=3)
    noise = np.float32(rng.uniform(0, 5)) * rng.standard_normal(video.shape, dtype=np.float32)
    shown, behind = (np.clip(frames + noise, 0, 255).astype(np.uint8) for frames in (video, bare))
    return Filmed(shown, behind, mask)


def _figure(video: NDArray[np.float32], flat: Floats, depth: Floats, scale: float, rng: np.random.Generator) -> None:
    """Paint the figure into every frame, in place: joints (T, 18, 2) in pixels, their depths (T, 18)."""
    first, second, radius, tint = (np.array(column) for column in zip(*CAPSULES, strict=True))
    ends = np.stack([flat[:, first], flat[:, second]], axis=2)
    near = depth[:, first] + depth[:, second]
    colour = np.clip(_colours(rng)[tint] * np.clip(1.0 + 0.7 * near, 0.65, 1.15)[..., None], 0, 255)
    thick = radius * scale * rng.uniform(0.75, 1.2)
    order = np.argsort(near + 0.1 * (radius > 0.06), axis=1)  # the shirt hangs over the trousers
    for frame, rank in enumerate(order):
        paint(video[frame], ends[frame, rank], thick[rank], colour[frame, rank])
