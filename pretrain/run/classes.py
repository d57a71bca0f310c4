"""The classes of a run: invented, read from a file or a set, and kept in its folder."""

import dataclasses
from pathlib import Path
from typing import cast

from fractalvid.core.bank import Bank, KindName, bank_difference
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank, sample_bank
from fractalvid.pretrain.run.config import DEFAULT_CLASSES, PretrainConfig
from fractalvid.pretrain.run.folder import check_free, discard_run, read_config
from fractalvid.sets import SetReader
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make
from fractalvid.utils.messages.phrases import counted


def run_bank(config: PretrainConfig, out: Path, *, resume: bool) -> Bank:
    """The classes of the run in `out`, once it is clear that the folder can be written to and is not another run's.

    Raises:
        UserError: it can't be or is; or the bank can't be read, or is not the one that the run began with.
    """
    check_can_make(out)
    if not resume:
        check_free(out)
    return _kept_bank(config, out) if resume and (out / BANK_FILE).exists() else find_bank(config)


def find_bank(config: PretrainConfig) -> Bank:
    """The bank asked for, a set's own, or one sampled from the seed.

    Raises:
        UserError: it can't be read, or is not what else is asked for.
    """
    source = config.bank if config.data is None else SetReader(config.data).path / BANK_FILE
    if source is None:
        return sample_bank(config.classes or DEFAULT_CLASSES, kind=config.kind or "ifs", seed=config.seed)
    bank = load_bank(source)
    if config.classes not in (None, len(bank)):
        has = counted(len(bank), "class", "classes")
        raise UserError(f"{source} has {has}, not {config.classes}; leave out --classes")
    if config.kind not in (None, bank.kind):
        raise UserError(f"{source} is of kind {bank.kind}, not {config.kind}; leave out --kind")
    return bank


def _kept_bank(config: PretrainConfig, out: Path) -> Bank:
    """The run's own copy of its bank, which has to be the bank that is asked for."""
    kept = load_bank(out / BANK_FILE)
    own = "a run goes on with its own classes"
    if config.classes not in (None, len(kept)):
        has = counted(len(kept), "class", "classes")
        raise UserError(f"the run in {out} has {has}, not {config.classes}; {own}: leave out --classes")
    if config.kind not in (None, kept.kind):
        raise UserError(f"the run in {out} is on {kept.kind}, not {config.kind}; {own}: leave out --kind")
    # The path the run began with may have moved or changed since: it is read only where another is given.
    if config.bank is not None and str(config.bank) != read_config(out).get("bank"):
        differing = bank_difference(kept, load_bank(config.bank))
        if differing:
            raise UserError(f"{config.bank} is not the bank of the run in {out}: {differing}; {own}: leave out --bank")
    return kept


def keep_bank(bank: Bank, out: Path, *, resume: bool) -> None:
    """Put a copy of the bank into the folder of the run; if that fails, a new run leaves nothing behind."""
    if (out / BANK_FILE).exists():
        return
    try:
        bank.save(out / BANK_FILE)
    except BaseException:
        if not resume:
            discard_run(out)
        raise


def resolved(config: PretrainConfig, bank: Bank) -> PretrainConfig:
    """The configuration with what follows from its classes, and from a set on disk, whose clips have their own colour.

    Raises:
        UserError: another colour was asked for.
    """
    config = dataclasses.replace(config, classes=len(bank), kind=cast(KindName, bank.kind))
    if config.data is None:
        return config
    own = SetReader(config.data).config.colour
    if config.stream.colour not in (None, own):
        raise UserError(f"the clips of {config.data} have a colour of their own: leave out --colour")
    return dataclasses.replace(config, stream=dataclasses.replace(config.stream, colour=own))
