"""Small changes of an input: bytes, pieces, numbers in text, lengths in binary headers. All chance is an argument."""

import random
import re
from collections.abc import Callable, Sequence

NUMBERS = (b"0", b"-1", b"1e308", b"NaN", b"Infinity", b"2147483648", b"9223372036854775808", b"9" * 30, b"9" * 5000)
WORDS = (
    *(b"null", b"true", b"[]", b"{}", b'""', b'"' + b"x" * 300 + b'"', b"[" * 200, b'{"a":' * 40, b"../../x", b"/x"),
    *(b"\0", b"\xff\xfe", b"\n", b"\r\n", b",", b'"', b"\xed\xa0\x80", b"x" * 5000, "\u0661".encode()),
)
"""What documents are not expected to hold."""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_VALUE = re.compile(rb'"[^"]*"|-?\d+(?:\.\d+)?|[A-Za-z_][\w.]*')
_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_PIECES = (1, 2, 4, 16, 64, 1024)
MOST = 2**17
"""Bytes of a changed input."""

Mutation = Callable[[bytearray, random.Random], None]


def mutated(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds, changed one to five times; sometimes spliced with another, or nothing but noise."""
    data = bytearray(chance.choice(seeds))
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    if chance.random() < 0.05:
        other = chance.choice(seeds)
        data = data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        chance.choice(_MUTATIONS)(data, chance)
    return bytes(data[:MOST])


def _place(data: bytearray, chance: random.Random) -> int:
    """Anywhere, headers more often than what follows them."""
    return chance.randrange(min(len(data), chance.choice((64, 512, 2**30))) + 1)


def _bytes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 8))):
        at = _place(data, chance)
        data[at : at + 1] = bytes([chance.choice((0, 255, chance.randrange(256)))])


def _flip(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    if at < len(data):
        data[at] ^= 1 << chance.randrange(8)


def _integer(data: bytearray, chance: random.Random) -> None:
    """A length, a size or an offset as binary headers have them."""
    width, at = chance.choice((2, 4, 8)), _place(data, chance)
    value = chance.choice(_INTEGERS) % 2 ** (8 * width)
    data[at : at + width] = value.to_bytes(width, chance.choice(("little", "big")))


def _number(data: bytearray, chance: random.Random) -> None:
    """A number of a text."""
    found = list(_NUMBER.finditer(data))
    if found:
        match = chance.choice(found)
        data[match.start() : match.end()] = chance.choice(NUMBERS)


def _value(data: bytearray, chance: random.Random) -> None:
    """A number, a word or a string of a text, by anything."""
    found = list(_VALUE.finditer(data[:20_000]))
    if found:
        match = chance.choice(found)
        data[match.start() : match.end()] = chance.choice(WORDS + NUMBERS)


def _insert(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = chance.choice(WORDS)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[_place(data, chance) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice(_PIECES)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = bytes(data[at : at + chance.choice(_PIECES)]) * chance.choice((1, 2, 30))


def _zero(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    end = min(len(data), at + chance.choice(_PIECES))
    data[at:end] = bytes(end - at)


_MUTATIONS: tuple[Mutation, ...] = (
    *(_bytes, _flip, _integer, _number, _number, _value, _value, _insert, _cut, _remove, _repeat, _zero),
)
