"""Durations as people write them: 90s, 20m, 2h, 1h30m, 1.5d."""

import re

_HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0}


def parse_hours(text: str) -> float:
    """Hours from `2h`, `20m`, `90s`, `1.5d`, `1h30m` or a plain number of hours.

    Raises:
        ValueError: the text is no such thing.
    """
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?|\.\d+", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?|\.\d+)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no time: write 20m, 2h, 1h30m or a number of hours")
    return sum(float(number) * _HOURS[unit] for number, unit in parts)
