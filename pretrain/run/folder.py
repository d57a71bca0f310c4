"""The folder of a run: recognised by its `config.json`, begun, and protected from other runs."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.core.constants import WEIGHTS_FILE
from fractalvid.pretrain.recipes import differences
from fractalvid.utils.documents import Table, convert, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import is_empty, make_folder, remove_temporaries, write_text

PROGRAM = "pretrain"
CONFIG = "config.json"
WEIGHTS = WEIGHTS_FILE


@dataclass(frozen=True)
class _Config:
    """What the file holds: whose run it is, and its resolved configuration."""

    program: str
    config: Table


def check_free(out: Path) -> None:
    """Raise a `UserError` where the folder `out` holds a run, or anything else."""
    if (out / CONFIG).exists():
        raise UserError(f"{out} holds a run already; go on with it (--resume) or choose another --out")
    if out.is_dir() and not is_empty(out):
        raise UserError(f"{out} holds something else; choose a new or empty folder for --out")


def begin_run(out: Path, config: dict[str, Any]) -> None:
    """Make `out` the folder of a new run, with its `config.json`.

    Args:
        out: the folder; new or empty.
        config: the resolved configuration, as JSON has it.

    Raises:
        UserError: the folder holds a run or something else, or can't be written to.
    """
    make_folder(out)
    check_free(out)
    remove_temporaries(out)
    write_config(out, config)


def write_config(out: Path, config: dict[str, Any]) -> None:
    """Put the configuration of the run in `out` into its folder, in place of an earlier one."""
    write_text(out / CONFIG, json.dumps({"program": PROGRAM, "config": config}, indent=2) + "\n")


def discard_run(out: Path) -> None:
    """Undo `begin_run` for a run that could not begin, so that the same command can be given again."""
    (out / CONFIG).unlink(missing_ok=True)


def resume_run(
    out: Path, config: dict[str, Any], *, free: Collection[str], defaults: Mapping[str, Any] | None = None
) -> None:
    """Make sure that the run in `out` goes on with the settings that it began with; clean up after a kill.

    Args:
        out: the folder of the run.
        config: the resolved configuration, as JSON has it.
        free: dotted names of fields that may change.
        defaults: a configuration's defaults: what fields mean that the run's version did not have yet.

    Raises:
        UserError: there is no run, or other fields differ (they are named).
    """
    began = completed(read_config(out), defaults or {})
    changed = [name for name in differences(began, config) if name not in free]
    if changed:
        raise UserError(
            f"{out} was started with other settings: {', '.join(changed)} differ; resume it with its own "
            "(--resume and --out alone will do), or choose another --out"
        )
    remove_temporaries(out)


def completed(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, with the defaults of fields that it lacks, in nested ones too."""
    whole = {**defaults, **config}
    for name, default in defaults.items():
        if isinstance(default, Mapping) and isinstance(whole[name], Mapping):
            whole[name] = completed(whole[name], default)
    return whole


def read_config(out: Path) -> dict[str, Any]:
    """The configuration of the run in `out`, as JSON has it.

    Raises:
        UserError: there is no run of `pretrain`, or its `config.json` is damaged.
    """
    path = out / CONFIG
    if not path.is_file():
        raise UserError(f"there is no run in {out} to resume (no {CONFIG}); leave out --resume to start one")
    content = read_json(path, Table, what="the configuration")
    if content.get("program") != PROGRAM:
        raise UserError(f"{out} holds no run of {PROGRAM}")
    return convert(content, _Config, where=f"the configuration {path}").config
