"""The folder of a run: made, recognised and protected."""

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.pretrain.recipes.fields import differences
from fractalvid.utils.documents import Table, convert, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder, remove_temporaries, write_text

CONFIG, CHECKPOINT = "config.json", "checkpoint.pt"


@dataclass(frozen=True)
class _Config:
    """What the file holds: whose run it is, and its resolved configuration."""

    program: str
    config: Table


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but what writes that were killed left: hidden files, `.<name>.tmp`."""
    return all(path.name.startswith(".") and path.suffix == ".tmp" for path in folder.iterdir())


def check_can_make(out: Path) -> None:
    """Find out, before long work, whether the folder `out` is there to write to, or can be made; changes nothing.

    Raises:
        UserError: a file is in the way, or nothing can be written there.
    """
    there = out
    try:
        there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise UserError(f"can't make the folder {out}: {there} is a file; choose another with --out")
        # Permission bits alone say nothing to root, nor on file systems like /proc.
        with tempfile.NamedTemporaryFile(dir=there, prefix=".", suffix=".tmp"):
            pass
    except OSError as error:
        raise UserError(
            f"can't make the folder {out}: can't write to {there} ({error.strerror}); choose another with --out"
        ) from error


def check_free(out: Path) -> None:
    """Raise a `UserError` where the folder `out` holds a run, or anything else."""
    if (out / CONFIG).exists():
        raise UserError(f"{out} holds a run already; go on with it (--resume) or choose another --out")
    if out.is_dir() and not is_empty(out):
        raise UserError(f"{out} holds something else; choose a new or empty folder for --out")


def prepare_run(
    out: Path,
    *,
    program: str,
    config: dict[str, Any],
    resume: bool,
    free: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Make `out` the folder of a run, with its `config.json`; or make sure that it is that run already.

    Args:
        out: the folder; new, empty, or with `resume` that of the same run.
        program: whose run it is.
        config: the resolved configuration, as JSON has it.
        resume: go on with the run that is there.
        free: dotted names of fields that may change when a run goes on.
        defaults: what fields mean that an older version of the program didn't write yet.

    Raises:
        UserError: the folder holds another run or something else, can't be written to, or the configuration
            changed (the fields are named).
    """
    if resume:
        kept = _filled(read_config(out, program), defaults or {})
        changed = [name for name in differences(kept, config) if name not in free]
        if changed:
            raise UserError(
                f"{out} was started with other settings: {', '.join(changed)} differ; resume it with its own "
                "(--resume and --out alone will do), or choose another --out"
            )
        remove_temporaries(out)
        return
    make_folder(out)
    check_free(out)
    remove_temporaries(out)
    write_text(out / CONFIG, json.dumps({"program": program, "config": config}, indent=2) + "\n")


def _filled(kept: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`kept`, and of `defaults` what it lacks, in nested tables too."""
    both = [k for k in kept if isinstance(kept[k], Mapping) and isinstance(defaults.get(k), Mapping)]
    return {**defaults, **kept, **{k: _filled(kept[k], defaults[k]) for k in both}}


def discard_run(out: Path) -> None:
    """Undo `prepare_run` for a run that could not begin, so that the same command can be given again."""
    (out / CONFIG).unlink(missing_ok=True)


def read_config(out: Path, program: str) -> dict[str, Any]:
    """The configuration of the run in `out`, as JSON has it.

    Raises:
        UserError: there is no run of `program`.
    """
    path = out / CONFIG
    if not path.is_file():
        raise UserError(f"there is no run in {out} to resume (no {CONFIG}); leave out --resume to start one")
    content = read_json(path, Table, what="the configuration")
    if content.get("program") != program:
        raise UserError(f"{out} holds no run of {program}")
    return convert(content, _Config, where=f"the configuration {path}").config
