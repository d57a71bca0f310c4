import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from fractalvid.core.colour import ColourConfig
from fractalvid.pretrain.optim.budget import Hours
from fractalvid.pretrain.recipes.fields import convert, differences, override, to_json
from fractalvid.pretrain.recipes.load import find_recipe, headline, load_recipe, recipe_names
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.utils.documents import Table, read_toml
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Clip:
    clip_len: int = 8
    size: int | tuple[int, int] = 64
    crop: tuple[float, float] = (0.5, 1.0)
    mean: tuple[float, ...] | None = None
    colour: ColourConfig | None = None


@dataclass(frozen=True)
class Loop:
    hours: Hours = None
    precision: Literal["fp32", "bf16"] = "fp32"
    lr: float = 0.1


@dataclass(frozen=True)
class Config:
    bank: Path | None = None
    fast: bool = False
    clip: Clip = field(default_factory=Clip)
    loop: Loop = field(default_factory=Loop)


def recipe(folder: Path, text: str) -> Config:
    (folder / "mine.toml").write_text(text)
    return load_recipe("mine", Config(), folder)


def test_a_recipe_changes_fields_and_only_those(tmp_path: Path) -> None:
    text = 'bank = "a/b.npz"\nfast = true\n[clip]\nclip_len = 16\nsize = [48, 64]\nmean = [0, 0.5]\n'
    changed = recipe(tmp_path, text + '[loop]\nhours = "20m"\nprecision = "bf16"\nlr = 1\n')
    assert changed == Config(
        bank=Path("a/b.npz"),
        fast=True,
        clip=Clip(clip_len=16, size=(48, 64), mean=(0.0, 0.5)),
        loop=Loop(hours=1 / 3, precision="bf16", lr=1.0),
    )
    assert isinstance(changed.loop.lr, float)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[clip]\nclip_length = 3", r"clip\.clip_length is no setting; did you mean clip\.clip_len\?"),
        ("clip_len = 3", r"clip_len is no setting; did you mean clip\.clip_len\?"),
        ("[lop]\nlr = 3", r"lop is no setting; did you mean loop\?"),
        ("[loop]\nhuors = 3", r"did you mean loop\.hours\?"),
        ('[clip]\nclip_len = "8"', r"clip\.clip_len can't be '8': it must be a whole number$"),
        ("[clip]\nclip_len = 8.5", r"clip\.clip_len can't be 8\.5"),
        ("[clip]\nclip_len = true", r"clip\.clip_len can't be True"),
        ("[clip]\ncrop = [0.5]", "needs 2 values"),
        ('[loop]\nhours = "soon"', "is no time"),
        ('[loop]\nprecision = "fp8"', "it can be fp32, bf16"),
        ("clip = 3", r"clip can't be 3: it must be a table \[clip\]$"),
        ("bank = 3", "bank can't be 3: it must be a path in quotes$"),
        ("fast = 1", "fast can't be 1: it must be true or false$"),
        ("loop = 3", r"it must be a table \[loop\]$"),
        ('[loop]\nlr = "high"', "it must be a number$"),
        ("[loop]\nhours = true", "it must be a number$"),
        ('[clip]\nsize = "64"', "it must be a whole number or a list$"),
        ("[clip]\nmean = 0.5", "it must be a list$"),
        ("[clip]\ncolour = 3", r"it must be a table \[clip\.colour\]$"),
        ('[clip]\ncolour = "pink"', "clip\\.colour can't be 'pink': it is grey, structural"),
        ('[clip]\ncolour = "structural,gama=2"', "structural,gamma=2"),
        ('[clip]\ncolour = "structural,gamma=much"', "colour can't be"),
        ('[clip]\ncolour = "structural,drift=9"', "drift must be a number, 0 to 4"),
        ("[clip.colour]\ngama = 2", r"clip\.colour\.gama is no setting; did you mean clip\.colour\.gamma\?"),
        ("[clip.colour]\ngamma = 99", "gamma must be"),
        ("fast =", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        recipe(tmp_path, text)


def test_unknown_recipes_name_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean small_cpu"):
        find_recipe("smallcpu")
    with pytest.raises(UserError, match="no recipe file"):
        find_recipe("nowhere/x.toml")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not valid TOML"):
        read_toml(tmp_path / "x.toml", Table, what="the recipe")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf# of an editor\nfast = true\n")
    assert load_recipe(str(tmp_path / "mine.toml"), Config()).fast


def test_a_table_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("engine = 3\n")
    with pytest.raises(UserError, match=r"engine can't be 3: it must be a table \[engine\]$"):
        load_recipe(str(tmp_path / "mine.toml"), PretrainConfig())


def test_a_configuration_survives_json() -> None:
    config = Config(bank=Path("x"), clip=Clip(size=(3, 4), mean=(0.1,)), loop=Loop(hours=0.5))
    assert override(Config(), to_json(config), where="config.json") == config


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ('colour = "grey"', None),
        ('colour = "structural"', ColourConfig()),
        ('colour = "structural,gamma=2,vibrancy=0.5,drift=1"', ColourConfig(gamma=2, vibrancy=0.5, drift=1)),
        ("colour = { drift = 1 }", ColourConfig(drift=1)),
    ],
)
def test_colour_in_a_recipe_and_in_json(tmp_path: Path, text: str, colour: ColourConfig | None) -> None:
    config = recipe(tmp_path, f"[clip]\n{text}\n")
    assert config.clip.colour == colour
    for base in (Config(), Config(clip=Clip(colour=ColourConfig(drift=0.1)))):
        assert override(base, to_json(config), where="config.json") == config


def test_differences_are_named() -> None:
    old = to_json(Config())
    new = to_json(Config(fast=True, clip=Clip(mean=(1.0,))))
    assert differences(old, old) == []
    assert differences(old, new) == ["fast", "clip.mean"]
    assert differences({"a": None}, {}) == ["a"]


@pytest.mark.parametrize(("value", "hint"), [(1, str), ("x", int), (None, int), ([1, "x"], tuple[int, ...])])
def test_values_of_the_wrong_kind(value: Any, hint: Any) -> None:
    with pytest.raises(ValueError):
        convert(value, hint)


def test_the_recipes_that_come_along_say_what_they_are() -> None:
    assert set(recipe_names()) >= {"small_cpu", "r3d_18"}
    for name in recipe_names():
        text = find_recipe(name).read_text()
        for part in ("# source:", "# hardware:", "# result:", f"# command:   pretrain --recipe {name}"):
            assert part in text, (name, part)
        assert headline(name)


def test_recipes_train_by_the_same_amount_on_every_machine() -> None:
    for name in recipe_names():
        engine = load_recipe(name, PretrainConfig()).engine
        assert engine.hours is None and (engine.steps or engine.epochs), name


def test_configurations_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().fast = True  # type: ignore[misc]  # the point of the test
