"""Command lines read by tyro, with errors of one line."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from fractalvid import __version__
from fractalvid.cli.short_help import Groups, short_help
from fractalvid.core.colour import ColourConfig, colour_config
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.presets import PRESETS, preset
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest

T = TypeVar("T")

_ALIKE = 0.7
"""Likeness (0 to 1) of a mistyped option to the one that is suggested for it."""
_NARROWEST = 40
"""Columns of the screen that help is set for at least: of few enough that its boxes have no room, tyro never ends."""


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


def _read_emulation(arguments: list[str]) -> EmulationConfig | None:
    """`none`, or a preset as `emulate.presets.preset` takes it."""
    try:
        chosen = preset(arguments[0])
    except UserError as error:
        raise ValueError(str(error)) from None
    return None if chosen == PRESETS["none"] else chosen


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
        metavar="none|light|paper|full|scene[,SETTINGS]",
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


def parse(
    kind: type[T], args: Sequence[str], *, program: str, default: T, description: str, main: Groups | None = None
) -> T:
    """An instance of the dataclass `kind` from the command line; `--help` and `--version` print and exit.

    Args:
        kind: a dataclass, whose fields are the options.
        args: the words behind the program's name.
        program: that name.
        default: what holds where nothing is given.
        description: what the command does.
        main: the options that `--help` shows, in groups; `--help-all` shows all, and without `main` both do.

    Raises:
        UserError: arguments that `kind` doesn't take.
    """

    def refuse(event: Any) -> None:
        message = _message(event)
        if message is None:
            return
        meant = _meant(event.tokens, _option_names(kind, default)) if hasattr(event, "tokens") else None
        hint = f"did you mean {meant}? " if meant else ""
        raise UserError(f"{message}; {hint}see {program} --help")

    if _asked.get():
        raise _Asked(kind, default)
    if "--version" in args:
        print(f"{program.split()[0]} {__version__}")
        raise SystemExit(0)
    actions = _actions(kind, default) if main and ("-h" in args or "--help" in args) else []
    if main and actions:
        print(short_help(actions, main, program=program, description=description))
        raise SystemExit(0)
    words = ["--help" if word == "--help-all" else word for word in args]
    with _on_parse_error(refuse), _wide_enough():
        return tyro.cli(kind, args=words, prog=program, default=default, description=description, registry=REGISTRY)


@contextmanager
def _wide_enough() -> Iterator[None]:
    """Within, the screen counts as `_NARROWEST` columns wide where it is narrower."""
    if shutil.get_terminal_size().columns >= _NARROWEST:
        yield
        return
    said = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(_NARROWEST)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if said is not None:
            os.environ["COLUMNS"] = said


class _Asked(BaseException):
    """Ends a command that was called for its options alone."""


_asked = ContextVar("asked", default=False)


def options_of(command: Callable[[list[str]], object]) -> tuple[Any, Any]:
    """The dataclass of a command's options, and its defaults; the command is called, and ends where it parses."""
    token = _asked.set(True)
    try:
        command([])
    except _Asked as asked:
        return asked.args
    finally:
        _asked.reset(token)
    raise TypeError(f"{command} parses nothing")


def _on_parse_error(hook: Callable[[Any], None]) -> AbstractContextManager[None]:
    """Have tyro call `hook` with an event before it prints an error and exits with code 2.

    tyro (1.0.14 and newer) keeps this interface private. A version without it prints its own box, with the same exit
    code.
    """
    register = getattr(getattr(tyro, "_errors", None), "on_parse_error", None)
    return nullcontext() if register is None else register(hook)


def _message(event: Any) -> str | None:
    """What tyro found wrong, as one line; None for an event that is not known here, which tyro then prints itself."""
    match type(event).__name__, event:
        case "UnrecognizedArgs", object(tokens=tokens):
            return f"Unrecognized options: {', '.join(tokens)}"
        case "InvalidChoice", object(argument=argument, value=value, choices=choices):
            return f"invalid choice {value!r} for argument '{argument.display_name()}'. Expected one of {choices}"
        case "BadValue", object(argument=argument, reason="too_few_values"):
            return f"Missing value for argument '{argument.display_name()}'. Expected {argument.lowered.nargs} values"
        case "InstantiationFailure", object(argument=argument, message=message):
            reason = next(iter(str(message).splitlines()), "").rstrip(".")
            return reason if argument is None else f"Error parsing {argument.display_name()}: {reason}"
        case "MissingArgs", object(prog=prog, missing_arguments=missing):
            return f"Missing from {prog}: {', '.join(_explained(one.arg) for one in missing)}"
    return None


def _explained(argument: Any) -> str:
    """As `--out PATH (Folder for the weights)`, without the option's name where an argument is positional."""
    names = [] if argument.is_positional() else [argument.display_name()]
    text = argument.field.helptext  # tyro reads docstrings when they are asked for
    about = " ".join(((text() if callable(text) else text) or "").split()).rstrip(".")
    return " ".join([*names, str(argument.lowered.metavar), *([f"({about})"] if about else [])])


def _option_names(kind: type[T], default: T) -> list[str]:
    """All options of a command, in every spelling."""
    return [name for action in _actions(kind, default) for name in action.option_strings]


def _actions(kind: type[T], default: T) -> list[Any]:
    """All options and arguments of a command, as `argparse` has them; none where tyro does not tell."""
    with warnings.catch_warnings():
        # Deprecated, but the only public way to ask tyro for its options.
        warnings.simplefilter("ignore")
        get_parser = getattr(tyro.extras, "get_parser", None)
        return [] if get_parser is None else list(get_parser(kind, default=default, registry=REGISTRY)._actions)


def _meant(tokens: Iterable[str], names: Sequence[str]) -> str | None:
    """The option that somebody most likely meant by the first unknown one; None where none is like it."""
    given = next((token.partition("=")[0] for token in tokens if token.startswith("--")), "")
    if len(given) < 4:
        return None
    wanted = given[2:].replace("_", "-")
    bare = {name.lstrip("-"): name for name in names if name.startswith("--")}
    containing = [name for name in bare if all(part in name for part in wanted.split("."))]
    name_meant = nearest(wanted, containing) or nearest(wanted, bare, at_least=_ALIKE)
    return None if name_meant is None else bare[name_meant]
