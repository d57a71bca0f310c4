"""The checkpoint of a training: one file, from which a run goes on exactly where it was saved."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from fractalvid.pretrain.engine.resuming import going_on
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_with

CHECKPOINT = "checkpoint.pt"
"""Its name in the folder of a run."""
FORMAT = "fractalvid.training"
VERSION = 1


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training run: tensors and plain values only, whole or not at all.

    Raises:
        UserError: the folder can't be written to, or the disk is full; an older checkpoint is still there.
    """
    content = {"format": FORMAT, "version": VERSION, **state}

    def write(file: BinaryIO) -> None:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's own words for any failure to write
            cause = error.__context__  # what the system said, where torch has kept it
            likely = OSError(errno.ENOSPC, "most likely the disk is full")
            raise cause if isinstance(cause, OSError) else likely from error

    try:
        write_with(path, write)
    except UserError as error:
        raise UserError(f"{error}; make room, then {going_on()} from the last checkpoint, if there is one") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state `save_checkpoint` wrote, its tensors on the CPU. No code in the file is ever run.

    Raises:
        UserError: no such file, or it is truncated, foreign, of another version or not only plain values.
    """
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}")
    advice = "delete it to start this run anew, or restore it from a copy"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no common type for what a broken file does to it
        raise UserError(
            f"the checkpoint {path} can't be read: truncated, or not written by this program; {advice}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of this program; {advice}")
    if content.get("version") != VERSION:
        raise UserError(f"the checkpoint {path} has version {content.get('version')}, not {VERSION}; {advice}")
    return content
