"""Every configuration there is refuses what it can't be made of, by the field's name: a new one can't forget to."""

import dataclasses
import importlib
import math
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fractalvid as fv
from fractalvid.finetune.clips.config import FrameConfig
from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.monitors.config import MonitorConfig
from fractalvid.utils.checks import check_fields, shown

ENDINGS = ("Config", "Recipe", "Options", "Machine", "SecondView", "Band", "Mix")
SEAMS = {"RenderOptions", "VideoOptions", "ResolvedRecipe"}
"""What is made from configurations that were checked, inside."""
FRAMES = FrameConfig(8)
COLOURS = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
NEEDED: dict[str, dict[str, Any]] = {
    "TrainConfig": {"loop": LoopConfig(steps=1)},
    "FrameConfig": {"clip_len": 8},
    "finetune ClipConfig": {"frames": FRAMES, "size": 32, **COLOURS},
    "ViewConfig": {"frames": FRAMES, "size": 32, **COLOURS, "views": 1, "crops": 1},
    "TargetOptions": {"target": "demo"},
    "Mix": {"variations": ("julia",), "max_summed": 1, "per_map": False},
}
"""Fields without defaults."""
WRONG: dict[Any, list[Any]] = {
    int: [True, "3", 1.5, math.nan, math.inf, [1], 2**70, -(2**70), 10**5000],
    float: [True, "3", math.nan, math.inf, -math.inf, [1.0], 2**100, 1e308, 10**5000],
    bool: [1, "yes", None, math.nan],
    str: [1, True, math.nan, ["a"], "a\0b"],
    Path: [1, math.nan, ["a"], Path("a\0b"), "a\0b"],
}


def modules() -> Iterator[types.ModuleType]:
    """All modules but those of commands, whose options are read from text."""
    for found in pkgutil.walk_packages(fv.__path__, "fractalvid."):
        if ".cli" not in found.name and not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def configurations() -> dict[str, Any]:
    """All dataclasses of configuration, by name."""
    found = {}
    for module in modules():
        for name, value in vars(module).items():
            ours = isinstance(value, type) and value.__module__ == module.__name__ and dataclasses.is_dataclass(value)
            if ours and name.endswith(ENDINGS) and name not in SEAMS and not name.startswith("_"):
                found[name if name not in found else f"{module.__name__.split('.')[1]} {name}"] = value
    return found


CONFIGURATIONS = configurations()


def kinds(hint: Any) -> set[Any]:
    """The plain types that a field may have."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return {option for option in options if option in WRONG}


def test_configurations_are_found() -> None:
    assert {"StreamConfig", "PretrainConfig", "Recipe", "Machine", "ProbeConfig", "NoiseConfig"} <= set(CONFIGURATIONS)
    assert len(CONFIGURATIONS) > 40


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_field_refuses_what_it_is_not(name: str) -> None:
    config, needed = CONFIGURATIONS[name], NEEDED.get(name, {})
    assert config.__dataclass_params__.frozen
    config(**needed)
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        expected, optional = kinds(hints[field.name]), type(None) in typing.get_args(hints[field.name])
        for value in (value for kind in expected for value in WRONG[kind]):
            fits = type(value) in expected - {int, float, str} and value not in WRONG[Path]
            if not fits and not (value is None and optional):
                refuses(lambda chosen: config(**{**needed, **chosen}), field.name, value)


def refuses(make: Callable[[dict[str, Any]], object], name: str, value: Any) -> None:
    """Fail unless a value of a field is a `UserError` that names it."""
    try:
        make({name: value})
    except fv.UserError as error:
        assert name in str(error).replace("-", "_"), str(error)
    else:
        pytest.fail(f"{name} takes {shown(value)}")


def test_text_where_names_are_asked_for() -> None:
    everything = fv.ClassConfig(variations="all")  # type: ignore[arg-type]  # read as --variations is
    assert len(everything.variations) == 49 and everything.linear_share == 0
    two = fv.ClassConfig(variations="julia,swirl")  # type: ignore[arg-type]
    assert (two.variations, two.linear_share) == (("julia", "swirl"), 0)
    assert fv.ClassConfig(variations="linear").linear_share == 1  # type: ignore[arg-type]
    assert fv.ClassConfig(variations="paper") == fv.ClassConfig()  # type: ignore[arg-type]
    assert dataclasses.replace(everything, radius=20.0).linear_share == 0
    with pytest.raises(fv.UserError, match="did you mean julia"):
        fv.ClassConfig(variations="julai")  # type: ignore[arg-type]
    with pytest.raises(fv.UserError, match="says linear_share itself"):
        fv.ClassConfig(variations="all", linear_share=0.1)  # type: ignore[arg-type]
    with pytest.raises(fv.UserError, match="monitors must be a tuple"):
        MonitorConfig(monitors="knn")  # type: ignore[arg-type]


def test_text_becomes_a_path_and_long_values_are_cut() -> None:
    @dataclasses.dataclass(frozen=True)
    class One:
        path: Path | None = None
        size: int = 1

        def __post_init__(self) -> None:
            check_fields(self)

    assert One("a/b").path == Path("a/b")  # type: ignore[arg-type]
    with pytest.raises(fv.UserError, match=r"^size must be a whole number, got \[0, 0, .{190,200}\.\.\.$"):
        One(size=[0] * 10_000)  # type: ignore[arg-type]
