"""Weights in folders as libraries and hubs lay them: one file of a known name, or parts that an index tells of."""

import os
from dataclasses import dataclass
from pathlib import Path

from fractalvid.core.constants import WEIGHTS_FILE
from fractalvid.pretrain.weights.cards import card_path
from fractalvid.utils.documents import read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

INDEX = ".index.json"
"""Ending of a file that says which part holds which tensor."""
NAMES = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
"""What folders are looked through for, the first that is there: safetensors before pickles, as libraries do."""
_MOST_PARTS = 1000
"""Of one network."""


@dataclass(frozen=True)
class _Index:
    """What is read of an index."""

    weight_map: dict[str, str]


def is_index(path: Path) -> bool:
    """Whether a file is called as an index is."""
    return path.name.endswith(INDEX)


def find_in_folder(folder: Path) -> Path | None:
    """The weights of others in a folder, or in the one snapshot below it; None where it is a run's, or holds none.

    Raises:
        UserError: several snapshots of a hub's cache, none of which is the one that is used.
    """
    ours = folder / WEIGHTS_FILE
    if ours.is_file():
        return None if card_path(ours).is_file() else ours
    there = (folder / name for name in NAMES)
    return next((file for file in there if file.is_file()), None) or _in_snapshot(folder)


def _in_snapshot(folder: Path) -> Path | None:
    """The weights in a hub's cache of a model, `models--OWNER--NAME/snapshots/REVISION`."""
    snapshots = sorted(path for path in (folder / "snapshots").glob("*") if path.is_dir())
    if len(snapshots) > 1:
        try:
            main = (folder / "refs" / "main").read_text("utf-8")[:100].strip()
        except (OSError, ValueError):
            main = ""
        used = [path for path in snapshots if path.name == main]
        if not used:
            raise UserError(f"{folder} holds several snapshots: give one, as {snapshots[0]}")
        snapshots = used
    return find_in_folder(snapshots[0]) if snapshots else None


def label_of(file: Path) -> str:
    """What a folder's weights are called: as the folder, or as the model whose snapshot of a hub's cache it is."""
    folder = Path(os.path.abspath(file)).parent  # links are not followed: a hub's lead to files named by digests
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.rpartition("--")[2]
    return folder.name


def parts_of(index: Path) -> dict[Path, frozenset[str]]:
    """The files that an index names, which lie beside it, each with the names of the tensors to be taken from it.

    Raises:
        UserError: it is damaged, names files elsewhere, or parts that are not there.
    """
    weight_map = read_json(index, _Index, what="the index of weights").weight_map
    names = sorted(set(weight_map.values()))
    if not 1 <= len(names) <= _MOST_PARTS:
        raise UserError(f"the index of weights {index} names {len(names)} files, not 1 to {_MOST_PARTS}")
    elsewhere = [name for name in names if not name or Path(name).name != name or "\\" in name or name == index.name]
    if elsewhere:
        raise UserError(f"the index of weights {index} names {elsewhere[0]!r}, which is no file beside it")
    missing = [name for name in names if not os.path.isfile(index.parent / name)]  # also where a name is too long
    if missing:
        raise UserError(
            f"of the weights {index}, {len(missing)} of {len(names)} parts are missing ({first_few(missing, 2)}): get "
            "the whole folder again"
        )
    return {
        index.parent / name: frozenset(tensor for tensor, part in weight_map.items() if part == name) for name in names
    }
