"""Settings that have no effect beside others: whoever sets one is told so, instead of wondering why nothing changes."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

from fractalvid.utils.errors import UserError

C = TypeVar("C")


@dataclass(frozen=True)
class Rule(Generic[C]):
    """When some settings of a configuration have an effect, and what to say to who sets them where they have none.

    Attributes:
        names: dotted names of fields, such as `engine.val_every`.
        used: whether they have an effect.
        reason: why they have none; it goes on after "NAME is set, but".
    """

    names: tuple[str, ...]
    used: Callable[[C], bool]
    reason: str | Callable[[C], str]


def unused(
    config: C, rules: Iterable[Rule[C]], also_unset: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, str]]:
    """Dotted names of settings that have no effect and are not at their defaults, and why they have none.

    Args:
        config: a dataclass whose fields all have defaults.
        rules: when which of them has an effect.
        also_unset: by name, a value besides the default that counts as not set.
    """
    default, also_unset = type(config)(), also_unset or {}
    for rule in rules:
        for name in rule.names:
            unset = (_value(default, name), also_unset.get(name))
            if _value(config, name) not in unset and not rule.used(config):
                yield name, rule.reason if isinstance(rule.reason, str) else rule.reason(config)


def check_unused(config: C, rules: Iterable[Rule[C]], also_unset: Mapping[str, Any] | None = None) -> None:
    """Raise a `UserError` for the first setting that `unused` finds."""
    for name, reason in unused(config, rules, also_unset):
        option, default = name.rpartition(".")[2].replace("_", "-"), _value(type(config)(), name)
        shown = str(default).lower() if isinstance(default, bool) else default
        plain = default is not None and not dataclasses.is_dataclass(default)
        raise UserError(f"{option} is set, but {reason}: leave it out" + (f", or set it to {shown}" if plain else ""))


def without_unused(config: C, base: C, rules: Iterable[Rule[C]], also_unset: Mapping[str, Any] | None = None) -> C:
    """A configuration in which what has no effect is at its default, where it is only inherited from `base`."""
    for name, _ in list(unused(config, rules, also_unset)):
        if _value(config, name) == _value(base, name):
            config = _replaced(config, name.split("."), _value(type(config)(), name))
    return config


def _value(config: Any, name: str) -> Any:
    return reduce(getattr, name.split("."), config)


def _replaced(config: Any, path: list[str], value: Any) -> Any:
    inner = value if len(path) == 1 else _replaced(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: inner})
