"""Command lines read by tyro, with errors of one line."""

import contextlib
import difflib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from fractalvid.core.colour import ColourConfig, colour_config
from fractalvid.emulate.config import PRESETS, EmulationConfig
from fractalvid.utils.errors import UserError

T = TypeVar("T")


def _read_colour(arguments: list[str]) -> ColourConfig | None:
    """`grey`, `structural`, or `structural,gamma=2,drift=1`."""
    choice, *settings = arguments[0].split(",")
    if choice == "grey" and not settings:
        return None
    pairs = [setting.partition("=") for setting in settings]
    if choice != "structural" or any(name not in ("gamma", "vibrancy", "drift") for name, _, _ in pairs):
        raise ValueError("it is grey, structural, or structural with settings as in structural,gamma=2,drift=0.5")
    return colour_config("structural", **{name: float(value) for name, _, value in pairs})


def _show_colour(config: ColourConfig | None) -> str:
    if config is None:
        return "grey"
    return f"structural,gamma={config.gamma:g},vibrancy={config.vibrancy:g},drift={config.drift:g}"


_CURRICULUM: dict[str, Callable[[str], float]] = {"samples": int, "share": float}


def _read_emulation(arguments: list[str]) -> EmulationConfig | None:
    """`none`, the name of a preset, or `paper,samples=60000,share=0.5`."""
    name, *settings = arguments[0].split(",")
    if name not in PRESETS:
        raise ValueError(f"it is {', '.join(PRESETS)}, or one of them with settings as in paper,samples=60000")
    if name == "none" and settings:
        raise ValueError("none has no settings; it is a preset with settings as in paper,samples=60000, or none alone")
    chosen = PRESETS[name]
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in _CURRICULUM:
            raise ValueError(f"its settings are {' and '.join(_CURRICULUM)}, as in paper,samples=60000,share=0.5")
        changed: dict[str, Any] = {key: _CURRICULUM[key](value)}
        chosen = replace(chosen, curriculum=replace(chosen.curriculum, **changed))
    return None if name == "none" else chosen


def _show_emulation(config: EmulationConfig | None) -> str:
    if config is None:
        return "none"
    curriculum = config.curriculum
    like = (name for name, row in PRESETS.items() if replace(row, curriculum=curriculum) == config)
    samples = "" if curriculum.samples is None else f",samples={curriculum.samples}"
    return next(like, "its own") + samples + ("" if curriculum.share == 1 else f",share={curriculum.share:g}")


TEXT_FORMS: dict[Any, PrimitiveConstructorSpec[Any]] = {
    ColourConfig | None: PrimitiveConstructorSpec(
        nargs=1,
        metavar="grey|structural[,SETTINGS]",
        instance_from_str=_read_colour,
        is_instance=lambda value: value is None or isinstance(value, ColourConfig),
        str_from_instance=lambda config: [_show_colour(config)],
    ),
    EmulationConfig | None: PrimitiveConstructorSpec(
        nargs=1,
        metavar="none|light|paper|full[,SETTINGS]",
        instance_from_str=_read_emulation,
        is_instance=lambda value: value is None or isinstance(value, EmulationConfig),
        str_from_instance=lambda config: [_show_emulation(config)],
    ),
}
"""Types of settings that a command line and a recipe write as one word: `structural,gamma=2`, `paper,samples=60000`."""

REGISTRY = ConstructorRegistry()
"""The same for tyro: a dataclass that has settings of these types need not know of any command line."""


@REGISTRY.primitive_rule
def _text_form(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    return TEXT_FORMS.get(info.type)


def parse(kind: type[T], args: Sequence[str], *, program: str, default: T, description: str) -> T:
    """An instance of the dataclass `kind` from the command line; `--help` prints and exits.

    Raises:
        UserError: arguments that `kind` doesn't take.
    """
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught):
            return tyro.cli(kind, args=args, prog=program, default=default, description=description, registry=REGISTRY)
    except SystemExit as end:
        if end.code in (None, 0):
            raise
        raise UserError(one_line(caught.getvalue(), program)) from None


def one_line(box: str, program: str) -> str:
    """What tyro says in a box, as one line: the first paragraph, and the option it suggests.

    Where the output is not UTF-8 the box has no sides, and its title stands above a rule.
    """
    inside = [re.sub(r"^[│|]\s?|\s*[│|]$", "", line).strip() for line in box.splitlines()]
    lines = [line for line in inside if line and line[0] not in "╭╰"]
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"─+|-{3,}", line)]
    begin = 2 if "╭" not in box and 1 in rules else 0
    ends = (i for i, line in enumerate(lines) if i >= begin and (i in rules or line.startswith("Got errors")))
    text = " ".join(lines[begin : next(ends, len(lines))])
    guess = _suggested(lines, text)
    hint = f"did you mean {guess}? " if guess else ""
    return f"{text.rstrip('.')}; {hint}see {program} --help"


def _suggested(lines: list[str], text: str) -> str | None:
    """The option that tyro suggests first, by that one of its names which is most like what `text` complains of."""
    if "Perhaps you meant:" not in lines:
        return None
    below = lines[lines.index("Perhaps you meant:") + 1 :]
    names = next((re.findall(r"--[\w.-]+", line) for line in below if line.startswith("--")), [])
    wrong = re.search(r"--[\w.-]+", text)
    return next(iter(difflib.get_close_matches(wrong[0] if wrong else "", names, n=1, cutoff=0)), None)
