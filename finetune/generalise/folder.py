"""The folder of a run: its settings while it is unfinished, its result when it is done."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.finetune.results.folder import CONFIG, read_settings, write_config
from fractalvid.pretrain.engine import CHECKPOINT
from fractalvid.pretrain.recipes import differences
from fractalvid.utils.documents import Table, parse_json, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, remove_temporaries, write_text

RESULT = "generalise.json"
"""Its presence says that a run is finished."""


@dataclass(frozen=True)
class Accuracies:
    """In percent, of `videos` clips."""

    videos: int
    top1: float
    top5: float
    mean_class: float


@dataclass(frozen=True)
class Finished:
    """What of a finished run's result tables are made from."""

    method: str
    seed: int
    study: str | None
    settings: str
    target_scores: Accuracies
    source_scores: Accuracies | None = None


def check_out(out: Path, *, resume: bool) -> None:
    """Raise `UserError` unless the folder can be a run's: new, empty or, with `resume`, holding an unfinished run."""
    check_can_make(out)
    if (out / RESULT).exists():
        raise UserError(f"{out} holds a finished run; choose another --out, or remove it")
    if (out / CONFIG).exists():
        if not resume:
            raise UserError(f"{out} holds an unfinished run; --resume continues it, or choose another --out")
    elif out.is_dir() and not is_empty(out):
        raise UserError(f"--out {out} is not empty and holds no run of finetune generalise; choose another folder")


def claim(out: Path, settings: dict[str, Any]) -> None:
    """Make the folder the run's, or make sure that it is. Raises `UserError` where it was begun with others."""
    if not (out / CONFIG).exists():
        write_config(out, settings)
        return
    remove_temporaries(out)
    new = parse_json(json.dumps(settings), Table, where="the settings")
    old = read_settings(out)
    changed = differences(old, new)
    if changed:
        raise UserError(f"{out} was begun with other settings ({', '.join(changed[:3])}); choose another --out")


def finish(out: Path, result: dict[str, Any]) -> None:
    """Write the result, and remove what a finished run no longer needs."""
    write_text(out / RESULT, json.dumps(result, indent=2) + "\n")
    (out / CHECKPOINT).unlink(missing_ok=True)


def read_finished(out: Path) -> Finished:
    """A finished run's result; raises `UserError` where it can't be read."""
    return read_json(out / RESULT, Finished, what="the result")


def siblings(out: Path) -> tuple[list[Finished], int]:
    """Finished runs in the folders beside `out`, itself included, that differ from it in method and seed alone.

    Returns:
        These, and how many others lie there: of other data, weights to start from, or settings.
    """
    own = read_finished(out)
    alike, others = [], 0
    for path in sorted(out.resolve().parent.glob(f"*/{RESULT}")):
        try:
            other = read_finished(path.parent)
        except UserError:  # not ours to complain about
            continue
        if other.settings == own.settings:
            alike.append(other)
        else:
            others += 1
    return alike, others
