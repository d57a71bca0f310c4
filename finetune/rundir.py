"""The folder of a run: what lies in it, whose it is, and whether a run may use it."""

import json
import os
from pathlib import Path
from typing import Any

from finetune.recipe import Plan
from fractalvid.errors import UserError
from fractalvid.files import write_text

CONFIG, METRICS, PREDICTIONS, CONFUSION, WEIGHTS = (
    "config.json",
    "metrics.json",
    "predictions.csv",
    "confusion.png",
    "weights.safetensors",
)


def check_folder(out: Path, plan: Plan, *, resume: bool) -> None:
    """Make sure that the run may use `out`: a new or empty folder, or with `resume` its own unfinished run.

    Raises:
        UserError: the folder holds a finished run, another run or something else, or cannot be made.
    """
    if (out / METRICS).exists():
        raise UserError(f"{out} holds a finished run; choose another --out, or remove it")
    if (out / CONFIG).exists():
        if not resume:
            raise UserError(f"{out} holds an unfinished run; --resume continues it, or choose another --out")
        differing = differences(out, plan)
        if differing:
            raise UserError(f"{out} was begun with other settings ({'; '.join(differing[:3])}); choose another --out")
        return
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise UserError(f"--out {out} cannot be made: {there} is a file; choose a folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"--out {out} cannot be made: {there} is not writable; choose another folder")
    if there == out and any(out.iterdir()):
        raise UserError(f"--out {out} is not empty and holds no fine-tuning run; choose another folder")


def claim_folder(out: Path, plan: Plan) -> None:
    """Make `out` the run's folder: write `config.json`. Raises `UserError` where that cannot be done."""
    if (out / CONFIG).exists():
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {out}: {error.strerror}; choose another --out") from error
    write_text(out / CONFIG, json.dumps(plan.to_dict(), indent=2) + "\n")


def differences(out: Path, plan: Plan) -> list[str]:
    """How the settings of the run in `out` differ from `plan`: "epochs: 30, not 20" and so on."""
    try:
        old = json.loads((out / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{out / CONFIG} cannot be read: {error}") from error
    if not isinstance(old, dict):
        raise UserError(f"{out / CONFIG} is not the configuration of a fine-tuning run")
    new = json.loads(json.dumps(plan.to_dict()))
    flat_old, flat_new = _flat(old), _flat(new)
    # What a run is called or where its weights lie does not change it: their content does.
    ignored = {"init.label", "init.path"}
    return [
        f"{name.replace('.', ' ')}: {flat_old.get(name)}, not {flat_new.get(name)}"
        for name in sorted(flat_new.keys() | flat_old.keys())
        if name not in ignored and flat_old.get(name) != flat_new.get(name)
    ]


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
