"""Every command of finetune that the README, the docs and the recipes show is one that the program understands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import (
    bias,
    compare,
    explain,
    finetune,
    generalise,
    predict,
    prepare,
    probe,
    published,
    shortcuts,
    study,
    sweep,
    test,
)
from fractalvid.finetune.cli.commands import COMMANDS, run_command
from fractalvid.finetune.generalise.config import RECIPES as STUDIES
from fractalvid.finetune.recipes.recipe import RECIPES
from fractalvid.finetune.study.design import PRESETS
from fractalvid.finetune.sweep.grid import GRIDS
from fractalvid.finetune.targets.registry import TARGETS
from fractalvid.pretrain.recipes.load import recipe_names
from fractalvid.utils.errors import UserError

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLES = (RECIPES, STUDIES, GRIDS, PRESETS)
PLACES = [*PAGES, *sorted(path for folder in TABLES for path in folder.glob("*.toml"))]


@dataclass
class Read:
    """What a command line was read as, instead of running it."""

    options: list[Any] = field(default_factory=list)

    def __call__(self, options: Any, *_: Any) -> None:
        self.options.append(options)
        for part in (options, getattr(options, "recipe", None), getattr(options, "machine", None)):
            check = getattr(part, "check", None)
            if check is not None:
                check()


def commands(path: Path) -> Iterator[list[str]]:
    """The words of each call of finetune in a file: lines of its code blocks, or what a recipe gives as its command."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    if path.suffix == ".toml":
        lines = re.findall(r"^# command: +(.*)$", text, re.M)
    else:
        blocks = [*re.findall(r"```\w*\n(.*?)```", text, re.S), *re.findall(r"^ {4}(.*)$", text, re.M)]
        lines = [line for block in blocks for line in block.splitlines()]
    for line in lines:
        for call in line.split("&&"):
            words = shlex.split(call.split(" #")[0])
            if words[:1] == ["finetune"]:
                yield words[1:]


def every() -> list[tuple[str, list[str]]]:
    return [(path.name, words) for path in PLACES for words in commands(path)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    taken = Read()
    for module, name in (
        (finetune, "run"),
        (compare, "run"),
        (compare, "gather"),
        (predict, "run"),
        (prepare, "run"),
        (probe, "run"),
        (explain, "run"),
        (shortcuts, "run"),
        (bias, "measure"),
        (bias, "compare"),
        (bias, "overlap"),
        (published, "run"),
        (sweep, "run"),
        (study, "run"),
        (generalise, "run"),
        (test, "run"),
    ):
        monkeypatch.setattr(module, name, taken)
    return taken


@pytest.mark.parametrize(("page", "words"), every(), ids=lambda value: value if isinstance(value, str) else "")
def test_commands_that_are_shown_are_understood(page: str, words: list[str], read: Read) -> None:
    run_command(words)
    assert len(read.options) == 1


def test_every_recipe_says_its_command() -> None:
    shown = {name for name, words in every() if "--recipe" in words}
    assert {path.name for folder in (RECIPES, STUDIES) for path in folder.glob("*.toml")} <= shown


def test_all_targets_and_recipes_are_shown() -> None:
    text = (ROOT / "docs" / "transfer.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.M)
    shown = {name for row in rows for name in re.findall(r"`(\w[\w+-]*)`", row)}
    assert shown == {*TARGETS, *recipe_names(RECIPES)}


def test_all_subcommands_are_shown_with_their_options() -> None:
    words = [words[0] for name, words in every() if name == "transfer.md"]
    assert set(COMMANDS) <= set(words)


@pytest.mark.parametrize(
    "line", ["--target hmdb51 --epoch 3", "compare --target hmdb51 --outt x", "predict --weight w v"]
)
def test_what_is_not_understood_would_be_found(line: str, read: Read) -> None:
    with pytest.raises(UserError):
        run_command(line.split())
    assert read.options == []
