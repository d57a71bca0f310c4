"""Emulation by name."""

from dataclasses import replace

import pytest

from fractalvid import ClassBank, FractalStream
from fractalvid.emulate.config import CurriculumConfig, EmulationConfig
from fractalvid.emulate.presets import PRESETS, preset, resolve
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError


def test_presets_are_named_and_an_unknown_one_is_refused() -> None:
    assert set(PRESETS) == {"none", "light", "paper", "full", "scene"}
    assert preset("none") == EmulationConfig()
    assert preset("paper").background.p == preset("paper").placement.p == 1
    with pytest.raises(UserError, match="none, light, paper, full, scene"):
        preset("papr")


def test_presets_say_the_crop_of_the_reference_method() -> None:
    for name, scale in (("paper", (0.9, 1.0)), ("full", (0.9, 1.0)), ("none", None), ("light", None)):
        crop = PRESETS[name].crop
        assert (None if crop is None else crop.crop_scale) == scale


def test_a_preset_may_be_named_wherever_a_configuration_goes() -> None:
    assert resolve("paper") is PRESETS["paper"]
    assert resolve(PRESETS["full"]) is PRESETS["full"]
    assert StreamConfig(emulate="paper").emulate == PRESETS["paper"]  # type: ignore[arg-type]
    with pytest.raises(UserError, match="none, light, paper, full, scene"):
        StreamConfig(emulate="papr")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"EmulationConfig or one of none, light, paper, full, scene, got 5"):
        StreamConfig(emulate=5)  # type: ignore[arg-type]


def test_a_text_changes_the_curriculum_of_a_preset() -> None:
    assert preset("paper,samples=60_000,share=0.5") == replace(
        PRESETS["paper"], curriculum=CurriculumConfig(samples=60_000, share=0.5)
    )
    assert preset("none") == PRESETS["none"]


def test_a_stream_takes_the_text_of_the_command_line() -> None:
    stream = FractalStream(ClassBank.sample(2, seed=0), batch_size=1, seed=0, emulate="light,share=0.5")
    assert stream.config.emulate == preset("light,share=0.5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pape", "no preset 'pape'"),
        ("none,share=0.5", "none has no settings"),
        ("paper,speed=2", "'speed=2' is no setting of a preset"),
        ("paper,share", "share of a preset is a number, such as 0.5, not ''"),
        ("paper,samples=many", "samples of a preset is a whole number, not 'many'"),
        ("paper,share=0,5", "'5' is no setting of a preset"),
        ("paper,share=0.1,share=0.5", "each once"),
        ("paper,share=2", "curriculum.share"),
    ],
)
def test_what_no_preset_is_called_is_said(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        preset(text)
