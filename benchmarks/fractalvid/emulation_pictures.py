"""The pictures of docs/emulation.md: one row an effect, at low, middle and high strength, three frames of each.

Every effect is shown by itself, at probability 1 and at three strengths, which may go beyond what presets have; what is
drawn is the same otherwise, and so is the clip.
Scenes are shown as they are drawn: eight samples of the preset.
`python -m benchmarks.fractalvid.emulation_pictures` writes them to docs/.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common import command_line
from fractalvid.core.camera import CameraConfig, camera_matrices, draw_camera, identity_camera
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import (
    BackgroundConfig,
    DisplacementConfig,
    EmulationConfig,
    GroupConfig,
    PerspectiveConfig,
    PlacementConfig,
    RollConfig,
    ShakeConfig,
    TimingConfig,
    ZoomConfig,
)
from fractalvid.emulate.draw import draw_emulation
from fractalvid.emulate.layers import emulate_samples
from fractalvid.emulate.photometric.config import (
    BlurConfig,
    CompressionConfig,
    ExposureConfig,
    MotionBlurConfig,
    NoiseConfig,
    PhotometricConfig,
    RandAugmentConfig,
    VignetteConfig,
    WhiteBalanceConfig,
)
from fractalvid.emulate.presets import PRESETS
from fractalvid.emulate.renderer import CpuRenderer, RenderOptions
from fractalvid.fractals.bank import ClassBank
from fractalvid.stream import FractalStream, StreamConfig

DOCS = Path(__file__).parents[2] / "docs"
SIZE, SHOWN, FRAMES, GAP, LABEL = 96, (0, 4, 8), 9, 3, 170
PAPER, INK, MUTED = (255, 255, 255), (25, 25, 28), (110, 110, 116)
CLASS, SCENE_SIZE = 8, 112
SCENE = BackgroundConfig(p=1, dynamic=0, alpha=(0.35, 0.35), gamma=(0.8, 0.8), maximum=0)
PLACED = PlacementConfig(p=1, scale=(0.6, 0.6))


@dataclass(frozen=True)
class Row:
    """An effect.

    Attributes:
        name: what it is called.
        strengths: three values, and how they are written.
        config: of a value.
        index: the sample that shows it.
    """

    name: str
    strengths: tuple[tuple[float, str], ...]
    config: Callable[[float], EmulationConfig]
    index: int = 6


def scene(**effects: Any) -> EmulationConfig:
    """A placed figure before a background that stands still, and some effects."""
    chosen: dict[str, Any] = {"background": SCENE, "placement": PLACED} | effects
    return EmulationConfig(**chosen)


def filmed(**effects: Any) -> EmulationConfig:
    """The same under photometric effects."""
    return scene(photometric=PhotometricConfig(**effects))


def even(value: float) -> tuple[float, float]:
    """A range of one value."""
    return value, value


LAYERS = (
    Row(
        "background, still",
        ((0.25, "alpha 0.25"), (0.4, "0.4"), (0.55, "0.55")),
        lambda v: scene(background=replace(SCENE, alpha=even(v))),
    ),
    Row(
        "background, moving",
        ((0.25, "alpha 0.25"), (0.4, "0.4"), (0.55, "0.55")),
        lambda v: scene(background=replace(SCENE, dynamic=1, alpha=even(v))),
        index=2,
    ),
    Row(
        "gamma of the blend",
        ((1.0, "1"), (0.8, "0.8"), (0.6, "0.6")),
        lambda v: scene(background=replace(SCENE, gamma=even(v))),
    ),
    Row(
        "placement",
        ((1.0, "scale 1"), (0.6, "0.6"), (0.3, "0.3")),
        lambda v: scene(placement=PlacementConfig(p=1, scale=even(v))),
    ),
    Row(
        "group",
        ((1, "1 copy"), (2, "2"), (3, "3")),
        lambda v: scene(group=GroupConfig(p=1, copies=int(v), scale=even(0.4))),
    ),
    Row(
        "foreground moves",
        ((0.2, "0.2 frames"), (0.6, "0.6"), (1.0, "1")),
        lambda v: scene(foreground_motion=DisplacementConfig(p=1, speed=even(v), duration=(1, 1))),
    ),
    Row(
        "background moves",
        ((0.2, "0.2 frames"), (0.6, "0.6"), (1.0, "1")),
        lambda v: scene(background_motion=DisplacementConfig(p=1, speed=even(v), duration=(1, 1))),
    ),
)

CAMERA = (
    Row(
        "perspective",
        ((0.2, "distortion 0.2"), (0.45, "0.45"), (0.7, "0.7")),
        lambda v: scene(perspective=PerspectiveConfig(p=1, distortion=v, enlarge=1 + 0.57 * v)),
    ),
    Row(
        "displacement",
        ((0.2, "0.2 frames"), (0.6, "0.6"), (1.0, "1")),
        lambda v: scene(camera_motion=DisplacementConfig(p=1, speed=even(v), duration=(1, 1))),
    ),
    Row(
        "zoom",
        ((0.3, "30 %"), (0.65, "65 %"), (1.0, "100 %")),
        lambda v: scene(zoom=ZoomConfig(p=1, rate=even(v))),
    ),
    Row(
        "shake",
        ((1 / 112, "0.9 % of the frame"), (2 / 112, "1.8 %"), (4 / 112, "3.6 %")),
        lambda v: scene(shake=ShakeConfig(p=1, deviation=even(v))),
    ),
    Row(
        "roll",
        ((5, "turn 5°, tilt 3°"), (10, "10°, 6°"), (15, "15°, 8°")),
        lambda v: scene(roll=RollConfig(p=1, turn=even(float(np.radians(v))), tilt=even(float(np.radians(0.55 * v))))),
    ),
    Row(
        "dropped frames",
        ((0.1, "10 % repeat, 10 % skip"), (0.3, "30 %"), (0.6, "60 %")),
        lambda v: scene(
            timing=TimingConfig(p=1, repeat=v, skip=v),
            camera_motion=DisplacementConfig(p=1, speed=even(0.6), duration=(1, 1)),
        ),
    ),
    Row(
        "crop and flip",
        ((0.9, "90 % of the frame"), (0.7, "70 %"), (0.5, "50 %, flipped")),
        lambda v: scene(crop=CameraConfig(crop_scale=even(v), flip=float(v == 0.5))),
    ),
)

PHOTOMETRIC = (
    Row(
        "motion blur",
        ((0.01, "1 % of the frame"), (0.04, "4 %"), (0.1, "10 %")),
        lambda v: filmed(motion_blur=MotionBlurConfig(p=1, jerk=even(v), shutter=even(0.3))),
    ),
    Row(
        "vignette",
        ((0.2, "corners lose 20 %"), (0.5, "50 %"), (0.8, "80 %")),
        lambda v: filmed(vignette=VignetteConfig(p=1, strength=even(v))),
        index=7,
    ),
    Row(
        "exposure drift",
        ((0.3, "0.3 stops"), (0.7, "0.7"), (1.2, "1.2")),
        lambda v: filmed(exposure=ExposureConfig(p=1, stops=even(v))),
    ),
    Row(
        "white balance drift",
        ((0.15, "0.15 stops"), (0.4, "0.4"), (0.8, "0.8")),
        lambda v: filmed(white_balance=WhiteBalanceConfig(p=1, stops=even(v))),
    ),
    Row(
        "sensor noise",
        ((1, "1 level read, 3 shot"), (4, "4, 8"), (8, "8, 16")),
        lambda v: filmed(noise=NoiseConfig(p=1, read=even(v), shot=even(1 + 2 * v))),
    ),
    Row(
        "compression",
        ((70, "quality 70"), (30, "30"), (10, "10")),
        lambda v: filmed(compression=CompressionConfig(p=1, quality=(int(v), int(v)))),
    ),
    Row(
        "RandAugment",
        ((3, "magnitude 3"), (7, "7"), (10, "10")),
        lambda v: filmed(randaugment=RandAugmentConfig(p=1, magnitude=v, spread=0)),
    ),
    Row(
        "blur",
        ((0.4, "sigma 0.4 px"), (1, "1"), (2, "2")),
        lambda v: filmed(blur=BlurConfig(p=1, sigma=even(v))),
    ),
)


def strip(renderer: CpuRenderer, row: Row, value: float) -> NDArray[np.uint8]:
    """Three frames beside each other: uint8 (SIZE, 3 SIZE, 3)."""
    index, classes, config = np.array([row.index]), np.array([CLASS]), row.config(value)
    camera = identity_camera(1) if config.crop is None else draw_camera(config.crop, 0, index)
    done = emulate_samples(
        renderer,
        draw_emulation(config, renderer.bank, 0, index, class_id=classes, clip_len=FRAMES),
        class_id=classes,
        instance_id=np.zeros(1, np.int64),
        times=np.linspace(0, 16, FRAMES)[None],
        crop=camera_matrices(camera, SIZE),
        options=RenderOptions(size=SIZE, points=400_000, colour=ColourConfig(gamma=1.8)),
    )
    frames = done.video[0].permute(1, 2, 3, 0).numpy()[list(SHOWN)]
    return np.concatenate(list(frames), axis=1)


def sheet(renderer: CpuRenderer, rows: tuple[Row, ...]) -> Image.Image:
    """A picture of some rows."""
    width, height, text = 3 * SIZE, SIZE + GAP + 16, ImageFont.load_default(size=14)
    small = ImageFont.load_default(size=11)
    whole = Image.new("RGB", (LABEL + 3 * (width + 4 * GAP), len(rows) * height), PAPER)
    pen = ImageDraw.Draw(whole)
    for line, row in enumerate(rows):
        top = line * height
        pen.text((6, top + 16 + SIZE / 2), row.name, fill=INK, font=text, anchor="lm")
        for column, (value, shown) in enumerate(row.strengths):
            left = LABEL + column * (width + 4 * GAP)
            pen.text((left, top + 2), shown, fill=MUTED, font=small)
            whole.paste(Image.fromarray(strip(renderer, row, value)), (left, top + 16))
    return whole


def scenes(bank: ClassBank) -> Image.Image:
    """Eight samples of the preset `scene`, two a row, four frames of each."""
    config = StreamConfig(size=SCENE_SIZE, colour=ColourConfig(), emulate=PRESETS["scene"])
    video = FractalStream(bank, batch_size=8, seed=2, config=config).at(np.arange(8)).video
    frames = video.mul(255).round().byte().permute(0, 2, 3, 4, 1).numpy()[:, [0, 2, 4, 7]]
    strips = [np.concatenate(list(clip), axis=1) for clip in frames]
    height, width = SCENE_SIZE + GAP, 4 * SCENE_SIZE + 4 * GAP
    whole = Image.new("RGB", (2 * width - 4 * GAP, 4 * height - GAP), PAPER)
    for number, frames_of_one in enumerate(strips):
        whole.paste(Image.fromarray(frames_of_one), (number % 2 * width, number // 2 * height))
    return whole


def main() -> None:
    """Write docs/emulation_layers.jpg, _camera.jpg, _photometric.jpg and _scenes.jpg."""
    command_line(__doc__).parse_args()
    renderer = CpuRenderer(ClassBank.sample(24, seed=7), 64)
    for name, rows in (("layers", LAYERS), ("camera", CAMERA), ("photometric", PHOTOMETRIC)):
        save(sheet(renderer, rows), name)
    save(scenes(ClassBank.sample(1000, seed=0)), "scenes")


def save(picture: Image.Image, name: str) -> None:
    """To docs/, and say how large it is."""
    path = DOCS / f"emulation_{name}.jpg"
    picture.save(path, quality=72, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
