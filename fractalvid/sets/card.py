"""A set's card, dataset.json: what is needed to make the set again, and to know whether it would be the same."""

import dataclasses
import json
import shlex
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fractalvid.core.bank import Bank, array_names, check_draw
from fractalvid.core.fingerprint import fingerprint
from fractalvid.sets.addresses.place import place_of
from fractalvid.sets.config import SetConfig
from fractalvid.sets.formats import digest
from fractalvid.sets.part import PARTS_FOLDER, WHOLE, Part
from fractalvid.utils.documents import Count, Seed, Table, convert, convert_config, parse_json, read_bytes
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text
from fractalvid.video.encoding.codecs import encoder_options

CARD_FILE = "dataset.json"
"""What the card is called in a set's folder."""
FORMAT = "fractalvid-set-2"
_PARTS = ("set_config", "class_config", "fingerprint")


@dataclass(frozen=True)
class _Card:
    """What a card must hold."""

    format: str
    kind: str
    seed: Seed
    classes: Count
    bank_digest: str
    class_config: Table
    set_config: Table
    fingerprint: Table
    part: str = str(WHOLE)


def card_of(bank: Bank, config: SetConfig, part: Part = WHOLE) -> dict[str, Any]:
    """The card of the set, or of the part of one, that `generate` makes of these on this machine."""
    card: dict[str, Any] = {"format": FORMAT, "fingerprint": made_on(config), "kind": bank.kind, "seed": bank.seed}
    card |= {"classes": len(bank), "bank_digest": bank_digest(bank)}
    card |= {"class_config": dataclasses.asdict(bank.config), "set_config": dataclasses.asdict(config)}
    if not part.whole:
        card["part"] = str(part)
    return parse_json(json.dumps(card), Table, where=CARD_FILE)


def made_on(config: SetConfig) -> dict[str, str]:
    """What decides the bytes of a set, beside its bank and configuration: this machine, its libraries, the encoder."""
    found = fingerprint() | {name: version(name) for name in config.libraries}
    if config.file_format.video:
        options = encoder_options(config.codec, config.crf, config.preset, config.size, config.frames)
        found["encoder"] = " ".join([config.codec, *(f"{k}={v}" for k, v in options.items())])
    return found


def bank_digest(bank: Bank) -> str:
    """Digest of all arrays of a bank: banks of other classes have another."""
    arrays = (np.ascontiguousarray(getattr(bank, name)) for name in array_names(bank))
    return digest(b"".join(array.tobytes() for array in arrays))


def write_card(out: Path, card: dict[str, Any]) -> None:
    """Write the card of the set in `out`, whole or not at all."""
    write_text(out / CARD_FILE, json.dumps(card, indent=2) + "\n")


def read_card(out: Path, name: str | None = None) -> dict[str, Any]:
    """The card of the set in `out`, which is called `name` in errors: its address, where `out` holds a copy.

    Raises:
        UserError: there is none, it is damaged or lacks something, or it is of another version.
    """
    name = str(out) if name is None else name
    path = f"{name.rstrip('/')}/{CARD_FILE}"
    if out.exists() and not out.is_dir():
        raise UserError(f"{name} is no folder: name the folder of a generated set")
    if not (out / CARD_FILE).exists():
        merge = f"fractalvid merge {shlex.quote(name)} puts its parts together"
        advice = merge if place_of(name).names(PARTS_FOLDER) else "fractalvid generate makes one"
        raise UserError(f"{name} is no generated set: it has no {CARD_FILE} ({advice})")
    content = parse_json(read_bytes(out / CARD_FILE, what="the card"), Table, where=f"the card {path}")
    if content.get("format") != FORMAT:
        raise UserError(f"{path} was written by another version ({str(content.get('format'))[:40]}; here {FORMAT})")
    card = convert(content, _Card, where=f"the card {path}")
    try:
        check_draw(card.classes, card.seed)
    except UserError as error:
        raise UserError(f"{path} is damaged ({error})") from None
    config_of(content, name)
    part_of(content)
    return content


def check_outside_sets(out: Path) -> None:
    """Refuse a folder for something else in that of a set, or below it, where all that is no part of it is a stray.

    Raises:
        UserError: with the set's folder.
    """
    resolved = out.resolve()
    for folder in (resolved, *resolved.parents):
        if _is_set(folder):
            raise UserError(f"{out} is in the generated set {folder}, which holds clips alone: choose another --out")


def _is_set(folder: Path) -> bool:
    """Whether there is a card; others call files of theirs dataset.json, too."""
    try:
        return (folder / CARD_FILE).is_file() and bool(read_card(folder))
    except (UserError, OSError):
        return False


def part_of(card: dict[str, Any]) -> Part:
    """Which part of a set a card is of."""
    return Part.parse(card.get("part", str(WHOLE)))


def config_of(card: dict[str, Any], name: str | Path) -> SetConfig:
    """The config that the card of the set called `name` holds.

    Raises:
        UserError: it lacks values, or holds some that are none.
    """
    where = f"the card {str(name).rstrip('/')}/{CARD_FILE}, set_config"
    # Values that are left out would be taken for the defaults, which they need not have been.
    return convert_config(card["set_config"], SetConfig, where=where, complete=True)


def check_continues(before: dict[str, Any], wanted: dict[str, Any], out: str | Path) -> None:
    """Refuse to go on with a set as another one.

    Its clips a class may grow, and its classes where they do not share shards. All else must be as it was, or the
    parts of the set would not be of one kind.

    Args:
        before: the card of the set that is there.
        wanted: the card of the set that is asked for.
        out: the set's folder or address.

    Raises:
        UserError: what differs. Of more classes than there were, it is not known here whether the first are the same.
    """
    if before["kind"] != wanted["kind"]:
        raise UserError(f"{out} holds clips of {before['kind']}, not {wanted['kind']}: choose another --out")
    for part in _PARTS:
        for name, value in wanted[part].items():
            old = before[part].get(name)
            if (part, name) == ("set_config", "clips"):
                if old > value:
                    raise UserError(f"{out} was made with {old} clips a class, more than {value}: ask for as many")
            elif old != value:
                raise UserError(f"{out} was made with {name} = {old}, not {value}: use that, or choose another --out")
    if before["seed"] != wanted["seed"] or before["classes"] > wanted["classes"]:
        raise UserError(
            f"{out} was made with seed {before['seed']} and {before['classes']} classes, not seed {wanted['seed']} and "
            f"{wanted['classes']}: use those, or choose another --out"
        )
    if before["classes"] == wanted["classes"] and before["bank_digest"] != wanted["bank_digest"]:
        raise other_bank(out)
    if before["classes"] != wanted["classes"] and wanted["set_config"]["format"] == "webdataset":
        raise UserError(
            f"{out} was made with {before['classes']} classes, not {wanted['classes']}: shards mix the classes, so "
            "only clips may grow; choose another --out"
        )


def other_bank(out: str | Path) -> UserError:
    """What to say of a set whose clips would not be of its classes any more."""
    return UserError(f"{out} was made from another bank: choose another --out")
