"""Configuration of emulation: what is refused, presets, and how commands write them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tyro

from fractalvid.cli.parsing import REGISTRY, parse
from fractalvid.emulate.config import (
    BackgroundConfig,
    CurriculumConfig,
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
from fractalvid.emulate.presets import PRESETS
from fractalvid.utils.errors import UserError

WITH_P = (
    BackgroundConfig,
    DisplacementConfig,
    GroupConfig,
    PerspectiveConfig,
    PlacementConfig,
    RollConfig,
    ShakeConfig,
    TimingConfig,
    ZoomConfig,
)


@pytest.mark.parametrize("kind", WITH_P)
@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_probabilities_outside_0_to_1_are_refused(kind: Any, p: float) -> None:
    with pytest.raises(UserError, match=r"p must be a probability in 0\.\.1"):
        kind(p=p)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (BackgroundConfig, {"alpha": (0.6, 0.2)}, "background.alpha"),
        (BackgroundConfig, {"gamma": (0.0, 1.0)}, "background.gamma"),
        (BackgroundConfig, {"crop": (0.0, 1.0)}, "background.crop"),
        (BackgroundConfig, {"dynamic": 1.5}, "background.dynamic"),
        (BackgroundConfig, {"pool": 1}, "background.pool"),
        (BackgroundConfig, {"pool": 50.0}, "background.pool"),
        (BackgroundConfig, {"p": None}, "background.p"),
        (BackgroundConfig, {"p": "x"}, "background.p"),
        (BackgroundConfig, {"alpha": 0.3}, "background.alpha"),
        (BackgroundConfig, {"alpha": "ab"}, "background.alpha"),
        (BackgroundConfig, {"alpha": (0.3, None)}, "background.alpha"),
        (BackgroundConfig, {"power": "x"}, "background.power"),
        (PlacementConfig, {"scale": (1.0, 0.3)}, "placement.scale"),
        (GroupConfig, {"copies": 0}, "group.copies"),
        (GroupConfig, {"copies": 1.5}, "group.copies"),
        (GroupConfig, {"copies": 2.0}, "group.copies"),
        (GroupConfig, {"turn": None}, "group.turn"),
        (GroupConfig, {"scale": (0.7, 0.2)}, "group.scale"),
        (GroupConfig, {"turn": -1.0}, "group.turn"),
        (DisplacementConfig, {"speed": (1.0, 0.2)}, "displacement.speed"),
        (DisplacementConfig, {"duration": (0.0, 1.0)}, "displacement.duration"),
        (ZoomConfig, {"rate": (1.0, 0.3)}, "zoom.rate"),
        (ShakeConfig, {"deviation": (0.4, 0.2)}, "shake.deviation"),
        (ShakeConfig, {"waves": (5, 2)}, "shake.waves"),
        (ShakeConfig, {"waves": (1.5, 2.5)}, "shake.waves"),
        (ShakeConfig, {"waves": (2.0, 5.0)}, "shake.waves"),
        (ShakeConfig, {"frequency": (2.0, 1.0)}, "shake.frequency"),
        (RollConfig, {"tilt": (1.0, 0.5)}, "roll.tilt"),
        (PerspectiveConfig, {"distortion": 1.0}, "perspective.distortion"),
        (PerspectiveConfig, {"enlarge": 0.5}, "perspective.enlarge"),
        (TimingConfig, {"repeat": 2.0}, "timing.repeat"),
        (CurriculumConfig, {"share": 1.2}, "curriculum.share"),
        (CurriculumConfig, {"samples": -1}, "curriculum.samples"),
        (CurriculumConfig, {"samples": 0.0}, "curriculum.samples"),
    ],
)
def test_reversed_and_impossible_ranges_are_refused(kind: Any, values: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        kind(**values)


def test_numbers_of_numpy_are_numbers() -> None:
    config = BackgroundConfig(p=np.float32(0.5), alpha=(np.float64(0.1), 1), pool=np.int64(9))  # type: ignore[arg-type]
    assert (config.p, config.alpha, config.pool) == (0.5, (0.1, 1), 9)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", None),
        ("full", PRESETS["full"]),
        ("paper,samples=600", replace(PRESETS["paper"], curriculum=CurriculumConfig(samples=600))),
        ("light,samples=0,share=0.5", replace(PRESETS["light"], curriculum=CurriculumConfig(samples=0, share=0.5))),
    ],
)
def test_commands_write_presets_with_settings(text: str, wanted: EmulationConfig | None) -> None:
    option: Any = EmulationConfig | None
    assert tyro.cli(option, args=[text], registry=REGISTRY) == wanted
    shown = parse_option(text)
    assert shown == wanted


def parse_option(text: str) -> EmulationConfig | None:
    from fractalvid.cli.preview import PreviewConfig

    return parse(PreviewConfig, ["--emulate", text], program="p", default=PreviewConfig(), description="Show.").emulate


@pytest.mark.parametrize("text", ["papr", "paper,speed=2", "paper,samples=x", "paper,share=1.5", "none,samples=5"])
def test_what_no_command_understands_is_one_line(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_option(text)
    assert "\n" not in str(caught.value)
