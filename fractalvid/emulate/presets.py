"""Emulation by name: presets, and the text that says one with settings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fractalvid.core.camera import CameraConfig
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
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.scene.config import SceneConfig
from fractalvid.utils.errors import UserError

_PAPER = EmulationConfig(
    background=BackgroundConfig(p=1.0),
    placement=PlacementConfig(p=1.0),
    group=GroupConfig(p=0.15),
    foreground_motion=DisplacementConfig(p=0.3),
    background_motion=DisplacementConfig(p=0.3),
    perspective=PerspectiveConfig(p=0.8),
    camera_motion=DisplacementConfig(p=0.3),
    zoom=ZoomConfig(p=0.3),
    shake=ShakeConfig(p=0.3),
    photometric=PhotometricConfig.preset("paper"),
    crop=CameraConfig(crop_scale=(0.9, 1.0)),
)

PRESETS: dict[str, EmulationConfig] = {
    "none": EmulationConfig(),
    "light": EmulationConfig(
        background=BackgroundConfig(p=0.7, alpha=(0.2, 0.4), gamma=(0.7, 1.0), maximum=0.0),
        placement=PlacementConfig(p=0.7, scale=(0.6, 1.0)),
        foreground_motion=DisplacementConfig(p=0.3, speed=(0.1, 0.4)),
        background_motion=DisplacementConfig(p=0.2, speed=(0.1, 0.4)),
        perspective=PerspectiveConfig(p=0.3, distortion=0.3, enlarge=1.15),
        camera_motion=DisplacementConfig(p=0.3, speed=(0.1, 0.4)),
        zoom=ZoomConfig(p=0.3, rate=(0.1, 0.4)),
        shake=ShakeConfig(p=0.3, deviation=(0.5 / 112, 2 / 112)),
        photometric=PhotometricConfig.preset("light"),
    ),
    "paper": _PAPER,
    "full": replace(
        _PAPER,
        group=GroupConfig(p=0.15, copies=3),
        roll=RollConfig(p=0.3),
        timing=TimingConfig(p=0.2),
        photometric=PhotometricConfig.preset("full"),
    ),
    "scene": EmulationConfig(
        background=BackgroundConfig(p=0.25, dynamic=0.0, crop=(0.05, 0.4)),
        scene=SceneConfig(p=1.0),
        placement=PlacementConfig(p=0.9, scale=(0.5, 1.0)),
        group=GroupConfig(p=0.15),
        foreground_motion=DisplacementConfig(p=0.2, speed=(0.1, 0.4)),
        perspective=PerspectiveConfig(p=0.3, distortion=0.4, enlarge=1.2),
        zoom=ZoomConfig(p=0.2, rate=(0.1, 0.4)),
        shake=ShakeConfig(p=0.3, deviation=(0.5 / 112, 2 / 112)),
        roll=RollConfig(p=0.2),
        timing=TimingConfig(p=0.1),
        photometric=PhotometricConfig.preset("light"),
        crop=CameraConfig(crop_scale=(0.9, 1.0)),
    ),
}
"""By name: nothing; a little of most; the reference method's; that with roll, dropped frames and a real camera; and
textured matter that fills the frame."""

_SETTINGS: dict[str, Callable[[str], float]] = {"samples": int, "share": float}


def preset(text: str) -> EmulationConfig:
    """A preset by its name, with its curriculum changed where the text says so: `paper,samples=60_000,share=0.5`.

    Raises:
        UserError: there is no such preset or setting, or a value is none of its.
    """
    name, *settings = text.split(",")
    if name not in PRESETS:
        raise UserError(f"there is no preset {name!r} of emulation; choose one of {', '.join(PRESETS)}")
    if name == "none" and settings:
        raise UserError("none has no settings; it is a preset with settings as in paper,samples=60000, or none alone")
    changed = dict[str, Any]()
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in _SETTINGS or key in changed:
            raise UserError(
                f"{setting!r} is no setting of a preset; they are {' and '.join(_SETTINGS)}, each once, as in "
                "paper,samples=60000,share=0.5"
            )
        try:
            changed[key] = _SETTINGS[key](value)
        except ValueError:
            wanted = "a whole number" if _SETTINGS[key] is int else "a number, such as 0.5"
            raise UserError(f"{key} of a preset is {wanted}, not {value!r}") from None
    chosen = PRESETS[name]
    return replace(chosen, curriculum=replace(chosen.curriculum, **changed)) if changed else chosen


def resolve(emulate: EmulationConfig | str) -> EmulationConfig:
    """A configuration as it is, or the preset that a text says (`preset`).

    Raises:
        UserError: it is neither.
    """
    if isinstance(emulate, str):
        return preset(emulate)
    if not isinstance(emulate, EmulationConfig):
        raise UserError(f"emulate must be an EmulationConfig or one of {', '.join(PRESETS)}, got {emulate!r}")
    return emulate
